/** Above the table: search, filters, columns, CSV; and the bar that stands there while rows are chosen. */
import { useEffect, useRef, useState } from "react";
import { DropdownMenu } from "radix-ui";
import { Check, Columns3, Download, Search, X } from "lucide-react";
import { namesOfFilters, queryOfList } from "./address.js";
import { count, themeRoot } from "./formats.js";
import { actionsFor } from "./table_cells.jsx";
import { Filters } from "./table_filters.jsx";

const TYPING_MS = 250;

export function Toolbar({ noun, filters, columns, chosenColumns, params, change, csvHref, isSearched, total, isTotalExact, isLoading }) {
  const isFiltered = params.get("q") || namesOfFilters(params).length > 0;
  const clear = () => change({ q: "", after: "", ...Object.fromEntries(filterParams(params).map((name) => [name, ""])) });
  return (
    <div className="table-toolbar" role="search" aria-label={`Find ${noun[1]}`}>
      {isSearched && <SearchBox {...{ noun, params, change }} />}
      <Filters {...{ filters, params, change }} />
      {isFiltered && <button type="button" className="text-button" onClick={clear}>Clear</button>}
      <span className="grow" />
      <span className="quiet small numbers" role="status">{!isLoading && totalInWords(total, isTotalExact, noun)}</span>
      <ColumnMenu columns={columns} chosen={chosenColumns} />
      {csvHref && (
        <a className="button quiet-button icon-only" href={`${csvHref}${queryOfList(params)}`} download aria-label="Download as CSV" title="Download as CSV">
          <Download size={15} aria-hidden />
        </a>
      )}
    </div>
  );
}

const filterParams = (params) => [...params.keys()].filter((name) => namesOfFilters(new URLSearchParams([[name, "x"]])).length);

const totalInWords = (total, isExact, noun) => (isExact ? `${count(total)} ${noun[total === 1 ? 0 : 1]}` : `More than ${count(total)} ${noun[1]}`);

function SearchBox({ noun, params, change }) {
  const fromAddress = params.get("q") ?? "";
  const [text, setText] = useState(fromAddress);
  const timer = useRef(null);
  useEffect(() => setText(fromAddress), [fromAddress]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const type = (value) => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => change({ q: value.trim(), after: "" }), TYPING_MS);
  };
  return (
    <div className="search-field">
      <Search size={15} aria-hidden />
      <input type="search" placeholder="Search" aria-label={`Search ${noun[1]}`} maxLength={200} value={text} onChange={(event) => type(event.target.value)} />
    </div>
  );
}

function ColumnMenu({ columns, chosen }) {
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger asChild>
        <button type="button" className="button quiet-button icon-only" aria-label="Choose columns" title="Choose columns">
          <Columns3 size={15} aria-hidden />
        </button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal container={themeRoot()}>
        <DropdownMenu.Content className="menu radix-themes" align="end" sideOffset={4} collisionPadding={12}>
          {columns.filter((column) => column.kind !== "title").map((column) => (
            <DropdownMenu.CheckboxItem
              key={column.name}
              className="menu-item"
              checked={chosen.names.includes(column.name)}
              onCheckedChange={(isOn) => chosen.toggle(column.name, isOn)}
              onSelect={(event) => event.preventDefault()}
            >
              <span className="tick"><DropdownMenu.ItemIndicator><Check size={14} aria-hidden /></DropdownMenu.ItemIndicator></span>
              <span className="menu-text">{column.label}</span>
            </DropdownMenu.CheckboxItem>
          ))}
          <DropdownMenu.Separator className="menu-line" />
          <DropdownMenu.Item className="menu-item" onSelect={(event) => { event.preventDefault(); chosen.reset(); }}>
            <span className="tick" /> As they were
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

/** Which columns are shown; kept in this browser. */
export function useChosenColumns(name, columns) {
  const key = `columns:${name}`;
  const start = columns.filter((column) => column.is_shown || column.kind === "title").map((column) => column.name);
  const [names, setNames] = useState(start);
  useEffect(() => {
    const kept = read(key);
    if (kept) setNames(start.filter((each) => columns.find((column) => column.name === each)?.kind === "title").concat(kept));
  }, [key]); // eslint-disable-line react-hooks/exhaustive-deps
  const keep = (next) => {
    setNames(next);
    localStorage.setItem(key, JSON.stringify(next));
  };
  return {
    names,
    toggle: (column, isOn) => keep(isOn ? [...names, column] : names.filter((each) => each !== column)),
    reset: () => {
      localStorage.removeItem(key);
      setNames(start);
    },
  };
}

function read(key) {
  try {
    const kept = JSON.parse(localStorage.getItem(key));
    return Array.isArray(kept) ? kept : null;
  } catch {
    return null;
  }
}

export function BulkBar({ rows, noun, actions, total, isTotalExact, isPage, onAct, onClear }) {
  const offered = actions
    .filter((action) => action.is_bulk)
    .map((action) => ({ action, ids: rows.filter((row) => actionsFor([action], row).length).map((row) => row.id) }))
    .filter(({ ids }) => ids.length > 0);
  return (
    <div className="bulk-bar" role="region" aria-label={`Chosen ${noun[1]}`}>
      <strong className="numbers">{count(rows.length)} chosen</strong>
      {isPage && total > rows.length && <span className="quiet small numbers">this page only, of {totalInWords(total, isTotalExact, noun).toLowerCase()}</span>}
      <span className="grow" />
      {offered.map(({ action, ids }) => (
        <button key={action.name} type="button" className={`button${action.tone === "danger" ? " danger" : ""}`} onClick={() => onAct(action.name, ids)}>
          {action.label}{ids.length < rows.length && ` (${count(ids.length)})`}
        </button>
      ))}
      <button type="button" className="icon-button small" aria-label="Choose none" title="Choose none" onClick={onClear}>
        <X size={16} />
      </button>
    </div>
  );
}
