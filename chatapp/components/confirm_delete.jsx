/** Asks before something is deleted for good, and names what is hit. */
import { useEffect, useState } from "react";
import { AlertDialog } from "radix-ui";
import { plural, themeRoot } from "./documents_format.js";

const NAMED = 6; // names written out before "and 3 more"

function Confirm({ isOpen, onClose, onConfirm, title, word, isReady = true, children }) {
  return (
    <AlertDialog.Root open={isOpen} onOpenChange={(next) => next || onClose()}>
      <AlertDialog.Portal container={themeRoot()}>
        <AlertDialog.Overlay className="sheet-veil" />
        <AlertDialog.Content className="sheet narrow">
          <AlertDialog.Title>{title}</AlertDialog.Title>
          <AlertDialog.Description asChild>
            <div className="sheet-text">{children}</div>
          </AlertDialog.Description>
          <div className="sheet-foot">
            <AlertDialog.Cancel className="button">Keep</AlertDialog.Cancel>
            <AlertDialog.Action className="button danger solid" disabled={!isReady} onClick={onConfirm}>{word}</AlertDialog.Action>
          </div>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}

/** What was last asked about stays in the dialog while it fades. */
function useLast(value) {
  const [last, setLast] = useState(value);
  useEffect(() => {
    if (value) setLast(value);
  }, [value]);
  return value ?? last;
}

export function ConfirmDelete({ documents, onClose, onConfirm }) {
  const shown = useLast(documents) ?? [];
  const isOne = shown.length === 1;
  return (
    <Confirm
      isOpen={Boolean(documents)}
      onClose={onClose}
      onConfirm={() => onConfirm(shown)}
      title={isOne ? "Delete this document?" : `Delete ${plural(shown.length, "document")}?`}
      word={isOne ? "Delete" : `Delete ${shown.length}`}
    >
      <ul className="doomed">
        {shown.slice(0, NAMED).map((row) => <li key={row.id}>{row.filename}</li>)}
        {shown.length > NAMED && <li>and {shown.length - NAMED} more</li>}
      </ul>
      <p>{isOne ? "The file" : "The files"} and everything made from {isOne ? "it" : "them"} will be gone, and no answer will use {isOne ? "it" : "them"} any more. Answers given before stay.</p>
    </Confirm>
  );
}

export function ConfirmDeleteCollection({ collection, onClose, onConfirm }) {
  const shown = useLast(collection);
  const [typed, setTyped] = useState("");
  useEffect(() => setTyped(""), [collection]);
  if (!shown) return null;
  const hasDocuments = shown.documents > 0;
  return (
    <Confirm
      isOpen={Boolean(collection)}
      onClose={onClose}
      onConfirm={() => onConfirm(shown)}
      title={`Delete the collection “${shown.name}”?`}
      word={hasDocuments ? `Delete it and ${plural(shown.documents, "document")}` : "Delete"}
      isReady={!hasDocuments || typed.trim() === shown.name}
    >
      <p>
        {hasDocuments
          ? `It holds ${plural(shown.documents, "document")}, which will be deleted with it. No answer will use them any more. Answers given before stay.`
          : "It is empty, so no document is lost."}
      </p>
      {hasDocuments && (
        <label className="form-row">
          <span>Type <b>{shown.name}</b> to confirm</span>
          <input className="field" value={typed} autoComplete="off" onChange={(event) => setTyped(event.target.value)} />
        </label>
      )}
    </Confirm>
  );
}
