/** One document at a passage: a PDF as its pages, everything else as its text. */
import { useEffect, useRef, useState } from "react";
import { FileText, FileX2, Loader, RotateCw, TriangleAlert } from "lucide-react";
import { contentPath, fetchFile, fetchPassages, fetchText } from "./document_requests.js";
import { TextView } from "./text_view.jsx";

/** Only people who open a PDF load what draws it. */
const loadPdfView = () =>
  import("./pdf_view.jsx").then(
    (module) => module.PdfView,
    () => {
      throw new Error("The viewer for PDF could not be loaded. Check the connection and try again.");
    },
  );

const PDF = "application/pdf";
const NOWHERE = -1;

function Notice({ icon: Icon, title, children, action }) {
  return (
    <div className="dv-notice" role="status">
      <Icon size={28} aria-hidden="true" />
      <strong>{title}</strong>
      <p>{children}</p>
      {action}
    </div>
  );
}

function Waiting() {
  return (
    <div className="dv-waiting" role="status" aria-label="Opening the document">
      {[92, 78, 96, 64, 88, 94, 52].map((width, index) => (
        <span key={index} style={{ width: `${width}%` }} />
      ))}
    </div>
  );
}

/** What a failed request means for somebody who wants to read. */
function Failure({ error, filename, onRetry }) {
  const again = (
    <button type="button" className="button" onClick={onRetry}>
      <RotateCw size={14} aria-hidden="true" /> Try again
    </button>
  );
  if (error.status === 404 || error.status === 410) {
    return (
      <Notice icon={FileX2} title="Withdrawn">
        {filename || "This document"} was deleted, so it can no longer be opened. Answers that cite it stay as they were written.
      </Notice>
    );
  }
  if (error.status === 409) return <Notice icon={Loader} title="Still being read" action={again}>{error.message}</Notice>;
  return <Notice icon={TriangleAlert} title="This could not be opened" action={again}>{error.message}</Notice>;
}

/** Load what the view needs: the media type when it is not known, and the passage or the text around it. */
async function load({ fileId, version, start, end, mediaType, asText }, signal) {
  const type = mediaType || (await fetchFile(fileId, signal)).media_type || "";
  const isPdf = type === PDF && !asText;
  const viewer = isPdf ? loadPdfView() : null;
  viewer?.catch(() => {}); // told below, unless something else is told first
  const readText = async (from, to) => {
    const text = await fetchText(fileId, version, from, to, signal);
    return { type, text, isReplaced: text.isReplaced };
  };
  if (start <= NOWHERE || end <= start) return isPdf ? { type, passages: [], PdfView: await viewer } : readText(0);
  if (isPdf) return { type, ...(await fetchPassages(fileId, version, start, end, signal)), PdfView: await viewer };
  return readText(start, end);
}

export function DocumentView({
  fileId,
  version = 0,
  start = NOWHERE,
  end = NOWHERE,
  page = 1,
  filename = "",
  mediaType = "",
  onReady,
}) {
  const [state, setState] = useState({ key: "" });
  const [asText, setAsText] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const ready = useRef(null);
  ready.current = onReady;
  const key = `${fileId}@${version}`;
  const known = useRef({});
  known.current = state;

  useEffect(() => setAsText(false), [key]);
  useEffect(() => {
    if (!fileId) return undefined;
    const asking = new AbortController();
    // Another passage of the same document keeps its pages on the screen while it is looked up.
    setState((now) => (now.key === key && !now.error ? now : { key }));
    const knownType = mediaType || (known.current.key === key ? known.current.type : "");
    load({ fileId, version, start, end, mediaType: knownType, asText }, asking.signal).then(
      (loaded) => {
        setState({ key, passage: `${start}-${end}`, ...loaded });
        if (loaded.text) ready.current?.();
      },
      (error) => error.name !== "AbortError" && setState({ key, error }),
    );
    return () => asking.abort();
  }, [fileId, version, start, end, mediaType, asText, attempt, key]);

  const again = () => setAttempt((number) => number + 1);
  if (!fileId) return null;
  // Until the passage asked for has been found, the one before is not lit in its place.
  return (
    <div className="dv" data-file={fileId} data-passage={state.key === key ? state.passage : undefined} data-stale={state.passage !== `${start}-${end}`}>
      {state.key === key && state.isReplaced && (
        <p className="dv-replaced" role="status">
          This is the version that was cited. A newer one has replaced it.
        </p>
      )}
      <Content
        {...{ fileId, version, start, end, page, filename, again }}
        state={state.key === key ? state : {}}
        onOpened={() => ready.current?.()}
        // A file that a browser cannot draw still has its text.
        onFailed={(error) => (error?.status === 404 ? setState({ key, error }) : setAsText(true))}
      />
    </div>
  );
}

function Content({ state, fileId, version, start, end, page, filename, again, onOpened, onFailed }) {
  if (state.error) return <Failure error={state.error} filename={filename} onRetry={again} />;
  if (state.text) {
    if (!state.text.blocks.length) return <Notice icon={FileText} title="No text">There is nothing to read in {filename || "this document"}.</Notice>;
    return <TextView {...{ fileId, version, filename, start, end }} mediaType={state.type} first={state.text} />;
  }
  if (state.passages) {
    return (
      <state.PdfView
        url={contentPath(fileId, version)}
        {...{ filename, page, onOpened, onFailed }}
        passages={state.passages}
      />
    );
  }
  return <Waiting />;
}
