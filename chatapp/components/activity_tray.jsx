/** What is being uploaded and read, bottom right on every page: progress, reasons, cancel and retry. */
import { useEffect, useState } from "react";
import { Check, ChevronDown, ChevronUp, CircleAlert, Copy, FileText, Loader2, RotateCw, X } from "lucide-react";
import {
  FINAL,
  canRetry,
  cancel,
  clear,
  readableSize,
  retry,
  start,
  upload,
  useUploads,
} from "$/public/external/chatapp/components/uploads/upload_queue.js";

const STAGES = {
  waiting: "Waiting its turn",
  parse: "Reading",
  chunk: "Dividing into pieces",
  embed: "Preparing for search",
  index: "Adding to the index",
  done: "Ready",
};

/** How far all uploads are together: sending counts for a third, reading for the rest. */
function overall(uploads) {
  const share = (item) => {
    if (FINAL.has(item.status)) return 1;
    if (item.status === "sending") return item.progress / 3;
    if (item.status === "waiting") return 0;
    return (1 + 2 * item.progress) / 3;
  };
  return uploads.length ? uploads.reduce((sum, item) => sum + share(item), 0) / uploads.length : 0;
}

const percent = (share) => `${Math.floor(share * 100)} %`;

export function elapsed(since, now = Date.now()) {
  const seconds = Math.max(Math.round((now - since) / 1000), 0);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function describe(item) {
  switch (item.status) {
    case "waiting":
      return "Waiting to be sent";
    case "sending":
      return item.progress >= 1
        ? "Checking the file"
        : `Sending ${percent(item.progress)} of ${readableSize(item.size)}`;
    case "queued":
      return `Waiting its turn · ${elapsed(item.startedAt)}`;
    case "running":
      return `${STAGES[item.stage] ?? "Reading"} · ${percent(item.progress)} · ${elapsed(item.startedAt)}`;
    case "completed":
      return item.replaces ? "Replaced" : "Ready to be asked about";
    case "duplicate":
      return "Already here: the same file is in this collection";
    case "cancelled":
      return item.error || "Cancelled";
    default:
      return item.error || "It could not be read";
  }
}

const ICONS = { completed: Check, duplicate: Copy, failed: CircleAlert, refused: CircleAlert, cancelled: X };

function Item({ item }) {
  const Icon = ICONS[item.status] ?? FileText;
  const isOver = FINAL.has(item.status);
  return (
    <li className="tray-item" data-status={item.status}>
      <Icon size={16} className="tray-icon" aria-hidden="true" />
      <div className="tray-what">
        <span className="tray-name" title={item.name}>{item.name}</span>
        <span className="tray-note numbers">{describe(item)}</span>
        {!isOver && (
          <div
            className="bar"
            role="progressbar"
            aria-label={`${item.name}: ${describe(item)}`}
            aria-valuenow={Math.floor(item.progress * 100)}
            aria-valuemin={0}
            aria-valuemax={100}
          >
            <span style={{ width: `${item.progress * 100}%` }} />
          </div>
        )}
      </div>
      {!isOver && (
        <button type="button" className="icon-button small" aria-label={`Cancel ${item.name}`} title="Cancel" onClick={() => cancel(item.key)}>
          <X size={15} />
        </button>
      )}
      {canRetry(item) && (
        <button type="button" className="icon-button small" aria-label={`Retry ${item.name}`} title="Try again" onClick={() => retry(item.key)}>
          <RotateCw size={15} />
        </button>
      )}
    </li>
  );
}

function headline(uploads) {
  const left = uploads.filter((item) => !FINAL.has(item.status)).length;
  if (left) return `Adding ${uploads.length} ${uploads.length === 1 ? "document" : "documents"}`;
  const number = (...statuses) => uploads.filter((item) => statuses.includes(item.status)).length;
  const [ready, known, failed] = [number("completed"), number("duplicate"), number("failed", "refused")];
  if (ready === uploads.length) return `${ready} ${ready === 1 ? "document" : "documents"} ready`;
  const parts = [ready && `${ready} ready`, known && `${known} already there`, failed && `${failed} failed`];
  return parts.filter(Boolean).join(", ") || "Nothing was added";
}

export function ActivityTray({ isFolded = false }) {
  const uploads = useUploads();
  const [isOpen, setOpen] = useState(!isFolded);
  const [, tick] = useState(0);
  const inWork = uploads.filter((item) => !FINAL.has(item.status));

  useEffect(start, []);
  useEffect(() => {
    const add = ({ detail }) => {
      upload([...detail.files].map((file) => ({ file, name: file.name })), detail);
    };
    window.addEventListener("chatapp:upload", add);
    return () => window.removeEventListener("chatapp:upload", add);
  }, []);
  useEffect(() => {
    if (!inWork.length) return undefined;
    const timer = setInterval(() => tick((count) => count + 1), 1000); // the elapsed time moves on
    return () => clearInterval(timer);
  }, [inWork.length > 0]);

  if (!uploads.length) return null;
  const share = overall(uploads);
  const ready = uploads.length - inWork.length;
  return (
    <section className="tray" aria-label="Uploads" data-open={isOpen}>
      <div className="tray-head">
        {inWork.length > 0 && <Loader2 size={16} className="spin" aria-hidden="true" />}
        <strong role="status">{headline(uploads)}</strong>
        {inWork.length > 0 && <span className="numbers quiet">{`${ready} of ${uploads.length} · ${percent(share)}`}</span>}
        <button
          type="button"
          className="icon-button small"
          aria-expanded={isOpen}
          aria-label={isOpen ? "Fold the uploads" : "Show the uploads"}
          onClick={() => setOpen(!isOpen)}
        >
          {isOpen ? <ChevronDown size={16} /> : <ChevronUp size={16} />}
        </button>
        {inWork.length === 0 && (
          <button type="button" className="icon-button small" aria-label="Close the uploads" onClick={clear}>
            <X size={16} />
          </button>
        )}
      </div>
      {inWork.length > 0 && (
        <div className="bar slim" aria-hidden="true">
          <span style={{ width: `${share * 100}%` }} />
        </div>
      )}
      {isOpen && (
        <ul className="tray-list" tabIndex={0} aria-label="Files">
          {[...uploads].reverse().map((item) => <Item key={item.key} item={item} />)}
        </ul>
      )}
    </section>
  );
}
