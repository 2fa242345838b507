/** The guided start: what is done, what is next, and a way out of each step and of the whole. */
import { Link } from "react-router";
import { Check, Circle, CircleDashed, X } from "lucide-react";

export function Onboarding({ steps, isDismissed, canReturn, onSkip, onDismiss }) {
  if (!steps.length) return null;
  if (isDismissed) {
    return canReturn ? (
      <p className="onboarding-back">
        <button type="button" className="button" onClick={() => onDismiss(false)}>Show the guided start</button>
      </p>
    ) : null;
  }
  const done = steps.filter((step) => step.is_done || step.is_skipped).length;
  const next = steps.find((step) => !step.is_done && !step.is_skipped);
  return (
    <section className="onboarding" aria-label="Guided start">
      <header>
        <h2>Getting started</h2>
        <span className="quiet small numbers">{done} of {steps.length}</span>
        <button type="button" className="icon-button small" aria-label="Put the guided start away" title="Put away" onClick={() => onDismiss(true)}>
          <X size={16} />
        </button>
      </header>
      <ol>
        {steps.map((step) => (
          <Step key={step.name} step={step} isNext={step === next} onSkip={onSkip} />
        ))}
      </ol>
    </section>
  );
}

function Step({ step, isNext, onSkip }) {
  const isOpen = !step.is_done && !step.is_skipped;
  return (
    <li data-next={isNext} data-state={step.is_done ? "done" : step.is_skipped ? "skipped" : "open"}>
      <Mark step={step} />
      <div>
        <strong>{step.label}</strong>
        {isOpen && <p className="quiet small">{step.text}</p>}
      </div>
      {isOpen && (
        <span className="onboarding-acts">
          <button type="button" className="button quiet-button" aria-label={`Leave out: ${step.label}`} onClick={() => onSkip(step.name, true)}>
            {step.name === "model" ? "Keep the built-in one" : "Skip"}
          </button>
          {step.href && <Link className={isNext ? "button primary" : "button"} to={step.href} onClick={startAsking}>{step.action}</Link>}
        </span>
      )}
      {step.is_skipped && !step.is_done && (
        <button type="button" className="button quiet-button" aria-label={`Take up again: ${step.label}`} onClick={() => onSkip(step.name, false)}>
          Undo
        </button>
      )}
    </li>
  );
}

/** On the chat itself its own address leads nowhere: the box is what is meant. */
function startAsking(event) {
  const box = document.querySelector('textarea[aria-label="Message"]');
  if (event.currentTarget.pathname !== window.location.pathname || !box) return;
  event.preventDefault();
  box.focus();
}

function Mark({ step }) {
  const [Icon, words] = step.is_done ? [Check, "Done"] : step.is_skipped ? [CircleDashed, "Left out"] : [Circle, "To do"];
  return (
    <span className="onboarding-mark">
      <Icon size={16} aria-hidden />
      <span className="visually-hidden">{words}</span>
    </span>
  );
}
