/** Makes a collection, or renames one. Who may read it is chosen when it is made; afterwards admins see to it. */
import { useEffect, useId, useRef, useState } from "react";
import { Dialog } from "radix-ui";
import { CircleAlert, X } from "lucide-react";
import { themeRoot } from "./documents_format.js";
import { GrantsField, keepOpenForList } from "./grants_field.jsx";

const EMPTY = { name: "", description: "", audience: "everyone", grants: [] };
const AUDIENCES = [
  ["everyone", "Everyone", "All people here may ask it; who may add documents may change it."],
  ["me", "Only me", "Nobody else sees it or gets answers from it."],
  ["chosen", "Chosen groups and people", "They, and you."],
];

export function CollectionDialog({ editing, subjects, answer, onClose, onSave, onSearch }) {
  const [values, setValues] = useState(EMPTY);
  const field = useRef(null);
  const nameProblemId = useId();
  useEffect(() => {
    if (editing) setValues({ ...EMPTY, name: editing.name, description: editing.description });
  }, [editing]);
  const { isSent, refusal, markSent } = useAnswer({ editing, answer, onClose, field });
  const isNew = !editing?.id;
  const isNameRefused = refusal?.field === "name" && refusal.name === values.name;
  const isReady = !isSent && values.name.trim() && (values.audience !== "chosen" || values.grants.length > 0);
  const submit = (event) => {
    event.preventDefault();
    if (!isReady) return;
    markSent(values.name);
    onSave(values);
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
              <input ref={field} className="field" maxLength={120} value={values.name} aria-invalid={isNameRefused || undefined} aria-describedby={isNameRefused ? nameProblemId : undefined} onChange={(event) => setValues({ ...values, name: event.target.value })} />
              {isNameRefused && <span id={nameProblemId} className="form-error" role="alert">{refusal.problem}</span>}
            </label>
            <label className="form-row">
              <span>What it holds <span className="quiet">(optional)</span></span>
              <input className="field" maxLength={300} value={values.description} onChange={(event) => setValues({ ...values, description: event.target.value })} />
            </label>
            {isNew && <Audience {...{ values, setValues, subjects, onSearch }} />}
            {refusal && refusal.field !== "name" && (
              <p className="form-problem" role="alert">
                <CircleAlert size={16} aria-hidden /> {refusal.problem}
              </p>
            )}
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

/** The dialog closes when what it sent was taken; what was refused stays in it, with the reason. */
function useAnswer({ editing, answer, onClose, field }) {
  const [sent, setSent] = useState(null); // {count: answers there were when it was sent, name}
  const [refusal, setRefusal] = useState(null);
  useEffect(() => setRefusal(null), [editing]);
  useEffect(() => {
    if (!sent || answer.count <= sent.count) return;
    setSent(null);
    if (!answer.problem) {
      onClose();
      return;
    }
    setRefusal({ ...answer, name: sent.name });
    field.current?.focus();
  }, [answer, sent]); // eslint-disable-line react-hooks/exhaustive-deps
  useEffect(() => {
    const again = () => setSent(null);
    window.addEventListener("chatapp:event-failed", again);
    return () => window.removeEventListener("chatapp:event-failed", again);
  }, []);
  const markSent = (name) => {
    setRefusal(null);
    setSent({ count: answer.count, name });
  };
  return { isSent: Boolean(sent), refusal, markSent };
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
