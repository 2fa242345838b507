/** Makes a collection, or renames one. Who may read it is chosen when it is made; afterwards admins see to it. */
import { useEffect, useRef, useState } from "react";
import { Dialog } from "radix-ui";
import { X } from "lucide-react";
import { themeRoot } from "./documents_format.js";
import { GrantsField, keepOpenForList } from "./grants_field.jsx";

const EMPTY = { name: "", description: "", audience: "everyone", grants: [] };
const AUDIENCES = [
  ["everyone", "Everyone", "All people here may ask it; who may add documents may change it."],
  ["me", "Only me", "Nobody else sees it or gets answers from it."],
  ["chosen", "Chosen groups and people", "They, and you."],
];

export function CollectionDialog({ editing, subjects, onClose, onSave, onSearch }) {
  const [values, setValues] = useState(EMPTY);
  const field = useRef(null);
  useEffect(() => {
    if (editing) setValues({ ...EMPTY, name: editing.name, description: editing.description });
  }, [editing]);
  const isNew = !editing?.id;
  const isReady = values.name.trim() && (values.audience !== "chosen" || values.grants.length > 0);
  const submit = (event) => {
    event.preventDefault();
    if (!isReady) return;
    onSave(values);
    onClose();
  };
  return (
    <Dialog.Root open={Boolean(editing)} onOpenChange={(next) => next || onClose()}>
      <Dialog.Portal container={themeRoot()}>
        <Dialog.Overlay className="sheet-veil" />
        <Dialog.Content
          className="sheet narrow"
          aria-describedby={undefined}
          onEscapeKeyDown={keepOpenForList}
          onOpenAutoFocus={(event) => {
            event.preventDefault();
            field.current?.select();
          }}
        >
          <form onSubmit={submit}>
            <div className="sheet-head">
              <Dialog.Title>{isNew ? "New collection" : "Rename the collection"}</Dialog.Title>
              <Dialog.Close className="icon-button small" aria-label="Close">
                <X size={16} />
              </Dialog.Close>
            </div>
            <label className="form-row">
              <span>Name</span>
              <input ref={field} className="field" maxLength={120} value={values.name} onChange={(event) => setValues({ ...values, name: event.target.value })} />
            </label>
            <label className="form-row">
              <span>What it holds <span className="quiet">(optional)</span></span>
              <input className="field" maxLength={300} value={values.description} onChange={(event) => setValues({ ...values, description: event.target.value })} />
            </label>
            {isNew && <Audience {...{ values, setValues, subjects, onSearch }} />}
            <div className="sheet-foot">
              <Dialog.Close className="button" type="button">Cancel</Dialog.Close>
              <button type="submit" className="button primary" disabled={!isReady}>{isNew ? "Create" : "Save"}</button>
            </div>
          </form>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Audience({ values, setValues, subjects, onSearch }) {
  return (
    <fieldset className="audience">
      <legend>Who may read it</legend>
      {AUDIENCES.map(([value, words, note]) => (
        <label key={value}>
          <input type="radio" name="audience" value={value} checked={values.audience === value} onChange={() => setValues({ ...values, audience: value })} />
          <span>
            {words}
            <span className="quiet small">{note}</span>
          </span>
        </label>
      ))}
      {values.audience === "chosen" && (
        <GrantsField value={values.grants} found={subjects} onSearch={onSearch} onChange={(grants) => setValues({ ...values, grants })} />
      )}
    </fieldset>
  );
}
