/** How the documents page writes sizes, times, kinds and states. */
export { readableSize, themeRoot } from "$/public/external/chatapp/components/uploads/upload_queue.js";

const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });
const whole = new Intl.NumberFormat("en");

/** @param {number} seconds since 1970 */
export function ago(seconds) {
  const age = seconds - Date.now() / 1000;
  const unit = UNITS.find(([, length]) => Math.abs(age) >= length);
  return unit ? relative.format(Math.trunc(age / unit[1]), unit[0]) : "just now";
}

/** @param {number} seconds since 1970 */
export const exactly = (seconds) => exact.format(new Date(seconds * 1000));

export const count = (number) => whole.format(number);

export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

const STAGES = { parse: "Reading", chunk: "Dividing", embed: "Preparing", index: "Indexing" };

/** A state as a person reads it: the words and which colour they have. */
export function stateOf(document) {
  switch (document.status) {
    case "queued":
      return { tone: "busy", words: "Waiting" };
    case "running":
      return { tone: "busy", words: STAGES[document.stage] ?? "Reading" };
    case "completed":
      return { tone: "good", words: "Ready" };
    case "failed":
      return { tone: "bad", words: "Failed" };
    case "cancelled":
      return { tone: "quiet", words: "Cancelled" };
    default:
      return { tone: "quiet", words: "Not in a collection" };
  }
}

export const isInWork = (document) => document.status === "queued" || document.status === "running";
