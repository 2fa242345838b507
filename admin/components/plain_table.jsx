/** A short table of rows that are all here. */
import { Cell, RowMenu, classOf, hrefOf } from "./table_cells.jsx";

export function PlainTable({ label, columns, rows, actions, href, nothing, canChange, onAct }) {
  const title = columns.find((column) => column.kind === "title");
  const hasMenu = canChange && actions.length > 0;
  if (!rows?.length) return <p className="quiet plain-nothing">{nothing}</p>;
  return (
    <div className="rows-scroll">
      <table className="rows-table plain" aria-label={label} role="table">
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => (
              <th key={column.name} scope="col" role="columnheader" className={classOf(column)}>{column.label}</th>
            ))}
            {hasMenu && <th scope="col" role="columnheader" className="cell-menu"><span className="visually-hidden">Actions</span></th>}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={row.id} role="row">
              {columns.map((column) => (
                <td key={column.name} role="cell" className={classOf(column)} data-label={column.label}>
                  <Cell {...{ row, column }} href={hrefOf(href, row)} />
                </td>
              ))}
              {hasMenu && (
                <td role="cell" className="cell-menu">
                  <RowMenu {...{ row, actions, onAct }} label={title ? row[title.name] : row.id} />
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
