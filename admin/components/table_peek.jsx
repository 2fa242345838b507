/** The panel beside a table: everything known of one row, and what can be done with it. */
import { useEffect, useRef } from "react";
import { Link } from "react-router";
import { ArrowUpRight, CircleAlert, X } from "lucide-react";
import { Cell, CopyButton, actionsFor, hrefOf } from "./table_cells.jsx";

export function Peek({ id, row, columns, href, actions, canChange, isLoading, onAct, onClose, children }) {
  const close = useRef(null);
  useEffect(() => {
    // On a phone the panel lies over the table, so it takes the focus.
    if (window.matchMedia("(max-width: 767px)").matches) close.current?.focus();
  }, [id]);
  const title = columns.find((column) => column.kind === "title");
  const name = row && title ? row[title.name] || row.id : "";
  const page = row ? hrefOf(href, row) : "";
  const offered = row && canChange ? actionsFor(actions.filter((each) => each.is_single), row) : [];
  return (
    <aside className="peek" aria-label={name ? `About ${name}` : "About this row"}>
      <header className="peek-head">
        <h2>{name || " "}</h2>
        {page && (
          <Link className="icon-button small" to={page} aria-label={`Open ${name}`} title="Open">
            <ArrowUpRight size={16} />
          </Link>
        )}
        <button ref={close} type="button" className="icon-button small" aria-label="Close" title="Close (Esc)" onClick={onClose}>
          <X size={17} />
        </button>
      </header>
      {row ? (
        <div className="peek-body">
          {title?.note && row[title.note] && <p className="quiet peek-note">{row[title.note]}</p>}
          <dl className="peek-facts">
            {columns.filter((column) => column.kind !== "title").map((column) => (
              <div key={column.name}>
                <dt>{column.label}</dt>
                <dd>
                  <Cell {...{ row, column }} isWhole />
                </dd>
              </div>
            ))}
            {!columns.some((column) => column.name === "id") && (
              <div>
                <dt>Id</dt>
                <dd><span className="id"><code>{row.id}</code><CopyButton text={row.id} label="Copy the id" /></span></dd>
              </div>
            )}
          </dl>
          {children}
        </div>
      ) : (
        !isLoading && (
          <p className="peek-missing quiet">
            <CircleAlert size={18} aria-hidden /> It is not here, or not yours to see.
          </p>
        )
      )}
      {offered.length > 0 && (
        <footer className="peek-foot">
          {offered.map((action) => (
            <button key={action.name} type="button" className={`button${action.tone === "danger" ? " danger" : ""}`} onClick={() => onAct(action.name, [row.id])}>
              {action.label}
            </button>
          ))}
        </footer>
      )}
    </aside>
  );
}
