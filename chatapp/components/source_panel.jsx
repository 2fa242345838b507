/* The panel beside the answer: the document at the passage cited, or how the answer came about.
   Beside the text on a wide screen, a sheet under it on a phone; it never lies over the text it belongs to. */
import { Suspense, lazy, useEffect, useMemo, useRef } from "react";
import { useLocation } from "react-router";
import { ChevronLeft, ChevronRight, ExternalLink, X } from "lucide-react";
import { findCitation, place, readCitations, readable } from "$/public/external/chatapp/components/answer/citations.jsx";
import { useTurn } from "$/public/external/chatapp/components/answer/turn_stream.js";
import { getChat, setChat, useChat } from "$/public/external/chatapp/components/thread/chat_store.js";
import { WhyThisAnswer } from "./why_this_answer.jsx";

const DocumentView = lazy(() =>
  import("$/public/external/chatapp/components/document_view/document_view.jsx").then((module) => ({ default: module.DocumentView })),
);

export function SourcePanel() {
  /* On the next page, what this one had open would take the focus for a moment and leave it nowhere. */
  useLocation();
  const panel = useChat((chat) => (chat.panel && chat.panel.path === window.location.pathname ? chat.panel : null));
  const opener = useRef(null);
  const isOpen = Boolean(panel);
  if (panel?.opener) opener.current = panel.opener;

  useEffect(() => {
    document.documentElement.classList.toggle("panel-open", isOpen);
    return () => document.documentElement.classList.remove("panel-open");
  }, [isOpen]);
  const close = () => {
    setChat({ panel: null });
    opener.current?.focus?.();
    opener.current = null;
  };
  useEffect(() => {
    if (!isOpen) return undefined;
    const press = (event) => {
      if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("[role=dialog], [role=menu]")) {
        event.preventDefault();
        close();
      }
    };
    document.addEventListener("keydown", press, true);
    return () => document.removeEventListener("keydown", press, true);
  });

  if (!panel) return null;
  return panel.kind === "why" ? <WhyPanel turnId={panel.turnId} onClose={close} /> : <CitationPanel {...panel} onClose={close} />;
}

function CitationPanel({ turnId, number, offset, onClose }) {
  const turn = useTurn(turnId);
  const { done, sources } = turn;
  const citations = useMemo(
    () => (done ? readCitations({ done }).toSorted((a, b) => a.end_index - b.end_index) : sources),
    [done, sources],
  );
  const citation = findCitation(turn, number, offset);
  const index = Math.max(0, citations.findIndex((each) => sameCitation(each, citation)));
  const go = (step) => {
    const next = citations[(index + step + citations.length) % citations.length];
    setChat({ panel: { ...getChat().panel, number: next.number, offset: next.start_index ?? 0 } });
  };
  useMarkedChip(turnId, number, citation?.start_index ?? offset, citation?.end_index ?? offset + 1);
  const heading = useFocusOnce();

  return (
    <aside className="panel" aria-label="Source">
      <header className="panel-head">
        <h2 className="numbers" ref={heading} tabIndex={-1}>
          Source {index + 1} of {Math.max(1, citations.length)}
        </h2>
        <PanelButton label="Previous citation" onClick={() => go(-1)} disabled={citations.length < 2}>
          <ChevronLeft size={18} />
        </PanelButton>
        <PanelButton label="Next citation" onClick={() => go(1)} disabled={citations.length < 2}>
          <ChevronRight size={18} />
        </PanelButton>
        <PanelButton label="Close the source" onClick={onClose}>
          <X size={18} />
        </PanelButton>
      </header>
      {citation ? <CitedDocument citation={citation} /> : <p className="panel-empty">This source is no longer part of the answer.</p>}
    </aside>
  );
}

const sameCitation = (a, b) => Boolean(b) && a.number === b.number && a.start_index === b.start_index && a.start === b.start;

function CitedDocument({ citation }) {
  const { file_id: fileId, version, filename, page, start, end, quote, support, heading } = citation;
  return (
    <>
      <div className="panel-title">
        <p className="panel-file" title={filename}>
          {filename}
        </p>
        <span className="quiet numbers">{place(citation)}</span>
        <a className="text-button" href={`/v1/files/${fileId}/content${version ? `?version=${version}` : ""}${page ? `#page=${page}` : ""}`} target="_blank" rel="noopener">
          <ExternalLink size={14} aria-hidden /> Open
        </a>
      </div>
      <div className="panel-document">
        <Suspense fallback={<div className="skeleton panel-skeleton" />}>
          <DocumentView fileId={fileId} version={version ?? 0} start={start ?? -1} end={end ?? -1} page={page || 1} filename={filename} />
        </Suspense>
      </div>
      {(quote || heading) && (
        <footer className="panel-foot">
          {heading && <p className="quiet small">{heading}</p>}
          {quote && <blockquote>{readable(quote)}</blockquote>}
          {support === "weak" && <p className="support-note weak">The passage only partly supports the sentence that cites it.</p>}
          {support === "none" && <p className="support-note none">The passage does not support the sentence that cites it.</p>}
        </footer>
      )}
    </>
  );
}

function WhyPanel({ turnId, onClose }) {
  const heading = useFocusOnce();
  return (
    <aside className="panel" aria-label="Why this answer?">
      <header className="panel-head">
        <h2 ref={heading} tabIndex={-1}>
          Why this answer?
        </h2>
        <PanelButton label="Close" onClick={onClose}>
          <X size={18} />
        </PanelButton>
      </header>
      <WhyThisAnswer turnId={turnId} />
    </aside>
  );
}

function PanelButton({ label, children, ...rest }) {
  return (
    <button type="button" className="icon-button" aria-label={label} title={label} {...rest}>
      {children}
    </button>
  );
}

/* Focus goes to the panel when it opens, and stays where it is when another citation is shown in it. */
function useFocusOnce() {
  const heading = useRef(null);
  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
  }, []);
  return heading;
}

/* The chip whose source is open is marked, and kept in view above the sheet of a phone. */
function useMarkedChip(turnId, number, from, to) {
  useEffect(() => {
    const turn = document.querySelector(`[data-turn="${turnId}"]`);
    const chips = [...(turn?.querySelectorAll(`.citation[data-number="${number}"]`) ?? [])];
    const chip = chips.find((each) => from <= Number(each.dataset.offset) && Number(each.dataset.offset) < to) ?? chips[0];
    if (!chip) return undefined;
    chip.classList.add("open");
    const timer = setTimeout(() => keepInView(chip), 60);
    return () => {
      clearTimeout(timer);
      chip.classList.remove("open");
    };
  }, [turnId, number, from, to]);
}

function keepInView(chip) {
  const scroller = chip.closest(".thread");
  if (!scroller) return;
  const box = chip.getBoundingClientRect();
  const frame = scroller.getBoundingClientRect();
  if (box.top < frame.top + 16 || box.bottom > frame.bottom - 16) chip.scrollIntoView({ block: "center" });
}
