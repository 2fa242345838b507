/** The address as the place of every choice: reload, back and a shared link give the same list. */
import { useEffect, useState } from "react";
import { useSearchParams } from "react-router";

const NO_PARAMS = new URLSearchParams();

/** The address's parameters and how to change them. An empty value takes a parameter away. */
export function useAddress() {
  const [current, setParams] = useSearchParams();
  const [isMounted, setMounted] = useState(false);
  useEffect(() => setMounted(true), []);
  // The page was built without an address; the first paint has to agree with it.
  const params = isMounted ? current : NO_PARAMS;
  const change = (values, { replace = true, state } = {}) => {
    // As it is now: a change that waited for the end of somebody's typing must not take back what came meanwhile.
    const next = new URLSearchParams(window.location.search);
    for (const [name, value] of Object.entries(values)) {
      if (value) next.set(name, value);
      else next.delete(name);
    }
    setParams(next, { replace, state, preventScrollReset: true });
  };
  return [params, change, isMounted];
}
