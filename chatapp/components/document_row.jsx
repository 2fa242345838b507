/** One document in the table: what it is, where it stands, and what can be done with it. */
import { useRef } from "react";
import { DropdownMenu } from "radix-ui";
import { Ban, Download, Ellipsis, Eye, FileCode2, FileSpreadsheet, FileText, Mail, Presentation, RefreshCcw, RotateCw, Trash2 } from "lucide-react";
import { upload } from "$/public/external/chatapp/components/uploads/upload_queue.js";
import { ago, count, exactly, isInWork, readableSize, stateOf, themeRoot } from "./documents_format.js";

const ICONS = [
  [/spreadsheet|csv|excel/, FileSpreadsheet],
  [/presentation|powerpoint/, Presentation],
  [/rfc822|mail/, Mail],
  [/html|markdown/, FileCode2],
];

export function KindIcon({ mediaType, size = 18 }) {
  const Icon = ICONS.find(([pattern]) => pattern.test(mediaType))?.[1] ?? FileText;
  return <Icon size={size} className="kind-icon" aria-hidden="true" />;
}

/** The state as words and a dot, with a bar under it while the document is in work. */
export function StateBadge({ row }) {
  const { tone, words } = stateOf(row);
  const percent = Math.floor(row.progress * 100);
  const isBusy = row.status === "running";
  return (
    <span className="state" data-tone={tone}>
      <span className="state-words numbers">{isBusy ? `${words} ${percent} %` : words}</span>
      {isBusy && (
        <span className="bar" role="progressbar" aria-label={`${row.filename}: ${words}`} aria-valuenow={percent} aria-valuemin={0} aria-valuemax={100}>
          <span style={{ width: `${percent}%` }} />
        </span>
      )}
      {isInWork(row) && row.active_version > 0 && <span className="state-note">The version before answers</span>}
    </span>
  );
}

export function DocumentRow({ row, isChosen, isOpen, actions }) {
  const { canWrite, open, toggle } = actions;
  const press = (event) => {
    // A click anywhere on the row opens it; what can be pressed by itself does its own thing.
    if (!event.target.closest("button, input, a, [role=menu]")) open(row.id);
  };
  return (
    <tr data-open={isOpen} data-chosen={isChosen} onClick={press}>
      {canWrite && (
        <td className="cell-box">
          {row.can_write && <input type="checkbox" aria-label={`Choose ${row.filename}`} checked={isChosen} onChange={(event) => toggle(row.id, event.target.checked)} />}
        </td>
      )}
      <td className="cell-name">
        <div className="row-name">
          <KindIcon mediaType={row.media_type} />
          <div>
            <button type="button" className="row-title" onClick={() => open(row.id)} title={row.filename}>{row.filename}</button>
            {row.error && <span className="row-error">{row.error}</span>}
          </div>
        </div>
      </td>
      <td className="cell-collection">{row.collection_name || "None"}</td>
      <td className="cell-state"><StateBadge row={row} /></td>
      <td className="cell-number cell-pages">{row.page_count ? count(row.page_count) : "–"}</td>
      <td className="cell-number cell-pieces">{row.chunk_count ? count(row.chunk_count) : "–"}</td>
      <td className="cell-number cell-size" title={`${count(row.size_bytes)} bytes`}>{readableSize(row.size_bytes)}</td>
      <td className="cell-who" title={row.created_by}>{row.created_by || "–"}</td>
      <td className="cell-when" title={exactly(row.created_at)}>
        {ago(row.created_at)}
        {row.created_by && <span className="row-author"> by {row.created_by}</span>}
      </td>
      <td className="cell-menu">
        <RowMenu row={row} actions={actions} />
      </td>
    </tr>
  );
}

function RowMenu({ row, actions }) {
  const { open, onRetry, onCancel, onAskDelete } = actions;
  const canWrite = row.can_write;
  const input = useRef(null);
  const canRetry = row.status === "failed" || row.status === "cancelled";
  const replace = (event) => {
    const [file] = event.target.files;
    if (file) upload([{ file, name: file.name }], { replaces: row.id, maxBytes: actions.maxBytes });
    event.target.value = "";
  };
  return (
    <>
      <DropdownMenu.Root>
        <DropdownMenu.Trigger asChild>
          <button type="button" className="icon-button small" aria-label={`Actions for ${row.filename}`}>
            <Ellipsis size={17} />
          </button>
        </DropdownMenu.Trigger>
        <DropdownMenu.Portal container={themeRoot()}>
          <DropdownMenu.Content className="menu radix-themes" align="end" sideOffset={4} collisionPadding={12}>
            <Entry icon={Eye} onSelect={() => open(row.id)}>Open</Entry>
            <DropdownMenu.Item className="menu-item" asChild>
              <a href={`/v1/files/${row.id}/content`} download={row.filename}><Download size={15} aria-hidden="true" /> <span className="menu-text">Download</span></a>
            </DropdownMenu.Item>
            {canWrite && (
              <>
                <DropdownMenu.Separator className="menu-line" />
                {isInWork(row) && <Entry icon={Ban} onSelect={() => onCancel(row.id)}>Cancel</Entry>}
                {canRetry && <Entry icon={RotateCw} onSelect={() => onRetry([row.id])}>Retry</Entry>}
                <Entry icon={RefreshCcw} onSelect={() => input.current.click()}>Replace with a new version</Entry>
                <DropdownMenu.Separator className="menu-line" />
                <Entry icon={Trash2} isDanger onSelect={() => onAskDelete(row)}>Delete</Entry>
              </>
            )}
          </DropdownMenu.Content>
        </DropdownMenu.Portal>
      </DropdownMenu.Root>
      {canWrite && <input ref={input} type="file" hidden aria-label={`New version of ${row.filename}`} onChange={replace} />}
    </>
  );
}

function Entry({ icon: Icon, onSelect, isDanger, children }) {
  return (
    <DropdownMenu.Item className={isDanger ? "menu-item danger" : "menu-item"} onSelect={onSelect}>
      <Icon size={15} aria-hidden="true" /> <span className="menu-text">{children}</span>
    </DropdownMenu.Item>
  );
}
