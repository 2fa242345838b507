/** Whether a dialog is open because of something done on this page.
 *
 * The server remembers a tab's open dialogs. After a reload, or on the way back to a page, one would stand there again
 * that nobody opened, without what was typed: it is closed instead.
 */
import { useEffect, useRef } from "react";

const DEEDS = ["pointerdown", "keydown", "click"];

export function useOpenedHere(isOpen, onClose) {
  const hasActed = useRef(false);
  useEffect(() => {
    const note = () => (hasActed.current = true);
    for (const deed of DEEDS) window.addEventListener(deed, note, true);
    return () => {
      for (const deed of DEEDS) window.removeEventListener(deed, note, true);
    };
  }, []);
  useEffect(() => {
    if (isOpen && !hasActed.current) onClose();
  }, [isOpen]);
  return isOpen && hasActed.current;
}
