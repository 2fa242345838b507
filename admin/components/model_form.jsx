/** A form made from a model. What is typed stays here until it was saved. */
import { useEffect, useRef, useState } from "react";
import { useBlocker } from "react-router";
import { AlertDialog, Dialog } from "radix-ui";
import { ArrowRight, CircleAlert, X } from "lucide-react";
import { themeRoot } from "$/public/external/admin/components/data_table/formats.js";
import { useOpenedHere } from "$/public/external/admin/components/data_table/opened_here.js";
import { Field } from "./form_inputs.jsx";

const SAVED_AS_IS = new Set(["secret", "password"]);

export function ModelForm(props) {
  const form = useForm(props);
  const [isLeaving, setLeaving] = useState(false);
  const isOpen = useOpenedHere(Boolean(props.inDialog && props.isOpen), props.onClose);
  const close = () => (form.isDirty ? setLeaving(true) : props.onClose());
  const leave = () => {
    setLeaving(false);
    form.forget();
  };
  // Only where something would be lost: the router takes one such guard at a time, and a page may have several forms.
  const guard = form.isDirty && (!props.inDialog || isOpen) && (
    <LeaveGuard isAsking={isLeaving} onStay={() => setLeaving(false)} onLeave={leave} onClose={props.onClose} />
  );
  if (!props.inDialog) {
    return (
      <section className="form-page">
        {props.title && <h2>{props.title}</h2>}
        {props.text && <p className="quiet">{props.text}</p>}
        <Body {...props} form={form} />
        {guard}
      </section>
    );
  }
  return (
    <>
      <Dialog.Root open={isOpen} onOpenChange={(next) => next || close()}>
        <Dialog.Portal container={themeRoot()}>
          <Dialog.Overlay className="sheet-veil" />
          <Dialog.Content className="sheet form-sheet" aria-describedby={undefined}>
            <div className="sheet-head">
              <Dialog.Title>{props.title}</Dialog.Title>
              <Dialog.Close className="icon-button small" aria-label="Close"><X size={17} /></Dialog.Close>
            </div>
            {props.text && <p className="quiet small">{props.text}</p>}
            <Body {...props} form={form} onCancel={close} />
          </Dialog.Content>
        </Dialog.Portal>
      </Dialog.Root>
      {guard}
    </>
  );
}

function useForm({ fields, start, epoch, errors, changes, subject, isReviewing, isReviewed, onSubmit, onReview }) {
  const [typed, setTyped] = useState({});
  const [isSent, setSent] = useState(false);
  const [reviewedFor, setReviewedFor] = useState("");
  useEffect(() => {
    setTyped({});
    setSent(false);
  }, [epoch]);
  useEffect(() => {
    const again = () => setSent(false);
    again();
    window.addEventListener("chatapp:event-failed", again);
    return () => window.removeEventListener("chatapp:event-failed", again);
  }, [errors, changes, isReviewed]);
  const values = { ...start, ...typed };
  // A secret that is there comes as `true`, and goes back only when another one was typed.
  const sent = Object.fromEntries(
    fields.map((spec) => [spec.name, SAVED_AS_IS.has(spec.kind) && typeof values[spec.name] !== "string" ? null : values[spec.name] ?? null]),
  );
  const asText = JSON.stringify(sent);
  // What was typed since has not been looked at.
  const isStillReviewed = isReviewed && reviewedFor === asText;
  const send = () => {
    if (isSent) return;
    setSent(true);
    setReviewedFor(asText);
    if (isReviewing && !isStillReviewed) onReview(subject, sent);
    else onSubmit(subject, sent);
  };
  const isDirty = Object.keys(typed).some((name) => JSON.stringify(typed[name] || null) !== JSON.stringify(start[name] || null));
  const set = (name, value) => setTyped((now) => ({ ...now, [name]: value }));
  return { values, isDirty, isSent, isReviewed: isStillReviewed, set, send, forget: () => setTyped({}) };
}

/** Nobody loses what they typed by a wrong click. */
function LeaveGuard({ isAsking, onStay, onLeave, onClose }) {
  const blocker = useBlocker(({ currentLocation, nextLocation }) => currentLocation.pathname !== nextLocation.pathname);
  useEffect(() => {
    const ask = (event) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, []);
  const stay = () => {
    onStay();
    blocker.reset?.();
  };
  const leave = () => {
    if (blocker.state === "blocked") blocker.proceed();
    else onClose();
    onLeave();
  };
  return <DiscardDialog isOpen={isAsking || blocker.state === "blocked"} onStay={stay} onLeave={leave} />;
}

function DiscardDialog({ isOpen, onStay, onLeave }) {
  return (
    <AlertDialog.Root open={isOpen} onOpenChange={(next) => next || onStay()}>
      <AlertDialog.Portal container={themeRoot()}>
        <AlertDialog.Overlay className="sheet-veil" />
        <AlertDialog.Content className="sheet narrow">
          <AlertDialog.Title>Leave without saving?</AlertDialog.Title>
          <AlertDialog.Description className="sheet-text">What you changed here will be lost.</AlertDialog.Description>
          <div className="sheet-foot">
            <AlertDialog.Cancel className="button">Stay</AlertDialog.Cancel>
            <AlertDialog.Action className="button danger solid" onClick={onLeave}>Leave</AlertDialog.Action>
          </div>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}

function Body({ form, fields, choices, errors, changes, effects, isReviewing, isLocked, word, children, onCancel }) {
  const element = useRef(null);
  const wrong = fields.filter((spec) => errors[spec.name]);
  useEffect(() => {
    const first = wrong[0];
    if (first) element.current?.querySelector(`[data-field="${first.name}"] :is(input, textarea, select, button)`)?.focus();
  }, [errors]); // eslint-disable-line react-hooks/exhaustive-deps
  const submit = (event) => {
    event.preventDefault();
    form.send();
  };
  const press = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
  };
  return (
    <form ref={element} className="model-form" noValidate onSubmit={submit} onKeyDown={press}>
      <Summary {...{ errors, wrong, element }} />
      {fields.map((spec) => (
        <Field key={spec.name} {...{ spec, isLocked }} value={form.values[spec.name]} error={errors[spec.name]} choices={choices[spec.name]} onChange={(value) => form.set(spec.name, value)} />
      ))}
      {children}
      {form.isReviewed && <Changes {...{ changes, effects }} />}
      {!isLocked && (
        <div className="form-foot">
          {onCancel && <button type="button" className="button" onClick={onCancel}>Cancel</button>}
          {!onCancel && form.isDirty && <button type="button" className="button" onClick={form.forget}>Undo</button>}
          <button type="submit" className="button primary" disabled={form.isSent || (form.isReviewed && !changes.length)}>
            {isReviewing && !form.isReviewed ? "See what will change" : word}
          </button>
        </div>
      )}
    </form>
  );
}

function Summary({ errors, wrong, element }) {
  if (!wrong.length && !errors[""]) return null;
  const jump = (name) => element.current?.querySelector(`[data-field="${name}"] :is(input, textarea, select, button)`)?.focus();
  return (
    <div className="form-problem" role="alert">
      <CircleAlert size={16} aria-hidden />
      <div>
        {errors[""] && <p>{errors[""]}</p>}
        {wrong.length === 1 && !errors[""] && <p>{wrong[0].label}: {errors[wrong[0].name]}</p>}
        {wrong.length > 1 && (
          <>
            <p>{wrong.length} fields need a look:</p>
            <ul>
              {wrong.map((spec) => (
                <li key={spec.name}><button type="button" className="link" onClick={() => jump(spec.name)}>{spec.label}</button></li>
              ))}
            </ul>
          </>
        )}
      </div>
    </div>
  );
}

function Changes({ changes, effects }) {
  return (
    <section className="will-change" aria-label="What will change" role="status">
      <h3>{changes.length ? "What will change" : "Nothing will change"}</h3>
      <dl>
        {changes.map((change) => (
          <div key={change.label}>
            <dt>{change.label}</dt>
            <dd>
              <del>{change.before}</del> <ArrowRight size={13} aria-label="becomes" /> <ins>{change.after}</ins>
            </dd>
          </div>
        ))}
      </dl>
      {effects.map((effect) => <p key={effect}>{effect}</p>)}
    </section>
  );
}
