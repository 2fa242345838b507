/* Markdown as a list of blocks that stay the same while text is appended, so that React draws only the last one.

   Text from a model or a document is never HTML here: the lexer's tokens are turned into React elements one by
   one, and a token of kind `html` shows as the characters it is. */
import { Marked } from "marked";
import remend from "remend";
import { CLOSE as SEAM_CLOSE, OPEN as SEAM_OPEN, seamPlaces } from "./seams.js";

/* A citation mark [3] is replaced by OPEN 3 : offset CLOSE before lexing, so that each mark keeps its place in
   the answer. The two characters are from the private use area and dropped from what comes in. */
const OPEN = "\uE000";
const CLOSE = "\uE001";
/* One number only: the server writes marks so, and `a[1, 2]` is somebody's code. What defines a link is none. */
const MARK = /\[(\d{1,3})\](?!\(|:\s*<?(?:https?|mailto):)/g;
const HALF_MARK = /\[[\d,\s]{0,12}$/;

/* The text with its citations, and the places where another model went on, as marks. */
export function withMarks(text, parts) {
  const clean = text.replace(/[\uE000-\uE003]/g, "");
  let marked = "";
  let from = 0;
  for (const { at, mark } of seamPlaces(clean, parts)) {
    marked += withCitations(clean, from, at) + mark;
    from = at;
  }
  return marked + withCitations(clean, from, clean.length);
}

function withCitations(text, from, to) {
  const mark = (_, number, offset) => `${OPEN}${number}:${characters(text, from + offset)}${CLOSE}`;
  return text.slice(from, to).replace(MARK, mark);
}

/* How many characters stand before a place. The server counts these; a string here has two units for an emoji. */
function characters(text, place) {
  return place - (text.slice(0, place).match(/[\u{10000}-\u{10FFFF}]/gu)?.length ?? 0);
}

export function withoutMarks(text) {
  return text.replace(/\uE000(\d+):\d+\uE001/g, "[$1]").replace(/\uE002\d+\uE003/g, "");
}

/* A mark that is only half written is not shown. */
export function withoutHalfMark(text) {
  return text.replace(HALF_MARK, "");
}

const citation = {
  name: "citation",
  level: "inline",
  start: (source) => source.indexOf(OPEN),
  tokenizer(source) {
    const match = /^\uE000(\d+):(\d+)\uE001/.exec(source);
    if (match) return { type: "citation", raw: match[0], number: Number(match[1]), offset: Number(match[2]) };
  },
};

const seam = {
  name: "seam",
  level: "inline",
  start: (source) => source.indexOf(SEAM_OPEN),
  tokenizer(source) {
    const match = new RegExp(`^${SEAM_OPEN}(\\d+)${SEAM_CLOSE}`).exec(source);
    if (match) return { type: "seam", raw: match[0], number: Number(match[1]) };
  },
};

const blockMaths = {
  name: "blockMaths",
  level: "block",
  start: (source) => source.match(/^(?:\$\$|\\\[)/m)?.index,
  tokenizer(source) {
    const match = /^\$\$([\s\S]+?)\$\$(?:\n|$)/.exec(source) ?? /^\\\[([\s\S]+?)\\\](?:\n|$)/.exec(source);
    if (match) return { type: "maths", raw: match[0], text: match[1].trim(), display: true };
  },
};

/* A single dollar opens maths only when no space follows it and no digit follows the closing one: "$5 and $6" is money. */
const inlineMaths = {
  name: "inlineMaths",
  level: "inline",
  start: (source) => source.match(/\$|\\\(/)?.index,
  tokenizer(source) {
    const match =
      /^\$\$([^\n]+?)\$\$/.exec(source) ??
      /^\\\((.+?)\\\)/.exec(source) ??
      /^\$(?![\s\d])((?:\\.|[^$\\\n])+?)(?<![\s\\])\$(?!\d)/.exec(source);
    if (match) return { type: "maths", raw: match[0], text: match[1].trim(), display: false };
  },
};

const lexer = new Marked({ gfm: true, breaks: false, extensions: undefined });
lexer.use({ extensions: [citation, seam, blockMaths, inlineMaths] });

export function lex(text) {
  return lexer.lexer(text);
}

/* Splits a text that grows. Blocks before the last two no longer change and are not read again. */
export class Blocks {
  constructor() {
    this.reset();
  }

  reset() {
    this.settled = [];
    this.settledText = "";
  }

  /* The blocks of `text`: [{key, token}]. */
  split(text, isGrowing) {
    if (!text.startsWith(this.settledText)) this.reset();
    const tail = text.slice(this.settledText.length);
    const tokens = lex(isGrowing ? remend(tail) : tail);
    const blocks = [];
    let place = this.settledText.length;
    for (const token of tokens) {
      if (token.type !== "space" && token.type !== "def") blocks.push({ key: place, token });
      place += token.raw.length;
    }
    if (isGrowing && isTableToCome(blocks.at(-1)?.token)) blocks.pop();
    const shown = [...this.settled, ...blocks];
    if (isGrowing && tokens.length > 4) this.settle(tokens.slice(0, -3));
    return shown;
  }

  settle(tokens) {
    let place = this.settledText.length;
    let raw = "";
    for (const token of tokens) {
      if (token.type !== "space" && token.type !== "def") this.settled.push({ key: place + raw.length, token });
      raw += token.raw;
    }
    this.settledText += raw;
  }
}

/* The head of a table is a paragraph of bars until the line below it is written: it waits unseen. */
function isTableToCome(token) {
  return token?.type === "paragraph" && /^\s*\|/.test(token.raw);
}

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00A0", mdash: "—", ndash: "–", hellip: "…" };

export function decodeEntities(text) {
  if (!text.includes("&")) return text;
  return text.replace(/&(#x[\da-f]{1,6}|#\d{1,7}|[a-z]+);/gi, (whole, name) => {
    if (name[0] !== "#") return ENTITIES[name.toLowerCase()] ?? whole;
    const code = name[1] === "x" || name[1] === "X" ? parseInt(name.slice(2), 16) : parseInt(name.slice(1), 10);
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : whole;
  });
}
