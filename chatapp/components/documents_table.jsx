/** The table of documents: find, filter, sort, choose, act. What is shown is what the address says. */
import { useEffect, useMemo, useRef, useState } from "react";
import { useLocation, useNavigate } from "react-router";
import { DropdownMenu } from "radix-ui";
import { ArrowDown, ArrowUp, ChevronLeft, ChevronRight, CircleAlert, Download, FileSearch, Files, Folder, FolderInput, RotateCw, Search, Trash2, X } from "lucide-react";
import { useAddress } from "$/public/external/chatapp/components/app_shell/address.js";
import { UploadButton } from "$/public/external/chatapp/components/uploads/uploader.jsx";
import { ConfirmDelete } from "./confirm_delete.jsx";
import { DocumentRow } from "./document_row.jsx";
import { count, isInWork, plural, themeRoot } from "./documents_format.js";

const STATES = [
  ["", "All"],
  ["ready", "Ready"],
  ["working", "In work"],
  ["failed", "Failed"],
];
const COLUMNS = [
  { name: "Name", sort: "filename" },
  { name: "Collection", kind: "cell-collection" },
  { name: "State", sort: "status" },
  { name: "Pages", kind: "cell-number cell-pages" },
  { name: "Pieces", kind: "cell-number cell-pieces" },
  { name: "Size", sort: "size_bytes", kind: "cell-number cell-size" },
  { name: "Added by", kind: "cell-who" },
  { name: "Added", sort: "created_at", kind: "cell-when" },
];
const TYPING_MS = 250;
const TICK_MS = 1000;

/** Ask again each second while something is in work and somebody looks, and when an upload says so. */
function useRefresh(isBusy, onTick) {
  const tick = useRef(onTick);
  tick.current = onTick;
  useEffect(() => {
    const ask = () => document.visibilityState === "visible" && tick.current();
    window.addEventListener("chatapp:documents", ask);
    document.addEventListener("visibilitychange", ask);
    const timer = isBusy ? setInterval(ask, TICK_MS) : null;
    return () => {
      window.removeEventListener("chatapp:documents", ask);
      document.removeEventListener("visibilitychange", ask);
      clearInterval(timer);
    };
  }, [isBusy]);
}

export function DocumentsTable(props) {
  const { rows, total, first, hasMore, isLoading, loadError, canWrite, onTick } = props;
  const [params, change] = useAddress();
  const [chosen, setChosen] = useState([]);
  const [doomed, setDoomed] = useState(null);
  useRefresh(rows.some(isInWork), onTick);

  const ids = useMemo(() => rows.filter((row) => row.can_write).map((row) => row.id), [rows]);
  const selected = chosen.filter((id) => ids.includes(id));
  const isFiltered = ["collection", "state", "q"].some((name) => params.get(name));
  const toggle = (id, isOn) => setChosen(isOn ? [...selected, id] : selected.filter((one) => one !== id));
  const open = (id) => change({ document: id }, { replace: false });
  const actions = { ...props, open, toggle, onAskDelete: (row) => setDoomed([row]) };

  return (
    <section className="documents" aria-label="Documents" aria-busy={isLoading}>
      <Toolbar {...{ params, change, total, isLoading }} onExport={props.onExport} />
      {selected.length > 0 && canWrite && (
        <BulkBar
          rows={rows.filter((row) => selected.includes(row.id))}
          onClear={() => setChosen([])}
          collections={props.collections.filter((one) => one.can_write)}
          onRetry={props.onRetry}
          onDelete={setDoomed}
          onMove={(ids, target) => {
            props.onMove(ids, target);
            setChosen([]);
          }}
        />
      )}
      {loadError && (
        <p className="page-problem" role="alert">
          <CircleAlert size={16} aria-hidden="true" /> {loadError}
          <button type="button" className="button" onClick={onTick}>Try again</button>
        </p>
      )}
      {isLoading && !rows.length && <Skeleton />}
      {!isLoading && !rows.length && !loadError && (
        <Nothing {...{ isFiltered, canWrite }} onClear={() => change({ collection: "", state: "", q: "", after: "", page: "" })} />
      )}
      {rows.length > 0 && (
        <table className="documents-table" data-can-write={canWrite}>
          <Head {...{ params, change, canWrite, ids, selected, setChosen }} />
          <tbody>
            {rows.map((row) => (
              <DocumentRow key={row.id} row={row} isChosen={selected.includes(row.id)} isOpen={params.get("document") === row.id} actions={actions} />
            ))}
          </tbody>
        </table>
      )}
      {(hasMore || first > 1) && <Pager {...{ first, rows, total, hasMore, params, change }} />}
      <ConfirmDelete documents={doomed} onClose={() => setDoomed(null)} onConfirm={(gone) => {
        props.onDelete(gone.map((row) => row.id));
        setChosen([]);
      }} />
    </section>
  );
}

function Toolbar({ params, change, total, isLoading, onExport }) {
  const [text, setText] = useState(params.get("q") ?? "");
  const timer = useRef(null);
  const fromAddress = params.get("q") ?? "";
  useEffect(() => setText(fromAddress), [fromAddress]);
  const type = (value) => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => change({ q: value.trim(), after: "", page: "" }), TYPING_MS);
  };
  const state = params.get("state") ?? "";
  return (
    <div className="documents-toolbar">
      <label className="search-field">
        <Search size={16} aria-hidden="true" />
        <input type="search" aria-label="Search documents" placeholder="Search by name" maxLength={200} value={text} onChange={(event) => type(event.target.value)} />
      </label>
      <div className="segments" role="group" aria-label="State">
        {STATES.map(([value, label]) => (
          <button key={value} type="button" aria-pressed={state === value} onClick={() => change({ state: value, after: "", page: "" })}>{label}</button>
        ))}
      </div>
      <span className="grow" />
      <span className="quiet small numbers" role="status">{isLoading || !total ? "" : plural(total, "document")}</span>
      <button type="button" className="button" onClick={onExport} disabled={!total}>
        <Download size={15} aria-hidden="true" /> CSV
      </button>
    </div>
  );
}

function Head({ params, change, canWrite, ids, selected, setChosen }) {
  const sort = params.get("sort") || "created_at";
  const isDown = (params.get("order") || (sort === "created_at" ? "desc" : "asc")) === "desc";
  const box = useRef(null);
  const isAll = ids.length > 0 && selected.length === ids.length;
  useEffect(() => {
    if (box.current) box.current.indeterminate = selected.length > 0 && !isAll;
  }, [selected.length, isAll]);
  const by = (name) => change({ sort: name, order: name === sort && !isDown ? "desc" : "asc", after: "", page: "" });
  return (
    <thead>
      <tr>
        {canWrite && (
          <th scope="col" className="cell-box">
            <input ref={box} type="checkbox" aria-label="Choose all on this page" checked={isAll} disabled={!ids.length} onChange={() => setChosen(isAll ? [] : ids)} />
          </th>
        )}
        {COLUMNS.map((column) => {
          const isSorted = column.sort === sort;
          const direction = isDown ? "descending" : "ascending";
          return (
            <th key={column.name} scope="col" className={column.kind} aria-sort={isSorted ? direction : undefined}>
              {column.sort ? (
                <button type="button" className="sort" onClick={() => by(column.sort)}>
                  {column.name}
                  {isSorted && (isDown ? <ArrowDown size={13} aria-hidden="true" /> : <ArrowUp size={13} aria-hidden="true" />)}
                </button>
              ) : (
                column.name
              )}
            </th>
          );
        })}
        <th scope="col" className="cell-menu"><span className="visually-hidden">Actions</span></th>
      </tr>
    </thead>
  );
}

function MoveMenu({ rows, collections, onMove }) {
  const places = collections.filter((one) => rows.some((row) => row.collection_id !== one.id));
  if (!places.length) return null;
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger asChild>
        <button type="button" className="button">
          <FolderInput size={15} aria-hidden="true" /> Move
        </button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal container={themeRoot()}>
        <DropdownMenu.Content className="menu radix-themes" align="end" sideOffset={4} collisionPadding={12}>
          {places.map((one) => (
            <DropdownMenu.Item key={one.id} className="menu-item" onSelect={() => onMove(rows.map((row) => row.id), one.id)}>
              <Folder size={15} aria-hidden="true" /> <span className="menu-text">{one.name}</span>
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

function BulkBar({ rows, collections, onClear, onRetry, onDelete, onMove }) {
  const failed = rows.filter((row) => row.status === "failed" || row.status === "cancelled");
  return (
    <div className="bulk-bar" role="region" aria-label="Chosen documents">
      <strong className="numbers">{count(rows.length)} chosen</strong>
      <span className="grow" />
      {failed.length > 0 && (
        <button type="button" className="button" onClick={() => onRetry(failed.map((row) => row.id))}>
          <RotateCw size={15} aria-hidden="true" /> Retry {count(failed.length)}
        </button>
      )}
      <MoveMenu {...{ rows, collections, onMove }} />
      <button type="button" className="button danger" onClick={() => onDelete(rows)}>
        <Trash2 size={15} aria-hidden="true" /> Delete {count(rows.length)}
      </button>
      <button type="button" className="icon-button small" aria-label="Choose none" onClick={onClear}>
        <X size={16} />
      </button>
    </div>
  );
}

function Nothing({ isFiltered, canWrite, onClear }) {
  if (isFiltered) {
    return (
      <div className="nothing">
        <FileSearch size={36} aria-hidden="true" />
        <h2>No document matches</h2>
        <p>Look in all collections, or with other words.</p>
        <button type="button" className="button" onClick={onClear}>Show all documents</button>
      </div>
    );
  }
  return (
    <div className="nothing">
      <Files size={36} aria-hidden="true" />
      <h2>No documents yet</h2>
      <p>
        {canWrite
          ? "Add the reports, policies and notes that people ask about. Drop them anywhere on this page."
          : "Somebody with the right to add documents has to begin."}
      </p>
      {canWrite && <UploadButton label="Add documents" />}
    </div>
  );
}

function Skeleton() {
  return (
    <div className="documents-skeleton" role="status" aria-label="Loading documents">
      {Array.from({ length: 8 }, (_, index) => (
        <div key={index}>
          <span className="skeleton" style={{ width: `${34 + ((index * 17) % 22)}%` }} />
          <span className="skeleton" style={{ width: "12%" }} />
          <span className="skeleton" style={{ width: "9%" }} />
        </div>
      ))}
    </div>
  );
}

function Pager({ first, rows, total, hasMore, params, change }) {
  const navigate = useNavigate();
  const { state } = useLocation();
  const page = Number(params.get("page")) || 1;
  // The list knows what follows a document, not what came before it: the way back is the browser's history.
  const back = () => (page > 2 && state?.isNextPage ? navigate(-1) : change({ after: "", page: "" }, { replace: false }));
  const on = () => change({ after: rows.at(-1).id, page: String(page + 1) }, { replace: false, state: { isNextPage: true } });
  return (
    <nav className="pager" aria-label="Pages of the list">
      <span className="quiet small numbers">{`${count(first)} to ${count(first + rows.length - 1)} of ${count(total)}`}</span>
      <button type="button" className="button" disabled={page <= 1} onClick={back}>
        <ChevronLeft size={15} aria-hidden="true" /> {page > 2 && !state?.isNextPage ? "First" : "Previous"}
      </button>
      <button type="button" className="button" disabled={!hasMore} onClick={on}>
        Next <ChevronRight size={15} aria-hidden="true" />
      </button>
    </nav>
  );
}
