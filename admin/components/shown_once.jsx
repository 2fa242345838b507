/** Shows a secret once: to copy, and gone when it is closed. */
import { useEffect, useId, useState } from "react";
import { Dialog } from "radix-ui";
import { Check, Copy } from "lucide-react";
import { themeRoot } from "$/public/external/admin/components/data_table/formats.js";

export function ShownOnce() {
  const [shown, setShown] = useState(null);
  useEffect(() => {
    const show = (event) => setShown(event.detail);
    window.addEventListener("chatapp:shown-once", show);
    return () => window.removeEventListener("chatapp:shown-once", show);
  }, []);
  return (
    <Dialog.Root open={shown !== null} onOpenChange={(next) => next || setShown(null)}>
      <Dialog.Portal container={themeRoot()}>
        <Dialog.Overlay className="sheet-veil" />
        {/* A click beside it must not lose what is not shown again. */}
        <Dialog.Content className="sheet form-sheet" onInteractOutside={(event) => event.preventDefault()}>
          {shown && <Body shown={shown} />}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Body({ shown }) {
  const id = useId();
  const example = shown.example.replaceAll("ORIGIN", window.location.origin);
  return (
    <>
      <Dialog.Title>{shown.title}</Dialog.Title>
      <Dialog.Description className="sheet-text">{shown.text}</Dialog.Description>
      <div className="form-row">
        <label htmlFor={id}>{shown.label}</label>
        <div className="shown-secret">
          <input id={id} className="field" readOnly value={shown.secret} onFocus={(event) => event.target.select()} />
          <CopyWords text={shown.secret} name={`Copy the ${shown.label.toLowerCase()}`} />
        </div>
      </div>
      {example && (
        <div className="form-row">
          <span className="form-label">For example</span>
          <div className="shown-example">
            <pre tabIndex={0} aria-label="Example">{example}</pre>
            <CopyWords text={example} name="Copy the example" />
          </div>
        </div>
      )}
      <div className="sheet-foot">
        <Dialog.Close className="button primary">I have kept it</Dialog.Close>
      </div>
    </>
  );
}

function CopyWords({ text, name }) {
  const [isDone, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 2000);
  };
  return (
    <button type="button" className="button" aria-label={isDone ? "Copied" : name} onClick={copy}>
      {isDone ? <Check size={15} aria-hidden /> : <Copy size={15} aria-hidden />} {isDone ? "Copied" : "Copy"}
    </button>
  );
}
