/**
 * The stored text of a document, readable, with the passage lit at its exact offsets.
 *
 * Every character shown keeps its place in the document's text, so the lit characters are those the
 * answer rests on and not a search for something similar. Long documents are read window by window.
 */
import { memo, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { fetchText } from "./document_requests.js";

const WINDOW = 20_000; // characters asked for at a time

const PAGE_WORDS = {
  "application/vnd.openxmlformats-officedocument.presentationml.presentation": "Slide",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "Sheet",
  "application/pdf": "Page",
};

/* Nothing but tables: the names of the columns stay in view while the rows go by. */
const SHEETS = new Set(["text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"]);

/** The characters [start, end) of a slice that begins at `from`, with what is lit inside a mark. */
function Characters({ text, from, lit }) {
  const start = Math.max(lit.start - from, 0);
  const end = Math.min(lit.end - from, text.length);
  if (lit.start < 0 || start >= end) return text;
  return (
    <>
      {text.slice(0, start)}
      <mark className="dv-lit">{text.slice(start, end)}</mark>
      {text.slice(end)}
    </>
  );
}

/** Cut [start, end) of the text at a pattern; the pieces, empty ones too, keep their offsets. */
function pieces(text, start, end, pattern) {
  const found = [];
  let from = start;
  for (const match of text.slice(start, end).matchAll(pattern)) {
    found.push([from, start + match.index]);
    from = start + match.index + match[0].length;
  }
  return [...found, [from, end]];
}

const RULE = /^[\s|:-]+$/;

/** The cells of each row. Markdown also has bars around a row, and a rule below the names of the columns. */
function rowsOf(text, isMarkdown) {
  const rows = pieces(text, 0, text.length, /\n/g);
  if (!isMarkdown) return rows.map(([start, end]) => pieces(text, start, end, / ?\| ?/g));
  return rows
    .filter(([start, end]) => !RULE.test(text.slice(start, end)))
    .map(([start, end]) => {
      const row = text.slice(start, end);
      const from = start + row.match(/^\s*\|?\s*/)[0].length;
      const to = end - row.match(/\s*\|?\s*$/)[0].length;
      return pieces(text, from, Math.max(from, to), /\s*(?<!\\)\|\s*/g);
    });
}

function Table({ block, lit, isMarkdown }) {
  const { text } = block;
  const rows = rowsOf(text, isMarkdown);
  const cell = ([start, end]) => {
    const content = text.slice(start, end);
    return isMarkdown ? inline(content, block.start + start, lit) : <Characters text={content} from={block.start + start} lit={lit} />;
  };
  if (rows.every((cells) => cells.length < 2)) return <Paragraph block={block} lit={lit} isMarkdown={isMarkdown} />;
  const [head, ...body] = rows;
  return (
    <div className="dv-table" tabIndex={0} role="region" aria-label="Table">
      <table>
        <thead>
          <tr>{head.map((range, column) => <th key={column} scope="col">{cell(range)}</th>)}</tr>
        </thead>
        <tbody>
          {body.map((cells, index) => (
            <tr key={index}>{cells.map((range, column) => <td key={column}>{cell(range)}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const LIST_LINE = /^\s*(?:[-*+•]|\d+[.)])\s/;
const FULL_LINE = 60; // characters; a shorter line was ended on purpose

/** Undo the line breaks that only fitted a page's width. One character for another, so every offset stays. */
function flow(text) {
  return text.replace(/\n(?=\S)/g, (newline, at) => {
    const line = text.slice(text.lastIndexOf("\n", at - 1) + 1, at);
    const next = text.slice(at + 1, at + 12);
    return line.length >= FULL_LINE && !LIST_LINE.test(next) && !next.startsWith("|") ? " " : newline;
  });
}

const MARKUP = /(`+)([^`\n]+)\1|(\*\*|__)(?=\S)(.+?)\3|!?(\[)([^\]\n]+)\]\([^)\s]*\)/g;

/** Markdown's marks inside a line: code, strong and links as what they mean, their marks left out. */
function inline(text, from, lit) {
  const parts = [];
  let at = 0;
  const characters = (start, end) => <Characters key={start} text={text.slice(start, end)} from={from + start} lit={lit} />;
  for (const match of text.matchAll(MARKUP)) {
    const content = match[2] ?? match[4] ?? match[6];
    const start = match.index + match[0].indexOf(content);
    const Tag = match[2] ? "code" : match[4] ? "strong" : "span";
    if (match.index > at) parts.push(characters(at, match.index));
    parts.push(<Tag key={match.index}>{characters(start, start + content.length)}</Tag>);
    at = match.index + match[0].length;
  }
  if (at < text.length) parts.push(characters(at, text.length));
  return parts;
}

function Heading({ block, lit, isMarkdown }) {
  const Tag = `h${Math.min(Math.max(block.level + 1, 2), 6)}`;
  return <Tag>{isMarkdown ? inline(block.text, block.start, lit) : <Characters text={block.text} from={block.start} lit={lit} />}</Tag>;
}

function Paragraph({ block, lit, isMarkdown }) {
  const text = flow(block.text);
  return <p>{isMarkdown ? inline(text, block.start, lit) : <Characters text={text} from={block.start} lit={lit} />}</p>;
}

function Code({ block, lit, isMarkdown }) {
  const fence = isMarkdown ? block.text.match(/^\s*(?:```|~~~).*\n/) : null;
  const start = fence ? fence[0].length : 0;
  const end = fence ? block.text.replace(/\n\s*(?:```|~~~)\s*$/, "").length : block.text.length;
  return (
    <pre tabIndex={0}>
      <Characters text={block.text.slice(start, Math.max(start, end))} from={block.start + start} lit={lit} />
    </pre>
  );
}

const KINDS = { heading: Heading, table: Table, code: Code };

const Block = memo(function Block({ block, lit, mark, isMarkdown }) {
  const Kind = KINDS[block.kind] ?? Paragraph;
  return (
    <>
      {mark && (
        <div className="dv-page-mark">
          <span>{mark}</span>
        </div>
      )}
      <Kind block={block} lit={lit} isMarkdown={isMarkdown} />
    </>
  );
});

const UNLIT = { start: -1, end: -1 };

/** The passage within a block. The server counts characters, a string here units of UTF-16: an emoji has two of them. */
function litIn(block, lit) {
  if (!/[\uD800-\uDBFF]/.test(block.text)) return lit;
  const characters = [...block.text];
  const place = (at) => block.start + characters.slice(0, Math.max(0, at - block.start)).join("").length;
  return { start: place(lit.start), end: place(lit.end) };
}

/** Blocks in order, with a mark where a page, slide or sheet begins. */
function Blocks({ blocks, lit, mediaType }) {
  const pageWord = PAGE_WORDS[mediaType];
  const isMarkdown = mediaType === "text/markdown";
  return blocks.map((block, index) => {
    const begins = pageWord && block.page !== blocks[index - 1]?.page;
    // Blocks without the passage get the same object each time, so another passage redraws two of them only.
    const touched = lit.start < block.end && lit.end > block.start;
    return (
      <Block
        key={block.start}
        block={block}
        lit={touched ? litIn(block, lit) : UNLIT}
        mark={begins ? `${pageWord} ${block.page}` : ""}
        isMarkdown={isMarkdown}
      />
    );
  });
}

/** Scroll the passage's first lit character to a third of the view, without moving the page around it. */
function reveal(scroller) {
  const mark = scroller?.querySelector("mark.dv-lit");
  if (!mark) return;
  const top = mark.getBoundingClientRect().top - scroller.getBoundingClientRect().top + scroller.scrollTop;
  scroller.scrollTop = Math.max(top - scroller.clientHeight * 0.3, 0);
}

function More({ where, onMore, isBusy }) {
  const button = useRef(null);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && onMore(), {
      rootMargin: "200px",
    });
    observer.observe(button.current);
    return () => observer.disconnect();
  }, [onMore]);
  return (
    <button ref={button} type="button" className="dv-more" onClick={onMore} disabled={isBusy}>
      {isBusy ? "Reading…" : `Show ${where}`}
    </button>
  );
}

/** The part of a window that is not shown yet; null when there is none. */
async function fetchMore({ fileId, version }, where, top, bottom) {
  if (where === "earlier") {
    const part = await fetchText(fileId, version, Math.max(top.start - WINDOW, 0), top.start);
    const blocks = part.blocks.filter((block) => block.end <= top.start);
    return blocks.length ? { ...part, start: blocks[0].start, end: top.start, blocks } : null;
  }
  const part = await fetchText(fileId, version, bottom.end);
  const blocks = part.blocks.filter((block) => block.start >= bottom.end);
  return blocks.length ? { ...part, blocks } : null;
}

export function TextView({ fileId, version, filename, start, end, mediaType, first }) {
  const scroller = useRef(null);
  const [parts, setParts] = useState([first]);
  const [busy, setBusy] = useState("");
  const [ended, setEnded] = useState({});
  const isAsking = useRef(false);
  const heightBefore = useRef(0);
  const lit = useMemo(() => ({ start, end }), [start, end]);

  useEffect(() => {
    setParts([first]);
    setEnded({});
  }, [first]);
  useLayoutEffect(() => reveal(scroller.current), [first, start, end]);
  useLayoutEffect(() => {
    // What was put above the text must not push it down.
    if (heightBefore.current && scroller.current) {
      scroller.current.scrollTop += scroller.current.scrollHeight - heightBefore.current;
    }
    heightBefore.current = 0;
  }, [parts]);

  const top = parts[0];
  const bottom = parts.at(-1);
  const blocks = useMemo(() => parts.flatMap((part) => part.blocks), [parts]);
  const more = useCallback(
    async (where) => {
      if (isAsking.current) return;
      isAsking.current = true;
      setBusy(where);
      try {
        const part = await fetchMore({ fileId, version }, where, top, bottom);
        if (!part) setEnded((now) => ({ ...now, [where]: true }));
        else {
          if (where === "earlier") heightBefore.current = scroller.current?.scrollHeight ?? 0;
          setParts((now) => (where === "earlier" ? [part, ...now] : [...now, part]));
        }
      } catch {
        // The button stays; pressing it asks again.
      } finally {
        isAsking.current = false;
        setBusy("");
      }
    },
    [fileId, version, top, bottom],
  );
  const earlier = useCallback(() => more("earlier"), [more]);
  const later = useCallback(() => more("more"), [more]);

  return (
    <div ref={scroller} className="dv-scroll dv-text" tabIndex={0} role="region" aria-label={`Text of ${filename}`}>
      <div className={`dv-prose${SHEETS.has(mediaType) ? " dv-sheet" : ""}`}>
        {top.start > 0 && !ended.earlier && <More where="earlier" onMore={earlier} isBusy={busy === "earlier"} />}
        <Blocks blocks={blocks} lit={lit} mediaType={mediaType} />
        {bottom.end < bottom.total && !ended.more && <More where="more" onMore={later} isBusy={busy === "more"} />}
      </div>
    </div>
  );
}
