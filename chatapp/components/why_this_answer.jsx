/* How an answer came about, from its trace: what was found and used, where the time went, what it cost. */
import { useEffect, useState } from "react";
import { Check, RotateCcw } from "lucide-react";
import { place } from "$/public/external/chatapp/components/answer/citations.jsx";
import { CopyButton } from "$/public/external/chatapp/components/answer/markdown.jsx";
import { leaveForSignIn } from "$/public/external/chatapp/components/answer/turn_stream.js";

const STEP_NAMES = {
  admit: "Checked the request",
  wait: "Waited for a free place",
  rewrite: "Understood the question",
  retrieve: "Searched the documents",
  compose: "Put the sources together",
  summarise: "Summed up earlier turns",
  generate: "Wrote the answer",
  cite: "Matched the citations",
  record: "Kept the record",
};

export function WhyThisAnswer({ turnId }) {
  const [trace, setTrace] = useState(null);
  const [problem, setProblem] = useState("");
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    setTrace(null);
    setProblem("");
    readTrace(turnId, controller.signal).then(setTrace, (error) => {
      if (error.name !== "AbortError") setProblem("How this answer came about cannot be shown at the moment.");
    });
    return () => controller.abort();
  }, [turnId, attempt]);

  if (problem) {
    return (
      <div className="panel-empty" role="alert">
        <p>{problem}</p>
        <button type="button" className="button" onClick={() => setAttempt(attempt + 1)}>
          <RotateCcw size={14} aria-hidden /> Try again
        </button>
      </div>
    );
  }
  if (!trace) return <div className="panel-body" aria-busy="true">{[80, 120, 160].map((height) => <div key={height} className="skeleton" style={{ height, marginBottom: 16 }} />)}</div>;
  return (
    <div className="panel-body why">
      <Facts trace={trace} />
      <Retrieval trace={trace} />
      <Waterfall spans={trace.spans ?? []} total={trace.latency_ms} />
      <p className="quiet small why-id">
        Trace <code>{trace.trace_id}</code> <CopyButton read={() => trace.trace_id} label="Copy trace id" />
      </p>
    </div>
  );
}

async function readTrace(turnId, signal) {
  const response = await fetch(`/v1/traces/${turnId}`, { signal, credentials: "same-origin" });
  if (response.status === 401) leaveForSignIn();
  if (!response.ok) throw new Error(`no trace: ${response.status}`);
  return response.json();
}

const citedChunks = (trace) =>
  new Set((trace.citations ?? []).map((each) => (each.file_citation ?? each).chunk_id).filter(Boolean));

function Facts({ trace }) {
  const facts = [
    ["Model", writers(trace)],
    ["Why this model", trace.route_reason],
    ["Time", duration(trace.latency_ms)],
    ["First words after", trace.ttft_ms == null ? null : duration(trace.ttft_ms)],
    ["Tokens", tokens(trace)],
    ["Left out", leftOut(trace.prompt ?? {})],
    ["Cost", cost(trace.cost_micro_usd)],
  ].filter(([, value]) => value);
  return (
    <dl className="facts numbers">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Retrieval({ trace }) {
  const { retrieval: found = [], standalone_question: question, collections = [] } = trace;
  const best = Math.max(...found.map((each) => each.score ?? 0), 1e-9);
  const used = new Set(trace.used ?? []);
  const cited = citedChunks(trace);
  return (
    <section>
      <h3>What was found</h3>
      {collections.length > 0 && <p className="quiet small">Searched in {collections.map((each) => each.name).join(", ")}.</p>}
      {question && question !== trace.question && (
        <p className="quiet small">
          Searched for <q>{question}</q>
        </p>
      )}
      {trace.is_degraded && <p className="support-note weak">The search by meaning was not available, so only words were compared.</p>}
      {trace.collections_by_words_alone > 0 && (
        <p className="quiet small">
          {`These are many collections: ${trace.collections_by_words_alone.toLocaleString()} of them were searched by words alone, not by meaning. Choose fewer to have all searched both ways.`}
        </p>
      )}
      {!found.length && <p className="quiet">Nothing was searched, or nothing was found.</p>}
      {found.length > 0 && trace.is_relevant === false && <p className="quiet small">Nothing of it was close enough to the question to answer from.</p>}
      <ol className="found">
        {found.map((each, index) => (
          <FoundChunk key={each.chunk_id ?? index} chunk={each} best={best} isUsed={used.has(each.number)} isCited={cited.has(each.chunk_id)} />
        ))}
      </ol>
    </section>
  );
}

function FoundChunk({ chunk, best, isUsed, isCited }) {
  const scores = [
    ["words", chunk.keyword_score, 1],
    ["meaning", chunk.vector_score, 2],
  ].filter(([, value]) => value != null);
  return (
    <li className={isUsed ? "used" : "unused"}>
      <p className="found-title">
        <span>{chunk.filename}</span>
        <span className="quiet">{place(chunk)}</span>
        <span className={`badge ${isCited ? "good" : ""}`}>
          {isCited && <Check size={12} aria-hidden />}
          {isCited ? "cited" : isUsed ? "read" : "not used"}
        </span>
      </p>
      {chunk.heading && <p className="quiet small">{chunk.heading}</p>}
      <div className="meter" role="img" aria-label={`Score ${number(chunk.score)}`}>
        <i style={{ width: `${Math.max(2, (100 * (chunk.score ?? 0)) / best)}%` }} />
      </div>
      <p className="quiet small numbers">
        {scores.map(([name, value, digits]) => `${name} ${value.toFixed(digits)}`).join(" · ") || `score ${number(chunk.score)}`}
      </p>
    </li>
  );
}

/* Each step as a bar from its beginning to its end. */
function Waterfall({ spans, total }) {
  const end = Math.max(total ?? 0, ...spans.map((span) => span.start_ms + span.duration_ms), 1);
  if (!spans.length) return null;
  return (
    <section>
      <h3>Where the time went</h3>
      <ol className="waterfall">
        {spans.map((span, index) => (
          <li key={index}>
            <span className="waterfall-name">{STEP_NAMES[span.name] ?? span.name}</span>
            <span className="waterfall-track" aria-hidden>
              <i
                style={{
                  left: `${(100 * span.start_ms) / end}%`,
                  width: `${Math.max(0.6, (100 * span.duration_ms) / end)}%`,
                }}
              />
            </span>
            <span className="waterfall-time numbers">{duration(span.duration_ms)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function duration(milliseconds) {
  if (milliseconds == null) return "";
  if (milliseconds < 1) return "< 1 ms";
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  return `${(milliseconds / 1000).toFixed(milliseconds < 10000 ? 1 : 0)} s`;
}

function writers({ model, parts = [] }) {
  if (model === "extractive") return "Quotes from the documents";
  return parts.length ? parts.map((part) => part.model).join(", continued by ") : model;
}

function tokens({ input_tokens: input, output_tokens: output, cached_input_tokens: kept }) {
  if (!input && !output) return "";
  const before = kept ? ` (${kept.toLocaleString()} kept from before)` : "";
  return `${(input ?? 0).toLocaleString()} read${before}, ${(output ?? 0).toLocaleString()} written`;
}

/* What did not fit into the model. */
function leftOut({ dropped_sources: dropped = 0, summarised_turns: summed = 0, cut_turns: cut = 0 }) {
  return [
    dropped && (dropped === 1 ? "the weakest passage" : `the ${dropped} weakest passages`),
    summed && `the wording of ${summed} earlier ${summed === 1 ? "question" : "questions"}, summed up`,
    cut && `most of ${cut} earlier ${cut === 1 ? "question" : "questions"}`,
  ]
    .filter(Boolean)
    .join("; ");
}

function cost(micro) {
  if (micro == null) return "";
  if (micro === 0) return "free";
  const dollars = micro / 1e6;
  return dollars < 0.01 ? `${(dollars * 100).toLocaleString(undefined, { maximumFractionDigits: 3 })} ¢` : `$${dollars.toFixed(2)}`;
}

function number(value) {
  if (value == null) return "–";
  return value >= 10 ? value.toFixed(1) : value.toFixed(3);
}
