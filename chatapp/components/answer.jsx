/* One answer: what happens while it forms, its text as it is written, its sources, and how it ended. */
import { useCallback, useEffect, useMemo, useRef } from "react";
import { CircleAlert, RotateCcw, Square } from "lucide-react";
import { announce, openAnnouncer } from "./announcer.js";
import { CitationContext, Markdown, PartsContext } from "./markdown.jsx";
import { CitationChip, SourcesRow, readCitations } from "./citations.jsx";
import { retryTurn, useTurn } from "./turn_stream.js";

export function Answer({ turnId, wasFinished = false, onCite, onRegenerate, children }) {
  const turn = useTurn(turnId);
  const isGrowing = turn.phase === "connecting" || turn.phase === "streaming";
  const cite = useCallback((number, offset) => onCite?.({ turnId, number, offset }), [turnId, onCite]);
  /* Only these two change what a chip shows; the text around them changes at each flush. */
  const { sources, done } = turn;
  useSpokenAnswer(turn, wasFinished);
  useSpokenSeam(turn, wasFinished);
  const drawCitation = useMemo(() => {
    const known = { sources, done };
    return ({ number, offset }) => <CitationChip turn={known} number={number} offset={offset} onOpen={cite} />;
  }, [sources, done, cite]);
  return (
    <article className="answer" aria-label="Answer" aria-busy={isGrowing} data-phase={turn.phase}>
      <CitationContext.Provider value={drawCitation}>
        <PartsContext.Provider value={turn.parts}>
          {turn.text && <Markdown text={turn.text} isGrowing={isGrowing} />}
        </PartsContext.Provider>
      </CitationContext.Provider>
      {isGrowing && <Stage text={turn.stage} hasText={Boolean(turn.text)} />}
      {turn.problem && <p className="answer-note">{turn.problem}</p>}
      {turn.phase === "failed" && <Failure message={turn.problem} onRetry={() => retryTurn(turnId)} />}
      {turn.phase === "done" && <Ending turn={turn} onRegenerate={onRegenerate} />}
      {turn.phase === "done" && <SourcesRow turn={turn} onOpen={cite} />}
      {children}
    </article>
  );
}

/* What happens now, in a few words; a quiet cursor once text is there. */
export function Stage({ text, hasText = false }) {
  if (hasText) return <span className="writing" aria-hidden />;
  return (
    <p className="stage" role="status">
      <span className="stage-dots" aria-hidden>
        <i />
        <i />
        <i />
      </span>
      {text || "Looking at the question"}
    </p>
  );
}

function Ending({ turn, onRegenerate }) {
  const { status, error } = turn.done;
  if (status === "stopped") {
    return (
      <p className="answer-note">
        <Square size={12} aria-hidden /> Stopped. What was written is kept.
      </p>
    );
  }
  if (status === "failed" && turn.text) return <BrokenOff reason={error?.message} onRetry={onRegenerate} />;
  if (status === "failed") return <Failure message={error?.message} onRetry={onRegenerate} />;
  if (status === "blocked") return <Failure message={error?.message || "This answer was held back by a rule."} />;
  return turn.text ? null : <p className="answer-note">The model gave no answer.</p>;
}

/* What stands above it is not the whole answer, and nobody could go on. */
function BrokenOff({ reason, onRetry }) {
  return (
    <div className="failure broken-off" role="alert">
      <CircleAlert size={18} aria-hidden />
      <div>
        <p className="failure-title">The answer broke off here.</p>
        {reason && <p className="quiet small">{reason}</p>}
      </div>
      {onRetry && (
        <button type="button" className="button" onClick={onRetry}>
          <RotateCcw size={14} aria-hidden /> Ask again
        </button>
      )}
    </div>
  );
}

function Failure({ message, onRetry }) {
  return (
    <div className="failure" role="alert">
      <CircleAlert size={18} aria-hidden />
      <p>{message || "The answer could not be written."}</p>
      {onRetry && (
        <button type="button" className="button" onClick={onRetry}>
          <RotateCcw size={14} aria-hidden /> Try again
        </button>
      )}
    </div>
  );
}

/* Reads the answer to a screen reader in whole sentences while it forms, and says when it is complete. */
function useSpokenAnswer(turn, wasFinished) {
  const place = useRef(0);
  const isDone = turn.phase === "done";
  useEffect(() => {
    if (!wasFinished) openAnnouncer();
  }, [wasFinished]);
  useEffect(() => {
    if (wasFinished) place.current = turn.text.length;
    if (wasFinished || (!turn.text && !isDone)) return;
    const fresh = turn.text.slice(place.current);
    const end = isDone ? fresh.length : lastSentenceEnd(fresh);
    /* Sentences come in groups, so that the voice is not cut off by the next one. */
    if (!isDone && end < 120) return;
    place.current += end;
    announce(readable(fresh.slice(0, end)) + (isDone ? ` ${ending(turn)}` : ""));
  }, [turn.text, isDone]); // eslint-disable-line react-hooks/exhaustive-deps
}

/* Says to a screen reader that another model goes on, when it does. */
function useSpokenSeam(turn, wasFinished) {
  const isGrowing = turn.phase === "streaming";
  const model = turn.parts.length > 1 ? turn.parts.at(-1).model : "";
  useEffect(() => {
    if (model && isGrowing && !wasFinished) announce(`Continued by ${model}.`);
  }, [model]); // eslint-disable-line react-hooks/exhaustive-deps
}

function ending(turn) {
  if (turn.done.status !== "completed") return "";
  const count = new Set(readCitations(turn).map((citation) => citation.number)).size;
  return count ? `End of the answer, ${count === 1 ? "one source" : `${count} sources`}.` : "End of the answer.";
}

function lastSentenceEnd(text) {
  const ends = [...text.matchAll(/[.!?:][)\]"']*(?:\s|$)|\n\n/g)];
  const last = ends.at(-1);
  return last ? last.index + last[0].length : 0;
}

function readable(text) {
  return text
    .replace(/\[(\d+)\](?!\()/g, " source $1")
    .replace(/[*_`#>|]+/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}
