/** One document beside what was made of it: the preview, its pieces, its versions, and why it failed. */
import { useEffect, useState } from "react";
import { Dialog, Tabs } from "radix-ui";
import { CircleAlert, Download, RotateCw, X } from "lucide-react";
import { DocumentView } from "$/public/external/chatapp/components/document_view/document_view.jsx";
import { request } from "$/public/external/chatapp/components/document_view/document_requests.js";
import { KindIcon, StateBadge } from "./document_row.jsx";
import { ago, count, exactly, isInWork, plural, readableSize, themeRoot } from "./documents_format.js";
import { useAddress } from "$/public/external/chatapp/components/app_shell/address.js";

const STEPS = { parse: "reading", chunk: "dividing into pieces", embed: "preparing for search", index: "indexing" };
const NOWHERE = { start: -1, end: -1, page: 1 };

export function DocumentDrawer({ detail, canWrite, canSeeQuestions, onRetry, onMoreChunks }) {
  const [params, change] = useAddress();
  const wanted = params.get("document") ?? "";
  const row = detail?.id === wanted ? detail : null;
  const close = () => change({ document: "" }, { replace: false });
  return (
    <Dialog.Root open={Boolean(wanted)} onOpenChange={(next) => next || close()}>
      <Dialog.Portal container={themeRoot()}>
        <Dialog.Overlay className="sheet-veil" />
        <Dialog.Content className="document-drawer" aria-describedby={undefined}>
          <div className="document-drawer-head">
            <KindIcon mediaType={row?.media_type ?? ""} />
            <div className="document-drawer-title">
              <Dialog.Title>{row?.filename || "Document"}</Dialog.Title>
              {row && <Facts row={row} />}
            </div>
            {row && (
              <a className="icon-button" href={`/v1/files/${row.id}/content`} download={row.filename} aria-label="Download" title="Download">
                <Download size={17} />
              </a>
            )}
            <Dialog.Close className="icon-button" aria-label="Close">
              <X size={18} />
            </Dialog.Close>
          </div>
          {row && <Body key={`${row.id} ${row.active_version}`} {...{ row, canSeeQuestions, onRetry, onMoreChunks }} canWrite={canWrite && row.can_write} />}
          {!row && wanted && detail?.id === "" && detail.problem && (
            <div className="nothing">
              <CircleAlert size={30} aria-hidden="true" />
              <h2>It is not here</h2>
              <p>{detail.problem}</p>
            </div>
          )}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Facts({ row }) {
  return (
    <p className="quiet small numbers">
      {[
        row.collection_name || "In no collection",
        row.page_count > 0 && plural(row.page_count, "page"),
        row.chunk_count > 0 && plural(row.chunk_count, "piece"),
        readableSize(row.size_bytes),
        row.created_by && `added by ${row.created_by}`,
      ]
        .filter(Boolean)
        .join(" · ")}
    </p>
  );
}

function Body({ row, canWrite, canSeeQuestions, onRetry, onMoreChunks }) {
  const [place, setPlace] = useState(NOWHERE);
  const canPreview = row.active_version > 0 || row.media_type === "application/pdf";
  return (
    <>
      {row.error && (
        <div className="drawer-problem" role="alert">
          <CircleAlert size={17} aria-hidden="true" />
          <p>
            <strong>{row.error}</strong>
            {STEPS[row.error_stage] && <span className="quiet"> It stopped while {STEPS[row.error_stage]}.</span>}
          </p>
          {canWrite && (
            <button type="button" className="button" onClick={() => onRetry([row.id])}>
              <RotateCw size={15} aria-hidden="true" /> Retry
            </button>
          )}
        </div>
      )}
      {isInWork(row) && <div className="drawer-progress"><StateBadge row={row} /></div>}
      <div className="document-drawer-body">
        <div className="document-drawer-preview">
          {canPreview ? (
            <DocumentView fileId={row.id} filename={row.filename} mediaType={row.media_type} {...place} />
          ) : (
            <p className="nothing quiet">There is a preview as soon as the document has been read.</p>
          )}
        </div>
        <Tabs.Root className="document-drawer-side" defaultValue="pieces">
          <Tabs.List className="tabs" aria-label="About the document">
            <Tabs.Trigger value="pieces">Pieces</Tabs.Trigger>
            <Tabs.Trigger value="versions">Versions</Tabs.Trigger>
            {canSeeQuestions && <Tabs.Trigger value="questions">Questions</Tabs.Trigger>}
          </Tabs.List>
          <Tabs.Content value="pieces" tabIndex={-1} className="tab">
            <Pieces {...{ row, place, setPlace, onMoreChunks }} />
          </Tabs.Content>
          <Tabs.Content value="versions" tabIndex={-1} className="tab">
            <Versions row={row} />
          </Tabs.Content>
          {canSeeQuestions && (
            <Tabs.Content value="questions" tabIndex={-1} className="tab">
              <Questions documentId={row.id} />
            </Tabs.Content>
          )}
        </Tabs.Root>
      </div>
    </>
  );
}

function Pieces({ row, place, setPlace, onMoreChunks }) {
  if (!row.chunks.length) return <p className="quiet small tab-none">{isInWork(row) ? "They appear when the document is ready." : "Nothing is indexed."}</p>;
  return (
    <ol className="pieces">
      {row.chunks.map((chunk) => (
        <li key={chunk.id}>
          <button type="button" aria-pressed={place.start === chunk.start} onClick={() => setPlace({ start: chunk.start, end: chunk.end, page: chunk.page })}>
            <span className="piece-head numbers">
              <b>{count(chunk.ordinal + 1)}</b>
              {row.page_count > 1 && <span>p. {count(chunk.page)}</span>}
              {chunk.heading && <span className="piece-heading" title={chunk.heading}>{chunk.heading}</span>}
            </span>
            <span className="piece-text">{chunk.text}</span>
          </button>
        </li>
      ))}
      {row.chunks.length < row.chunk_count && (
        <li>
          <button type="button" className="button" onClick={onMoreChunks}>Show more</button>
        </li>
      )}
    </ol>
  );
}

function Versions({ row }) {
  return (
    <ol className="versions">
      {row.versions.map((one) => (
        <li key={one.version}>
          <div>
            <b className="numbers">Version {count(one.version)}</b>
            {one.version === row.active_version && <span className="tag good">answers</span>}
            {one.version === row.latest_version && one.version !== row.active_version && <span className="tag">newest</span>}
          </div>
          <p>{one.filename}</p>
          <p className="quiet small numbers" title={exactly(one.created_at)}>
            {readableSize(one.size_bytes)} · {ago(one.created_at)}
          </p>
        </li>
      ))}
    </ol>
  );
}

/** Who asked about it: questions whose answers cite the document, asked for when the tab is opened. */
function Questions({ documentId }) {
  const [found, setFound] = useState({ questions: null, problem: "" });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    const leaving = new AbortController();
    setFound({ questions: null, problem: "" });
    request(`/v1/files/${documentId}/questions`, { signal: leaving.signal })
      .then(({ data }) => setFound({ questions: data, problem: "" }))
      .catch((error) => leaving.signal.aborted || setFound({ questions: null, problem: error.message }));
    return () => leaving.abort();
  }, [documentId, attempt]);
  if (found.problem) {
    return (
      <p className="quiet small tab-none" role="alert">
        {found.problem} <button type="button" className="button" onClick={() => setAttempt(attempt + 1)}>Try again</button>
      </p>
    );
  }
  if (!found.questions) return <p className="quiet small tab-none" role="status">Looking for questions…</p>;
  if (!found.questions.length) return <p className="quiet small tab-none">No answer has cited this document yet.</p>;
  return (
    <ol className="versions">
      {found.questions.map((one) => (
        <li key={one.trace_id}>
          <p className="question-asked">{one.question}</p>
          <p className="quiet small numbers" title={exactly(one.asked_at)}>
            {one.asked_by || "A program"} · {ago(one.asked_at)}
          </p>
        </li>
      ))}
    </ol>
  );
}
