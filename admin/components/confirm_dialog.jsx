/** Asks before something dangerous: says what is hit, wants its name typed, and stays open when it failed. */
import { useEffect, useId, useState } from "react";
import { AlertDialog } from "radix-ui";
import { CircleAlert } from "lucide-react";
import { count, themeRoot } from "$/public/external/admin/components/data_table/formats.js";
import { useOpenedHere } from "$/public/external/admin/components/data_table/opened_here.js";

const NAMED = 6; // names written out before "and 3 more"

export function ConfirmDialog({ question, onConfirm, onCancel }) {
  const isOpen = useOpenedHere(Boolean(question.action), onCancel);
  const shown = useLast(isOpen ? question : null);
  return (
    <AlertDialog.Root open={isOpen} onOpenChange={(next) => next || onCancel()}>
      <AlertDialog.Portal container={themeRoot()}>
        <AlertDialog.Overlay className="sheet-veil" />
        <AlertDialog.Content className="sheet narrow">
          {shown && <Body key={`${shown.action} ${shown.ids.join()}`} question={shown} onConfirm={onConfirm} />}
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}

/** What was last asked stays in the dialog while it closes. */
function useLast(value) {
  const [last, setLast] = useState(value);
  useEffect(() => {
    if (value) setLast(value);
  }, [value]);
  return value ?? last;
}

function Body({ question, onConfirm }) {
  const { ids, hits, names, word, error } = question;
  const [typed, setTyped] = useState("");
  const [reason, setReason] = useState("");
  const [isTicked, setTicked] = useState(false);
  const [isSent, setSent] = useState(false);
  const typedId = useId();
  const reasonId = useId();
  useEffect(() => {
    const again = () => setSent(false);
    again();
    window.addEventListener("chatapp:event-failed", again);
    return () => window.removeEventListener("chatapp:event-failed", again);
  }, [question]);
  const isReady = (!question.typed || typed.trim() === question.typed) && (!question.wants_reason || reason.trim() !== "");
  const send = (event) => {
    event.preventDefault();
    if (!isReady || isSent) return;
    setSent(true);
    onConfirm(isTicked ? question.option_action : question.action, ids, typed.trim(), reason.trim());
  };
  return (
    <form onSubmit={send}>
      <AlertDialog.Title>{question.title}</AlertDialog.Title>
      <AlertDialog.Description asChild>
        <div className="sheet-text">
          {question.text && <p>{question.text}</p>}
          {names.length > 0 && (
            <ul className="doomed">
              {names.slice(0, NAMED).map((name) => <li key={name}>{name}</li>)}
              {names.length > NAMED && <li>and {count(names.length - NAMED)} more</li>}
            </ul>
          )}
          {hits.length > 0 && (
            <dl className="hits">
              {hits.map((hit) => (
                <div key={hit.label}>
                  <dt>{hit.label}</dt>
                  <dd className="numbers">{count(hit.count)}</dd>
                </div>
              ))}
            </dl>
          )}
        </div>
      </AlertDialog.Description>
      {question.option && (
        <label className="tick-row">
          <input type="checkbox" checked={isTicked} onChange={(event) => setTicked(event.target.checked)} /> {question.option}
        </label>
      )}
      {question.wants_reason && (
        <div className="form-row">
          <label htmlFor={reasonId}>Reason</label>
          <input id={reasonId} className="field" value={reason} maxLength={500} onChange={(event) => setReason(event.target.value)} />
          <span className="quiet small">The audit log keeps it.</span>
        </div>
      )}
      {question.typed && (
        <div className="form-row">
          <label htmlFor={typedId}>Type “{question.typed}” to confirm</label>
          <input id={typedId} className="field" value={typed} autoComplete="off" spellCheck={false} onChange={(event) => setTyped(event.target.value)} />
        </div>
      )}
      {error && (
        <p className="form-problem" role="alert">
          <CircleAlert size={16} aria-hidden /> {error}
        </p>
      )}
      <div className="sheet-foot">
        <AlertDialog.Cancel type="button" className="button">Cancel</AlertDialog.Cancel>
        <button type="submit" className="button danger solid" disabled={!isReady || isSent}>{word}</button>
      </div>
    </form>
  );
}
