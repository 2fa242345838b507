/* Where another model went on with an answer: the places in its text at which that can be said. */

/* Like a citation's mark, from the private use area: OPEN number CLOSE, put in before lexing. */
export const OPEN = "\uE002";
export const CLOSE = "\uE003";
const FENCE = /^[ \t]*(```+|~~~+)/;

/* Where a mark goes for each part but the first.

   A model can break off in mid-word and anywhere in the markup, so each mark goes behind the word it falls into, and
   behind the block of code. Within code that is still open there is none yet.
   `parts` are [{start, model}] with `start` in characters as the server counts them; gives [{at, mark}]. */
export function seamPlaces(text, parts) {
  const places = [];
  for (let number = 1; number < (parts?.length ?? 0); number += 1) {
    const start = inUnits(text, parts[number].start);
    const code = codeEnd(text, start);
    const mark = `${OPEN}${number}${CLOSE}`;
    if (code === null) places.push({ at: placeOf(text, start), mark });
    else if (code >= 0) places.push({ at: code, mark: `\n\n${mark}\n\n` });
  }
  return places;
}

/* A server's character is a code point, a browser's a unit of UTF-16. */
function inUnits(text, points) {
  if (!/[\uD800-\uDBFF]/.test(text.slice(0, points * 2))) return points;
  let units = 0;
  for (let count = 0; count < points && units < text.length; count += 1) units += text.codePointAt(units) > 0xffff ? 2 : 1;
  return units;
}

function placeOf(text, start) {
  let at = wordEnd(text, start);
  /* Not within a citation, and not where the line has nothing but markup yet: "-", "##", "|:--|". */
  while (at < text.length && (/\[[\d,\s]*$/.test(text.slice(0, at)) || !/[\p{L}\p{N}]/u.test(lineBefore(text, at)))) {
    at += Math.max(1, /^\s*\S*/.exec(text.slice(at))[0].length);
  }
  return at;
}

function wordEnd(text, from) {
  if (from <= 0 || from >= text.length) return Math.min(Math.max(from, 0), text.length);
  /* Between two words it stays with the one before. */
  if (/\s/.test(text[from - 1])) return text.slice(0, from).trimEnd().length;
  const space = text.slice(from).search(/\s/);
  return space < 0 ? text.length : from + space;
}

function lineBefore(text, at) {
  return text.slice(text.lastIndexOf("\n", at - 1) + 1, at);
}

/* Behind the block of code that `start` is in; -1 while it is open, null when it is in none. */
function codeEnd(text, start) {
  let fence = "";
  let opened = 0;
  let place = 0;
  for (const line of text.split("\n")) {
    const end = place + line.length;
    const mark = FENCE.exec(line)?.[1];
    if (mark && !fence) {
      fence = mark;
      opened = place;
    } else if (mark?.startsWith(fence) && line.trim() === mark) {
      if (start > opened && start <= end) return end;
      fence = "";
    }
    place = end + 1;
  }
  return fence && start > opened ? -1 : null;
}
