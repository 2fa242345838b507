/** Fires a handler every few seconds while something is under way and the tab is looked at. */
import { useEffect, useRef } from "react";

export function Refresher({ isActive, seconds, onTick }) {
  const tick = useRef(onTick);
  useEffect(() => {
    tick.current = onTick;
  });
  useEffect(() => {
    if (!isActive) return undefined;
    const timer = setInterval(() => document.visibilityState === "visible" && tick.current(), seconds * 1000);
    return () => clearInterval(timer);
  }, [isActive, seconds]);
  return null;
}
