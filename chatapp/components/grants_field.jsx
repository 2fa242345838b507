/** Chooses groups and people, and what each may do. What is found is the server's; this asks for it while one types. */
import { useEffect, useId, useRef, useState } from "react";
import { Building2, KeyRound, Search, ShieldUser, User, Users, X } from "lucide-react";

const TYPING_MS = 200;
const ICONS = { everyone: Building2, role: ShieldUser, group: Users, user: User, key: KeyRound };
const KINDS = { everyone: "everyone", role: "role", group: "group", user: "person", key: "service key" };

export function SubjectIcon({ kind, size = 16 }) {
  const Icon = ICONS[kind] ?? User;
  return <Icon size={size} aria-hidden="true" />;
}

/** For a dialog around the field: Esc closes the list first and the dialog only then. */
export function keepOpenForList(event) {
  if (document.activeElement?.getAttribute("aria-expanded") === "true") event.preventDefault();
}

export const keyOf = (one) => `${one.subject_kind} ${one.subject}`;

/**
 * @param {{subject_kind: string, subject: string, name: string, detail?: string, access: string}[]} value who has what
 * @param {{subject_kind: string, subject: string, name: string, detail: string}[]} found for what was typed last
 */
export function GrantsField({ value, found = [], onSearch, onChange, label = "Add a group or a person", disabled = false }) {
  const has = new Set(value.map(keyOf));
  const set = (one, access) => onChange(value.map((each) => (keyOf(each) === keyOf(one) ? { ...each, access } : each)));
  return (
    <div className="grants-field">
      {value.length > 0 && (
        <ul className="grants-list" aria-label="Chosen">
          {value.map((one) => (
            <li key={keyOf(one)}>
              <SubjectIcon kind={one.subject_kind} />
              <span className="grants-name">
                {one.name}
                {one.detail && one.detail !== one.name && <span className="quiet small">{one.detail}</span>}
              </span>
              <select className="field" aria-label={`What ${one.name} may do`} value={one.access} disabled={disabled} onChange={(event) => set(one, event.target.value)}>
                <option value="read">may read</option>
                <option value="write">may read and change</option>
              </select>
              <button type="button" className="icon-button small" aria-label={`Take ${one.name} out`} disabled={disabled} onClick={() => onChange(value.filter((each) => keyOf(each) !== keyOf(one)))}>
                <X size={15} />
              </button>
            </li>
          ))}
        </ul>
      )}
      {!disabled && <Finder {...{ label, onSearch, has }} found={found} onPick={(one) => onChange([...value, { ...one, access: "read" }])} />}
    </div>
  );
}

/** Looks for groups and people by name. `has`: the keys of those that are chosen already, which are left out. */
export function Finder({ label, found, onSearch, onPick, has }) {
  const [words, setWords] = useState("");
  const [isOpen, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const timer = useRef(null);
  const listId = useId();
  useEffect(() => () => clearTimeout(timer.current), []);
  const rest = found.filter((one) => !has.has(keyOf(one)));
  const ask = (text, delay = TYPING_MS) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onSearch(text.trim()), delay);
  };
  const pick = (one) => {
    if (!one) return;
    onPick(one);
    setWords("");
    setAt(0);
    setOpen(false);
    ask("", 0);
  };
  const press = (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setOpen(true);
      setAt((now) => Math.max(0, Math.min(rest.length - 1, now + (event.key === "ArrowDown" ? 1 : -1))));
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (isOpen) pick(rest[at]);
    } else if (event.key === "Escape") {
      setOpen(false);
    }
  };
  return (
    <div className="grants-finder" onBlur={(event) => event.currentTarget.contains(event.relatedTarget) || setOpen(false)}>
      <label className="search-field">
        <Search size={16} aria-hidden="true" />
        <input
          role="combobox"
          aria-label={label}
          aria-expanded={isOpen}
          aria-controls={listId}
          aria-autocomplete="list"
          aria-activedescendant={isOpen && rest[at] ? `${listId}-${at}` : undefined}
          placeholder={label}
          maxLength={100}
          autoComplete="off"
          value={words}
          onFocus={() => {
            setOpen(true);
            ask(words, 0);
          }}
          onClick={() => setOpen(true)}
          onChange={(event) => {
            setWords(event.target.value);
            setOpen(true);
            setAt(0);
            ask(event.target.value);
          }}
          onKeyDown={press}
        />
      </label>
      <ul id={listId} role="listbox" aria-label={label} hidden={!isOpen}>
        {rest.map((one, index) => (
          <li key={keyOf(one)} id={`${listId}-${index}`} role="option" aria-selected={index === at} onMouseDown={(event) => event.preventDefault()} onClick={() => pick(one)}>
            <SubjectIcon kind={one.subject_kind} />
            <span className="grants-name">
              {one.name}
              <span className="quiet small">{one.detail === one.name ? KINDS[one.subject_kind] : one.detail}</span>
            </span>
          </li>
        ))}
        {!rest.length && (
          <li className="quiet" role="option" aria-selected="false" aria-disabled="true">
            Nobody else matches
          </li>
        )}
      </ul>
    </div>
  );
}
