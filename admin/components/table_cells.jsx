/** One value of a row, the same in every table and in the panel. */
import { useState } from "react";
import { Link } from "react-router";
import { DropdownMenu } from "radix-ui";
import { Check, Copy, Ellipsis, Minus } from "lucide-react";
import { ago, duration, exactly, exactNumber, money, percent, readableSize, shortNumber, slotInWords, themeRoot } from "./formats.js";

const RIGHT = new Set(["number", "money", "bytes", "milliseconds", "share"]);

export const classOf = (column) => `cell-${column.kind}${RIGHT.has(column.kind) ? " cell-right" : ""}`;

export const hrefOf = (template, row) => (template ? template.replace("{id}", encodeURIComponent(row.id)) : "");

/** What can be done with this row now. */
export const actionsFor = (actions, row) =>
  actions.filter((action) => Object.entries(action.when).every(([name, values]) => values.includes(row[name])));

export function CopyButton({ text, label = "Copy" }) {
  const [isDone, setDone] = useState(false);
  const copy = async (event) => {
    event.stopPropagation();
    event.preventDefault();
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" className="copy" aria-label={isDone ? "Copied" : label} title={isDone ? "Copied" : label} onClick={copy}>
      {isDone ? <Check size={13} aria-hidden /> : <Copy size={13} aria-hidden />}
    </button>
  );
}

export function Badge({ value, column }) {
  return (
    <span className="value-tag" data-tone={column.tones[value] ?? column.tone ?? "quiet"}>
      {column.labels[value] ?? String(value)}
    </span>
  );
}

const Nothing = () => (
  <span className="cell-nothing">
    <Minus size={12} aria-hidden />
    <span className="visually-hidden">none</span>
  </span>
);

/** Written short in the cell, exact on hover. */
const measured = (shown, exact) => <span title={shown === exact ? undefined : exact}>{shown}</span>;

const CELLS = {
  moment: (value) => <time dateTime={new Date(value * 1000).toISOString()} title={exactly(value)}>{ago(value)}</time>,
  number: (value) => measured(shortNumber(value), exactNumber(value)),
  money: (value) => measured(money(value), `${exactNumber(value)} micro-dollars`),
  bytes: (value) => measured(readableSize(value), `${exactNumber(value)} bytes`),
  milliseconds: (value) => measured(duration(value), `${exactNumber(value)} ms`),
  slot: (value) => slotInWords(value),
  share: (value) => percent(value),
  yes_no: (value) => (value ? <><Check size={14} aria-hidden /><span className="visually-hidden">Yes</span></> : <span className="quiet">No</span>),
  badge: (value, column) => <Badge {...{ value, column }} />,
  list: (value, column) => <Chips values={value} labels={column.labels} />,
  id: (value) => (
    <span className="id">
      <code title={value}>{String(value).slice(0, 8)}</code>
      <CopyButton text={String(value)} label="Copy the id" />
    </span>
  ),
};

const MAX_CHIPS = 3;

function Chips({ values, labels }) {
  const words = values.map((value) => labels[value] ?? String(value));
  return (
    <span className="label-chips" title={words.join(", ")}>
      {words.slice(0, MAX_CHIPS).map((word) => <span key={word} className="label-chip">{word}</span>)}
      {words.length > MAX_CHIPS && <span className="quiet">+{words.length - MAX_CHIPS}</span>}
    </span>
  );
}

/** @param isWhole in the panel: nothing is shortened */
export function Cell({ row, column, href, isWhole = false }) {
  const value = row[column.name];
  if (column.kind === "title") return <Title {...{ row, column, href, value }} />;
  if (value === null || value === undefined || value === "" || (Array.isArray(value) && !value.length)) return <Nothing />;
  const cell = CELLS[column.kind];
  if (cell) return cell(value, column);
  return <span className={isWhole ? "whole" : "clipped"} title={isWhole ? undefined : String(value)}>{String(value)}</span>;
}

function Title({ row, column, href, value }) {
  const words = value || row.id;
  const note = column.note && row[column.note];
  return (
    <span className="title-cell">
      {href ? <Link className="title-link" to={href} onClick={(event) => event.stopPropagation()}>{words}</Link> : <span className="title-words">{words}</span>}
      {note && <span className="title-note">{note}</span>}
    </span>
  );
}

export function RowMenu({ row, actions, label, onAct }) {
  const offered = actionsFor(actions.filter((each) => each.is_single), row);
  if (!offered.length) return null;
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger asChild>
        <button type="button" className="icon-button small" aria-label={`Actions for ${label}`} onClick={(event) => event.stopPropagation()}>
          <Ellipsis size={16} />
        </button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal container={themeRoot()}>
        <DropdownMenu.Content className="menu radix-themes" align="end" sideOffset={4} collisionPadding={12} onClick={(event) => event.stopPropagation()}>
          {offered.map((action) => (
            <DropdownMenu.Item key={action.name} className={`menu-item${action.tone === "danger" ? " danger" : ""}`} onSelect={() => onAct(action.name, [row.id])}>
              {action.label}
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
