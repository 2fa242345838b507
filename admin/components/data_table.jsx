/** The one table of the admin section: find, filter, sort, choose, act, look closer. */
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { Link, useLocation, useNavigate } from "react-router";
import { ArrowDown, ArrowUp, ChevronLeft, ChevronRight, CircleAlert, Inbox, SearchX } from "lucide-react";
import { useAddress } from "$/public/external/chatapp/components/app_shell/address.js";
import { namesOfFilters } from "./address.js";
import { Peek } from "./table_peek.jsx";
import { Cell, RowMenu, classOf, hrefOf } from "./table_cells.jsx";
import { BulkBar, Toolbar, useChosenColumns } from "./table_toolbar.jsx";

export function DataTable(props) {
  const { name, noun, columns, actions, rows, peeked, total, isTotalExact, isLoading, error, epoch, canChange, href, onAct, onReload } = props;
  const [params, change, isMounted] = useAddress();
  const [chosen, setChosen] = useState([]);
  const chosenColumns = useChosenColumns(name, columns);
  const isBusy = useBusy(params, epoch) || isLoading;
  const peekId = params.get("peek") ?? "";
  const ids = useMemo(() => rows.map((row) => row.id), [rows]);
  const selected = chosen.filter((id) => ids.includes(id));
  const canChoose = canChange && actions.some((action) => action.is_bulk);
  const isFiltered = Boolean(params.get("q")) || namesOfFilters(params).length > 0;
  // A bad order or place in the address is no filter, and is taken away in the same manner.
  const isNarrowed = isFiltered || ["order", "limit", "after"].some((name) => params.get(name));
  const navigate = useNavigate();

  const shown = columns.filter((column) => column.kind === "title" || chosenColumns.names.includes(column.name));
  const toggle = (id) => setChosen(selected.includes(id) ? selected.filter((one) => one !== id) : [...selected, id]);
  const look = (id) => change({ peek: id }, { replace: Boolean(peekId) });
  const open = (row) => (href ? navigate(hrefOf(href, row)) : look(row.id));
  const press = (row) => (peekId === row.id && href ? open(row) : look(row.id));
  const markAct = useReloadAfterFailure(onReload);
  const act = useCallback((action, of) => {
    markAct();
    onAct?.(action, of);
    setChosen([]);
  }, [onAct]); // eslint-disable-line react-hooks/exhaustive-deps
  const body = useRowKeys({ rows, peekId, canChoose, open, look, toggle, close: () => peekId && change({ peek: "" }) });

  return (
    <section className="table-page" aria-label={noun[1][0].toUpperCase() + noun[1].slice(1)} aria-busy={isBusy} data-peek={Boolean(peekId)}>
      <Toolbar {...props} {...{ params, change, chosenColumns }} />
      {selected.length > 0 && canChoose && <BulkBar rows={rows.filter((row) => selected.includes(row.id))} {...{ noun, actions, total, isTotalExact }} isPage={selected.length === ids.length} onAct={act} onClear={() => setChosen([])} />}
      {error && (
        <p className="page-problem" role="alert">
          <CircleAlert size={16} aria-hidden /> {error}
          <button type="button" className="button" onClick={onReload}>Try again</button>
          {isNarrowed && <Link className="button" to="?">{isFiltered ? "Clear the filters" : "Show the whole list"}</Link>}
        </p>
      )}
      {isLoading && !rows.length && <Skeleton columns={shown} noun={noun} />}
      {!isLoading && !error && !rows.length && <Nothing {...{ noun, isFiltered: isFiltered || params.get("after"), empty: props.empty, canChange, onEmpty: props.onEmpty }} />}
      {rows.length > 0 && (
        <div className="rows-scroll">
          <table className="rows-table" role="table" aria-label={noun[1]} data-busy={isBusy && isMounted}>
            <Head {...{ columns: shown, params, change, canChoose, ids, selected, setChosen, order: props.order, hasMenu: canChange && actions.some((each) => each.is_single) }} />
            <tbody ref={body} role="rowgroup">
              {rows.map((row) => (
                <Row key={row.id} {...{ row, actions, canChoose, href, noun }} columns={shown} hasMenu={canChange && actions.some((each) => each.is_single)} isChosen={selected.includes(row.id)} isPeeked={peekId === row.id} onPress={() => press(row)} onToggle={() => toggle(row.id)} onAct={act} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {(props.nextCursor || params.get("after")) && <Pager {...{ params, change, rows, nextCursor: props.nextCursor, isBusy }} />}
      {peekId && (
        <Peek id={peekId} row={rows.find((row) => row.id === peekId) ? { ...rows.find((row) => row.id === peekId), ...(peeked?.id === peekId ? peeked : {}) } : peeked?.id === peekId ? peeked : null} {...{ columns, href, actions, canChange }} isLoading={isBusy} onAct={act} onClose={() => change({ peek: "" })}>
          {peeked?.id === peekId && props.children}
        </Peek>
      )}
    </section>
  );
}

/** Whether the address asks for something the server has not answered yet. */
function useBusy(params, epoch) {
  const asked = params.toString();
  const answered = useRef({ asked, epoch });
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    if (answered.current.epoch !== epoch) {
      answered.current = { asked, epoch };
      setBusy(false);
    } else if (answered.current.asked !== asked) {
      answered.current = { asked, epoch };
      setBusy(true);
    }
  }, [asked, epoch]);
  useEffect(() => {
    const stop = () => setBusy(false);
    window.addEventListener("chatapp:event-failed", stop);
    return () => window.removeEventListener("chatapp:event-failed", stop);
  }, []);
  return isBusy;
}

/** What an act failed on may be gone, or may have changed, elsewhere: the rows are read again, once an act. */
function useReloadAfterFailure(onReload) {
  const isActing = useRef(false);
  const reload = useRef(onReload);
  useEffect(() => {
    reload.current = onReload;
  });
  useEffect(() => {
    const again = () => {
      if (!isActing.current) return;
      isActing.current = false;
      reload.current?.();
    };
    window.addEventListener("chatapp:event-failed", again);
    return () => window.removeEventListener("chatapp:event-failed", again);
  }, []);
  return () => {
    isActing.current = true;
  };
}

/** j and k or the arrows go from row to row, space chooses, Enter opens, Escape closes the panel. */
function useRowKeys({ rows, peekId, canChoose, open, look, toggle, close }) {
  const body = useRef(null);
  // Before it is painted: whoever sees the panel may press a key at once.
  useLayoutEffect(() => {
    const press = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const target = event.target;
      if (target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable=true], [role=dialog], [role=menu], [role=alertdialog]")) return;
      const lines = [...(body.current?.children ?? [])];
      const place = lines.indexOf(target.closest?.("tr"));
      const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
      const isArrow = event.key.startsWith("Arrow");
      if (step && lines.length && (!isArrow || place >= 0)) {
        const next = place < 0 ? (step > 0 ? 0 : lines.length - 1) : Math.min(Math.max(place + step, 0), lines.length - 1);
        event.preventDefault();
        lines[next].focus();
        if (peekId) look(rows[next].id);
      } else if (event.key === "Escape") close();
      else if (place >= 0 && target === lines[place]) onRow(event, rows[place]);
    };
    const onRow = (event, row) => {
      if (event.key === "Enter") open(row);
      else if (event.key === " ") canChoose ? toggle(row.id) : look(row.id);
      else if (event.key === "x" && canChoose) toggle(row.id);
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  });
  return body;
}

function Row({ row, columns, actions, noun, canChoose, hasMenu, href, isChosen, isPeeked, onPress, onToggle, onAct }) {
  const title = columns.find((column) => column.kind === "title");
  const label = title ? row[title.name] || row.id : `this ${noun[0]}`;
  const press = (event) => {
    // A drag that marks text is no press, and neither is a click on something that acts by itself.
    if (window.getSelection()?.toString() || event.target.closest("a, button, input, label")) return;
    onPress();
  };
  return (
    <tr role="row" tabIndex={0} data-chosen={isChosen} data-open={isPeeked} onClick={press}>
      {canChoose && (
        <td role="cell" className="cell-box">
          <input type="checkbox" aria-label={`Choose ${label}`} checked={isChosen} onChange={onToggle} />
        </td>
      )}
      {columns.map((column) => (
        <td key={column.name} role="cell" className={classOf(column)} data-label={column.label}>
          <Cell {...{ row, column }} href={hrefOf(href, row)} />
        </td>
      ))}
      {hasMenu && <td role="cell" className="cell-menu"><RowMenu {...{ row, actions, label, onAct }} /></td>}
    </tr>
  );
}

function Head({ columns, params, change, canChoose, hasMenu, ids, selected, setChosen, order }) {
  const box = useRef(null);
  const isAll = selected.length === ids.length;
  useEffect(() => {
    if (box.current) box.current.indeterminate = selected.length > 0 && !isAll;
  }, [selected.length, isAll]);
  const asked = params.get("order") || order;
  const isDown = asked.startsWith("-");
  const sorted = asked.replace(/^-/, "");
  const by = (field) => change({ order: field === sorted && !isDown ? `-${field}` : field, after: "" });
  return (
    <thead role="rowgroup">
      <tr role="row">
        {canChoose && (
          <th scope="col" role="columnheader" className="cell-box">
            <input ref={box} type="checkbox" aria-label="Choose all on this page" checked={isAll && ids.length > 0} onChange={() => setChosen(isAll ? [] : ids)} />
          </th>
        )}
        {columns.map((column) => {
          const isSorted = column.sort !== "" && column.sort === sorted;
          const Arrow = isDown ? ArrowDown : ArrowUp;
          return (
            <th key={column.name} scope="col" role="columnheader" className={classOf(column)} aria-sort={isSorted ? (isDown ? "descending" : "ascending") : undefined}>
              {column.sort ? (
                <button type="button" className="sort" onClick={() => by(column.sort)}>
                  {column.label} {isSorted && <Arrow size={13} aria-hidden />}
                </button>
              ) : (
                column.label
              )}
            </th>
          );
        })}
        {hasMenu && <th scope="col" role="columnheader" className="cell-menu"><span className="visually-hidden">Actions</span></th>}
      </tr>
    </thead>
  );
}

function Pager({ params, change, rows, nextCursor, isBusy }) {
  const { state } = useLocation();
  // A list knows what follows a row, not what came before it: the way back is kept beside the address.
  const trail = state?.trail ?? [];
  const isDeep = Boolean(params.get("after"));
  const next = () => change({ after: nextCursor, peek: "" }, { replace: false, state: { trail: [...trail, params.get("after") ?? ""] } });
  const previous = () => change({ after: trail.at(-1) ?? "", peek: "" }, { replace: false, state: { trail: trail.slice(0, -1) } });
  return (
    <nav className="pager" aria-label="Pages of the list">
      <span className="quiet small numbers">{trail.length > 0 ? `Page ${trail.length + 1}` : ""}</span>
      <button type="button" className="button" disabled={!isDeep || isBusy} onClick={previous}>
        <ChevronLeft size={15} aria-hidden /> {isDeep && !trail.length ? "First page" : "Previous"}
      </button>
      <button type="button" className="button" disabled={!nextCursor || isBusy || !rows.length} onClick={next}>
        Next <ChevronRight size={15} aria-hidden />
      </button>
    </nav>
  );
}

function Nothing({ noun, isFiltered, empty, canChange, onEmpty }) {
  if (isFiltered) {
    return (
      <div className="nothing">
        <SearchX size={32} aria-hidden />
        <h2>No {noun[0]} matches</h2>
        <p>Search with other words, or take a filter away.</p>
        <Link className="button" to="?">Show all {noun[1]}</Link>
      </div>
    );
  }
  return (
    <div className="nothing">
      <Inbox size={32} aria-hidden />
      <h2>{empty.title}</h2>
      {empty.text && <p>{empty.text}</p>}
      {empty.label && canChange && (empty.href ? <Link className="button primary" to={empty.href}>{empty.label}</Link> : <button type="button" className="button primary" onClick={onEmpty}>{empty.label}</button>)}
    </div>
  );
}

function Skeleton({ columns, noun }) {
  return (
    <div className="table-skeleton" role="status" aria-label={`Loading ${noun[1]}`}>
      {Array.from({ length: 10 }, (_, line) => (
        <div key={line} style={{ gridTemplateColumns: `2fr repeat(${Math.max(columns.length - 1, 1)}, 1fr)` }}>
          {columns.map((column, place) => (
            <span key={column.name} className="skeleton" style={{ width: `${48 + ((line * 17 + place * 23) % 40)}%` }} />
          ))}
        </div>
      ))}
    </div>
  );
}
