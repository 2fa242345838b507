/** Who may read a collection: chosen, previewed as people and not as rules, and saved with a reason. */
import { useEffect, useRef, useState } from "react";
import { Dialog } from "radix-ui";
import { CircleAlert, TriangleAlert, X } from "lucide-react";
import { Finder, GrantsField, SubjectIcon, keepOpenForList, keyOf } from "$/public/external/chatapp/components/documents/grants_field.jsx";
import { count, themeRoot } from "$/public/external/admin/components/data_table/formats.js";
import { useOpenedHere } from "$/public/external/admin/components/data_table/opened_here.js";

const PREVIEW_MS = 250;
const plain = (grants) => grants.map(({ subject_kind, subject, access }) => ({ subject_kind, subject, access }));
const sameAs = (one, other) => {
  const write = (grants) => grants.map((each) => `${keyOf(each)} ${each.access}`).sort().join("\n");
  return write(one) === write(other);
};

/** `Ada, Grace and 3 more`. */
function named(names, total) {
  const rest = total - names.length;
  if (!names.length) return total ? `${count(total)} people` : "nobody";
  if (rest > 0) return `${names.join(", ")} and ${count(rest)} more`;
  return names.length === 1 ? names[0] : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

export function GrantsEditor({ editing, found, change, onSearch, onChangeGrants, onSave, onClose }) {
  const isOpen = useOpenedHere(Boolean(editing.id), onClose);
  return (
    <Dialog.Root open={isOpen} onOpenChange={(next) => next || onClose()}>
      <Dialog.Portal container={themeRoot()}>
        <Dialog.Overlay className="sheet-veil" />
        <Dialog.Content className="sheet" aria-describedby={undefined} onEscapeKeyDown={keepOpenForList}>
          {editing.id && <Body key={`${editing.id} ${editing.epoch}`} {...{ editing, found, change, onSearch, onChangeGrants, onSave }} />}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Body({ editing, found, change, onSearch, onChangeGrants, onSave }) {
  const [value, setValue] = useState(editing.grants);
  const [reason, setReason] = useState("");
  const [isSent, setSent] = useState(false);
  const timer = useRef(null);
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => setSent(false), [change]);
  const isChanged = !sameAs(value, editing.grants);
  const choose = (next) => {
    setValue(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onChangeGrants(editing.id, plain(next)), PREVIEW_MS);
  };
  const save = (event) => {
    event.preventDefault();
    if (!isChanged || isSent) return;
    setSent(true);
    onSave(editing.id, plain(value), reason.trim());
  };
  return (
    <form onSubmit={save}>
      <div className="sheet-head">
        <Dialog.Title>{`Who may read “${editing.name}”`}</Dialog.Title>
        <Dialog.Close className="icon-button small" aria-label="Close">
          <X size={16} />
        </Dialog.Close>
      </div>
      <GrantsField value={value} found={found} onSearch={onSearch} onChange={choose} label="Add everyone, a role, a group, a person or a service" />
      <Preview change={change} isChanged={isChanged} isEmpty={!value.length} />
      <label className="form-row">
        <span>Why <span className="quiet">(optional, kept in the audit log)</span></span>
        <input className="field" maxLength={500} value={reason} onChange={(event) => setReason(event.target.value)} />
      </label>
      <div className="sheet-foot">
        <Dialog.Close className="button" type="button">Cancel</Dialog.Close>
        <button type="submit" className="button primary" disabled={!isChanged || isSent || Boolean(change.error)}>Save</button>
      </div>
    </form>
  );
}

function Preview({ change, isChanged, isEmpty }) {
  if (change.error) {
    return (
      <p className="grants-warning" role="alert">
        <CircleAlert size={16} aria-hidden="true" /> <span>{change.error}</span>
      </p>
    );
  }
  return (
    <div className="grants-preview" role="status" aria-label="What will change">
      <p>
        {isEmpty ? "Nobody may read it." : <><b>{count(change.readers)}</b> {change.readers === 1 ? "person" : "people"} may read it{change.readers > 0 && <span className="quiet">: {named(change.reader_names, change.readers)}</span>}.</>}
      </p>
      {change.keys.length > 0 && <p className="quiet">Services: {named(change.keys, change.keys.length)}.</p>}
      {isChanged && change.gained > 0 && <p data-tone="good">New: {named(change.gained_names, change.gained)}.</p>}
      {isChanged && change.lost > 0 && <p data-tone="bad">No longer: {named(change.lost_names, change.lost)}.</p>}
      {isChanged && !change.gained && !change.lost && <p className="quiet">Nobody gains or loses it.</p>}
      {change.warning && (
        <p className="grants-warning">
          <TriangleAlert size={16} aria-hidden="true" /> <span>{change.warning}</span>
        </p>
      )}
    </div>
  );
}

/** Finds people; one is taken at once, several are gathered first. */
export function PeopleFinder({ label, word, found, isSingle = false, onSearch, onChosen }) {
  const [chosen, setChosen] = useState([]);
  const people = found.filter((one) => one.subject_kind === "user");
  const pick = (one) => (isSingle ? onChosen([one.subject]) : setChosen([...chosen, one]));
  return (
    <div className="grants-field people-finder">
      <Finder label={label} found={people} onSearch={onSearch} onPick={pick} has={new Set(chosen.map(keyOf))} />
      {chosen.length > 0 && (
        <>
          <ul className="grants-list" aria-label="Chosen">
            {chosen.map((one) => (
              <li key={one.subject}>
                <SubjectIcon kind="user" />
                <span className="grants-name">
                  {one.name}
                  {one.detail !== one.name && <span className="quiet small">{one.detail}</span>}
                </span>
                <button type="button" className="icon-button small" aria-label={`Leave ${one.name} out`} onClick={() => setChosen(chosen.filter((each) => each !== one))}>
                  <X size={15} />
                </button>
              </li>
            ))}
          </ul>
          <div>
            <button
              type="button"
              className="button primary"
              onClick={() => {
                onChosen(chosen.map((one) => one.subject));
                setChosen([]);
              }}
            >
              {chosen.length > 1 ? `${word} (${chosen.length})` : word}
            </button>
          </div>
        </>
      )}
    </div>
  );
}
