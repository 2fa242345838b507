/* Citation chips with their hover card, and the row of sources under an answer. */
import { useState } from "react";
import { HoverCard } from "radix-ui";
import { FileText } from "lucide-react";

/* The annotations of a finished answer, flat: {number, file_id, filename, page, quote, start_index, ...}. */
export function readCitations(turn) {
  return (turn.done?.citations ?? []).map((annotation) => annotation.file_citation ?? annotation);
}

/* What the mark `number` at `offset` of the answer stands for; null when it stands for nothing.
   While the answer is written only the source is known, its quote comes with the end. */
export function findCitation(turn, number, offset) {
  if (!turn.done) {
    const source = turn.sources.find((each) => each.number === number);
    return source ? { ...source, quote: "", support: "supported", isSource: true } : null;
  }
  const same = readCitations(turn).filter((each) => each.number === number);
  const inside = same.find((each) => each.start_index <= offset && offset < each.end_index);
  if (inside) return inside;
  const distance = (each) => Math.abs(each.end_index - offset);
  return same.reduce((best, each) => (best && distance(best) <= distance(each) ? best : each), null);
}

const SUPPORT = {
  weak: "The passage only partly supports this sentence.",
  none: "The passage does not support this sentence. Check it before you rely on it.",
};

/* After a press there is no card for a moment, of no chip: the panel says all the card does, and its opening moves
   other chips under the pointer. */
const QUIET_MS = 800;
let pressedAt = -Infinity;

export function CitationChip({ turn, number, offset, onOpen }) {
  const [isOpen, setOpen] = useState(false);
  const citation = findCitation(turn, number, offset);
  /* An answer without sources has brackets of its own. */
  if (!citation) return `[${number}]`;
  const doubt = SUPPORT[citation.support];
  const press = () => {
    pressedAt = performance.now();
    setOpen(false);
    onOpen(number, offset);
  };
  const change = (open) => setOpen(open && performance.now() - pressedAt > QUIET_MS);
  /* Focus that comes back from the panel or the message box opens none either. */
  const focus = (event) => {
    if (!event.relatedTarget?.closest(".thread")) event.preventDefault();
  };
  return (
    <HoverCard.Root open={isOpen} onOpenChange={change} openDelay={180} closeDelay={120}>
      <HoverCard.Trigger asChild>
        <button
          type="button"
          className={`citation ${citation.support ?? ""}`}
          data-number={number}
          data-offset={offset}
          aria-description={doubt}
          onFocus={focus}
          onPointerDown={() => {
            pressedAt = performance.now();
          }}
          onClick={press}
        >
          {number}
        </button>
      </HoverCard.Trigger>
      <HoverCard.Portal>
        <HoverCard.Content className="citation-card radix-themes" side="top" sideOffset={6} collisionPadding={12}>
          <CitationCard citation={citation} doubt={doubt} />
        </HoverCard.Content>
      </HoverCard.Portal>
    </HoverCard.Root>
  );
}

function CitationCard({ citation, doubt }) {
  return (
    <>
      <p className="citation-card-title">
        <FileText size={14} aria-hidden />
        <span>{citation.filename}</span>
        <span className="quiet">{place(citation)}</span>
      </p>
      {citation.heading && <p className="quiet small">{citation.heading}</p>}
      {citation.quote && <blockquote>{shorten(readable(citation.quote), 320)}</blockquote>}
      {doubt && <p className={`support-note ${citation.support}`}>{doubt}</p>}
    </>
  );
}

/* "page 12", or nothing for files whose text has no pages until somebody prints it. */
export function place({ filename, page }) {
  if (!page) return "";
  if (/\.pptx?$/i.test(filename)) return `slide ${page}`;
  if (/\.xlsx?$/i.test(filename)) return `sheet ${page}`;
  return /\.pdf$/i.test(filename) || page > 1 ? `page ${page}` : "";
}

/* A quote without the marks of its list, its markdown and its table. */
export function readable(quote) {
  return quote
    .replace(/^\s*(?:[-*+•▪◦‣●–]|#{1,6})\s+/, "")
    .replace(/\*\*(.+?)\*\*/g, "$1")
    .replace(/`([^`\n]+)`/g, "$1")
    .replace(/!?\[([^\]\n]+)\]\([^)\s]*\)/g, "$1")
    .replace(/^\s*\|\s*|\s*\|\s*$/gm, "")
    .replace(/ *\| */g, " · ");
}

function shorten(text, limit) {
  const flat = text.replace(/\s+/g, " ").trim();
  return flat.length <= limit ? flat : `${flat.slice(0, limit).replace(/\s\S*$/, "")}…`;
}

/* Each document and page once, in the order of the numbers. */
export function SourcesRow({ turn, onOpen }) {
  const seen = new Map();
  for (const citation of readCitations(turn)) if (!seen.has(citation.number)) seen.set(citation.number, citation);
  const cited = [...seen.values()].sort((a, b) => a.number - b.number);
  if (!cited.length) return null;
  return (
    <ul className="sources" aria-label="Sources">
      {cited.map((citation) => (
        <li key={citation.number}>
          <button type="button" className="source" onClick={() => onOpen(citation.number, citation.start_index)}>
            <span className="source-number">{citation.number}</span>
            <span className="source-name">{citation.filename}</span>
            <span className="source-place">{place(citation)}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

/* The answer as plain markdown with its sources written out, for the clipboard. */
export function withSources(turn) {
  const seen = new Map();
  for (const citation of readCitations(turn)) if (!seen.has(citation.number)) seen.set(citation.number, citation);
  const lines = [...seen.values()]
    .sort((a, b) => a.number - b.number)
    .map((citation) => {
      const where = place(citation);
      return `[${citation.number}] ${citation.filename}${where ? `, ${where}` : ""}`;
    });
  return lines.length ? `${turn.text.trim()}\n\nSources\n${lines.join("\n")}` : turn.text.trim();
}
