/** The address as the place of every choice a table offers. */
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
  const change = (values, { replace = true, state } = {}) =>
    setParams(
      (now) => {
        const next = new URLSearchParams(now);
        for (const [name, value] of Object.entries(values)) {
          if (value) next.set(name, value);
          else next.delete(name);
        }
        return next;
      },
      { replace, state, preventScrollReset: true },
    );
  return [params, change, isMounted];
}

const NOT_FILTERS = new Set(["q", "order", "limit", "after", "peek", "tab", "range"]);

/** The names of the filters that are set, in the address's order. */
export function namesOfFilters(params) {
  const names = [...params.keys()].filter((name) => !NOT_FILTERS.has(name)).map((name) => name.split(".")[0]);
  return [...new Set(names)];
}

/** The values of one filter: `{ is, has, from, to }`, each a text or nothing. */
export const filterOf = (params, name) => ({
  is: params.get(name) ?? "",
  has: params.get(`${name}.has`) ?? "",
  from: params.get(`${name}.from`) ?? "",
  to: params.get(`${name}.to`) ?? "",
});

/** The changes to the address that set one filter; whatever is left out is taken away. */
export const settingFilter = (name, { is = "", has = "", from = "", to = "" }) => ({
  [name]: is,
  [`${name}.has`]: has,
  [`${name}.from`]: from,
  [`${name}.to`]: to,
  after: "",
});

/** The query that asks for the whole of what is filtered. */
export function queryOfList(params) {
  const query = new URLSearchParams(params);
  for (const name of ["limit", "after", "peek", "tab", "range"]) query.delete(name);
  const text = query.toString();
  return text ? `?${text}` : "";
}
