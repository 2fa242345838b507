/** The filters that are set, as chips, and the editors behind them. */
import { useState } from "react";
import { DropdownMenu, Popover } from "radix-ui";
import { ListFilter, X } from "lucide-react";
import { filterOf, namesOfFilters, settingFilter } from "./address.js";
import { themeRoot } from "./formats.js";

const DAY_MS = 86_400_000;
const PRESETS = [
  ["Last 24 hours", 1],
  ["Last 7 days", 7],
  ["Last 30 days", 30],
  ["Last 90 days", 90],
];

/** A day of the calendar in the person's own time zone, as a date field has it. */
function dayOf(moment) {
  if (!moment) return "";
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return "";
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}

const startOf = (day) => (day ? new Date(`${day}T00:00`).toISOString() : "");
// `to` is exclusive in the address, while people name the last day they want.
const endOf = (day) => (day ? new Date(new Date(`${day}T00:00`).getTime() + DAY_MS).toISOString() : "");
const lastDayOf = (moment) => (moment ? dayOf(new Date(new Date(moment).getTime() - 1).toISOString()) : "");

/** What a filter that is set says. */
function words(filter, values) {
  switch (filter.kind) {
    case "choice": {
      const chosen = values.is.split(",").map((value) => filter.choices.find(([name]) => name === value)?.[1] ?? value);
      return chosen.length > 2 ? `${chosen.length} of ${filter.choices.length}` : chosen.join(" or ");
    }
    case "yes_no":
      return values.is === "true" ? "yes" : "no";
    case "moment":
      return range(dayOf(values.from), lastDayOf(values.to), "since", "until");
    case "number":
      return range(values.from, values.to, "at least", "below", filter.unit);
    case "text":
      return values.has ? `has “${values.has}”` : `is “${values.is}”`;
    default:
      return values.is.length > 12 ? `${values.is.slice(0, 8)}…` : values.is;
  }
}

function range(from, to, since, until, unit = "") {
  const end = unit ? ` ${unit}` : "";
  if (from && to) return `${from} to ${to}${end}`;
  return from ? `${since} ${from}${end}` : `${until} ${to}${end}`;
}

export function Filters({ filters, params, change }) {
  const [opened, setOpened] = useState("");
  const set = namesOfFilters(params);
  const unset = filters.filter((filter) => !set.includes(filter.name));
  const shown = [...set, ...(opened && !set.includes(opened) ? [opened] : [])];
  const known = shown.map((name) => filters.find((filter) => filter.name === name) ?? { name, label: name, kind: "id", choices: [], unit: "" });
  return (
    <>
      {known.map((filter) => (
        <FilterChip
          key={filter.name}
          filter={filter}
          values={filterOf(params, filter.name)}
          isOpen={opened === filter.name}
          setOpen={(isOpen) => setOpened(isOpen ? filter.name : "")}
          set={(values) => change(settingFilter(filter.name, values))}
        />
      ))}
      {unset.length > 0 && <AddFilter filters={unset.filter((filter) => filter.name !== opened)} onAdd={setOpened} hasSome={known.length > 0} />}
    </>
  );
}

function AddFilter({ filters, onAdd, hasSome }) {
  const [chosen, setChosen] = useState("");
  if (!filters.length) return null;
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger asChild>
        <button type="button" className={`button quiet-button${hasSome ? " icon-only" : ""}`} aria-label="Add a filter" title="Add a filter">
          <ListFilter size={15} aria-hidden /> {!hasSome && "Filter"}
        </button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal container={themeRoot()}>
        <DropdownMenu.Content
          className="menu radix-themes"
          align="start"
          sideOffset={4}
          collisionPadding={12}
          onCloseAutoFocus={(event) => {
            // The editor opens once the menu is gone: both at once would close each other.
            if (!chosen) return;
            event.preventDefault();
            onAdd(chosen);
            setChosen("");
          }}
        >
          {filters.map((filter) => (
            <DropdownMenu.Item key={filter.name} className="menu-item" onSelect={() => setChosen(filter.name)}>
              {filter.label}
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

function FilterChip({ filter, values, isOpen, setOpen, set }) {
  const isSet = Object.values(values).some(Boolean);
  const Editor = EDITORS[filter.kind] ?? EDITORS.id;
  return (
    <Popover.Root open={isOpen} onOpenChange={setOpen}>
      <span className="filter-chip" data-set={isSet}>
        <Popover.Trigger className="filter-words">
          <span className="quiet">{filter.label}</span> {isSet && <b>{words(filter, values)}</b>}
        </Popover.Trigger>
        {isSet && (
          <button type="button" className="filter-clear" aria-label={`Take the filter ${filter.label} away`} onClick={() => set({})}>
            <X size={13} aria-hidden />
          </button>
        )}
      </span>
      <Popover.Portal container={themeRoot()}>
        <Popover.Content className="popover filter-editor radix-themes" align="start" sideOffset={6} collisionPadding={12} aria-label={`Filter by ${filter.label}`}>
          <Editor {...{ filter, values, set }} close={() => setOpen(false)} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function ChoiceEditor({ filter, values, set }) {
  const chosen = values.is ? values.is.split(",") : [];
  const toggle = (value, isOn) => {
    const next = filter.choices.map(([name]) => name).filter((name) => (name === value ? isOn : chosen.includes(name)));
    set({ is: next.join(",") });
  };
  return (
    <fieldset className="filter-choices">
      <legend>{filter.label}</legend>
      {filter.choices.map(([value, label]) => (
        <label key={value}>
          <input type="checkbox" checked={chosen.includes(value)} onChange={(event) => toggle(value, event.target.checked)} /> {label}
        </label>
      ))}
    </fieldset>
  );
}

function YesNoEditor({ filter, values, set }) {
  return (
    <fieldset className="filter-choices">
      <legend>{filter.label}</legend>
      {[["true", "Yes"], ["false", "No"]].map(([value, label]) => (
        <label key={value}>
          <input type="radio" name={filter.name} checked={values.is === value} onChange={() => set({ is: value })} /> {label}
        </label>
      ))}
    </fieldset>
  );
}

/** Fields whose values count once they are sent. */
function Draft({ fields, start, onDone, children }) {
  const [draft, setDraft] = useState(start);
  const send = (event) => {
    event.preventDefault();
    onDone(draft);
  };
  return (
    <form className="filter-draft" onSubmit={send}>
      {children}
      {fields.map(({ name, label, ...rest }, place) => (
        <label key={name}>
          <span>{label}</span>
          <input className="field" autoFocus={place === 0} value={draft[name]} onChange={(event) => setDraft({ ...draft, [name]: event.target.value })} {...rest} />
        </label>
      ))}
      <button type="submit" className="button primary">Apply</button>
    </form>
  );
}

function TextEditor({ filter, values, set, close }) {
  const done = ({ has }) => {
    set({ has: has.trim() });
    close();
  };
  return <Draft fields={[{ name: "has", label: `${filter.label} has`, maxLength: 200 }]} start={{ has: values.has || values.is }} onDone={done} />;
}

function IdEditor({ filter, values, set, close }) {
  const done = ({ is }) => {
    set({ is: is.trim() });
    close();
  };
  return <Draft fields={[{ name: "is", label: filter.label, maxLength: 200 }]} start={{ is: values.is }} onDone={done} />;
}

function NumberEditor({ filter, values, set, close }) {
  const unit = filter.unit ? `, ${filter.unit}` : "";
  const fields = [
    { name: "from", label: `At least${unit}`, inputMode: "numeric", pattern: "-?[0-9]*" },
    { name: "to", label: `Below${unit}`, inputMode: "numeric", pattern: "-?[0-9]*" },
  ];
  const done = ({ from, to }) => {
    set({ from: from.trim(), to: to.trim() });
    close();
  };
  return <Draft fields={fields} start={{ from: values.from, to: values.to }} onDone={done} />;
}

function MomentEditor({ values, set, close }) {
  const fields = [
    { name: "from", label: "First day", type: "date" },
    { name: "to", label: "Last day", type: "date" },
  ];
  const done = ({ from, to }) => {
    set({ from: startOf(from), to: endOf(to) });
    close();
  };
  const preset = (days) => {
    set({ from: new Date(Date.now() - days * DAY_MS).toISOString() });
    close();
  };
  return (
    <Draft fields={fields} start={{ from: dayOf(values.from), to: lastDayOf(values.to) }} onDone={done}>
      <div className="presets">
        {PRESETS.map(([label, days]) => (
          <button key={days} type="button" className="chip-button" onClick={() => preset(days)}>{label}</button>
        ))}
      </div>
    </Draft>
  );
}

const EDITORS = { choice: ChoiceEditor, yes_no: YesNoEditor, text: TextEditor, id: IdEditor, number: NumberEditor, moment: MomentEditor };
