/* One answer: what happens while it forms, its text as it is written, its sources, and how it ended. */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { CircleAlert, RotateCcw, Square } from "lucide-react";
import { CitationContext, Markdown } from "./markdown.jsx";
import { CitationChip, SourcesRow } from "./citations.jsx";
import { retryTurn, useTurn } from "./turn_stream.js";

export function Answer({ turnId, wasFinished = false, onCite, onRegenerate, children }) {
  const turn = useTurn(turnId);
  const isGrowing = turn.phase === "connecting" || turn.phase === "streaming";
  const cite = useCallback((number, offset) => onCite?.({ turnId, number, offset }), [turnId, onCite]);
  /* Only these two change what a chip shows; the text around them changes at each flush. */
  const { sources, done } = turn;
  const drawCitation = useMemo(() => {
    const known = { sources, done };
    return ({ number, offset }) => <CitationChip turn={known} number={number} offset={offset} onOpen={cite} />;
  }, [sources, done, cite]);
  return (
    <article className="answer" aria-label="Answer" aria-busy={isGrowing} data-phase={turn.phase}>
      <CitationContext.Provider value={drawCitation}>
        {turn.text && <Markdown text={turn.text} isGrowing={isGrowing} />}
      </CitationContext.Provider>
      {isGrowing && <Stage text={turn.stage} hasText={Boolean(turn.text)} />}
      {turn.problem && <p className="answer-note">{turn.problem}</p>}
      {turn.phase === "failed" && <Failure message={turn.problem} onRetry={() => retryTurn(turnId)} />}
      {turn.phase === "done" && <Ending turn={turn} onRegenerate={onRegenerate} />}
      {turn.phase === "done" && <SourcesRow turn={turn} onOpen={cite} />}
      {!wasFinished && <SpokenAnswer turn={turn} />}
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
  if (status === "failed") return <Failure message={error?.message} onRetry={onRegenerate} />;
  if (status === "blocked") return <Failure message={error?.message || "This answer was held back by a rule."} />;
  return turn.text ? null : <p className="answer-note">The model gave no answer.</p>;
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

/* Reads the answer to a screen reader in whole sentences while it forms. */
function SpokenAnswer({ turn }) {
  const [spoken, setSpoken] = useState("");
  const place = useRef(0);
  const isDone = turn.phase === "done";
  useEffect(() => {
    if (place.current >= turn.text.length) return;
    const fresh = turn.text.slice(place.current);
    const end = isDone ? fresh.length : lastSentenceEnd(fresh);
    /* Sentences come in groups, so that the voice is not cut off by the next one. */
    if (!end || (!isDone && end < 120)) return;
    place.current += end;
    setSpoken(readable(fresh.slice(0, end)));
  }, [turn.text, isDone]);
  return (
    <p className="visually-hidden" aria-live="polite">
      {spoken}
    </p>
  );
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
