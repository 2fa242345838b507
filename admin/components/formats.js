/** How the admin section writes numbers, money, times and sizes. */
import { ago, count, exactly, plural } from "$/public/external/chatapp/components/documents/documents_format.js";
import { readableSize, themeRoot } from "$/public/external/chatapp/components/uploads/upload_queue.js";

export { ago, count, exactly, plural, readableSize, themeRoot };

const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

/** A number short enough for a cell; the exact one belongs in its title. */
export const shortNumber = (value) => (Math.abs(value) < 10_000 ? fine.format(value) : short.format(value));

export const exactNumber = (value) => fine.format(value);

/** @param {number} value micro-dollars */
export function money(value) {
  const dollars = value / 1e6;
  const digits = dollars !== 0 && Math.abs(dollars) < 1 ? 4 : 2;
  return new Intl.NumberFormat("en", { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: digits }).format(dollars);
}

/** @param {number} value milliseconds */
export function duration(value) {
  if (value < 1000) return `${whole.format(value)} ms`;
  if (value < 60_000) return `${fine.format(value / 1000)} s`;
  return `${whole.format(value / 60_000)} min`;
}

/** @param {number} value 0 to 1 */
export const percent = (value) => `${fine.format(value * 100)} %`;

/** An hour or a day as charts name it: `h` or `d`, a colon, seconds since 1970. Days are those of UTC. */
export function slotInWords(slot) {
  const date = new Date(Number(slot.slice(2)) * 1000);
  if (slot.startsWith("h")) return date.toLocaleString(undefined, { weekday: "short", hour: "2-digit", minute: "2-digit" });
  return date.toLocaleDateString(undefined, { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
}

/** A value in words, by what it is. */
export function written(value, kind) {
  if (value === null || value === undefined || value === "") return "";
  switch (kind) {
    case "moment":
      return exactly(value);
    case "money":
      return money(value);
    case "bytes":
      return readableSize(value);
    case "milliseconds":
      return duration(value);
    case "share":
      return percent(value);
    case "number":
      return exactNumber(value);
    case "yes_no":
      return value ? "Yes" : "No";
    case "list":
      return value.join(", ");
    default:
      return String(value);
  }
}
