/** A tenant's route: ordered rules, a default, fallbacks and a ladder, changed here and saved as a whole. */
import { useEffect, useRef, useState } from "react";
import { ArrowDown, ArrowUp, CircleAlert, Pencil, Plus, X } from "lucide-react";
import { announce } from "$/public/external/chatapp/components/answer/announcer.js";
import { ModelChoice, RuleForm } from "./rule_form.jsx";
import { Preview, differences } from "./route_preview.jsx";
import { inWords } from "./rule_conditions.js";

const TRIED = [20, 100, 500];
const CLIMBS = [
  ["invalid_output", "the answer is empty, broken, or no JSON where JSON was asked for"],
  ["low_support", "most of what it cites is not carried by its sources: it is shown only when it passed"],
  ["asked_again", "the same question is answered once more: it begins a rung higher"],
];
const partOf = ({ rules, default: name, fallbacks, ladder, escalate_on, when_too_long, when_named_fails }) => ({ rules, default: name, fallbacks, ladder, escalate_on, when_too_long, when_named_fails });

function moved(items, from, to) {
  const next = [...items];
  next.splice(to, 0, ...next.splice(from, 1));
  return next;
}

export function RouteEditor({ route, epoch, models, intents, canChange, preview, problem, onPreview, onSave }) {
  const [draft, setDraft] = useState(() => partOf(route));
  const [editing, setEditing] = useState(null);
  const [reason, setReason] = useState("");
  const [reviewedFor, setReviewedFor] = useState("");
  const [last, setLast] = useState(100);
  const [isSent, setSent] = useState(false);
  useEffect(() => {
    setDraft(partOf(route));
    setReason("");
    setReviewedFor("");
  }, [epoch]); // eslint-disable-line react-hooks/exhaustive-deps
  useEffect(() => {
    const again = () => setSent(false);
    again();
    window.addEventListener("chatapp:event-failed", again);
    return () => window.removeEventListener("chatapp:event-failed", again);
  }, [preview, problem, epoch]);
  const asText = JSON.stringify([draft, last]);
  const changes = differences(partOf(route), draft);
  const isReviewed = reviewedFor === asText && !isSent && !problem.message;
  const set = (part) => setDraft((now) => ({ ...now, ...part }));
  const send = () => {
    setSent(true);
    if (isReviewed) onSave(draft, route.version, reason.trim());
    else {
      setReviewedFor(asText);
      onPreview(draft, last);
    }
  };
  const use = (rule) => {
    const rules = [...draft.rules];
    rules[editing.at] = rule;
    set({ rules });
    setEditing(null);
  };
  return (
    <div className="route-editor">
      {problem.message && (
        <div className="form-problem" role="alert"><CircleAlert size={16} aria-hidden /> <p>{placeOf(problem.param)}{problem.message}</p></div>
      )}
      <Rules rules={draft.rules} models={models} isLocked={!canChange} param={problem.param} onChange={(rules) => set({ rules })} onEdit={(at) => setEditing({ at, rule: draft.rules[at] })} />
      {canChange && (
        <button type="button" className="button" onClick={() => setEditing({ at: draft.rules.length, rule: { when: {}, model: "" } })}>
          <Plus size={15} aria-hidden /> Add a rule
        </button>
      )}
      <div className="route-parts">
        <label className="route-part">
          <span>Default <span className="quiet">where no rule holds</span></span>
          <ModelChoice value={draft.default} models={models} isRequired disabled={!canChange} onChange={(name) => set({ default: name })} />
        </label>
        <Models label="Fallbacks" note="asked in turn when the one before failed" word="Add a fallback" value={draft.fallbacks} models={models} isLocked={!canChange} onChange={(fallbacks) => set({ fallbacks })} />
        <Models label="Ladder" note="the smallest first; an answer that will not do is asked of the next" word="Add a rung" value={draft.ladder} models={models} isLocked={!canChange} onChange={(ladder) => set({ ladder, ...(ladder.length ? {} : { escalate_on: [] }) })} />
        {draft.ladder.length > 0 && (
          <fieldset className="route-part" disabled={!canChange}>
            <legend>An answer climbs when</legend>
            {CLIMBS.map(([name, words]) => (
              <label key={name} className="route-check">
                <input type="checkbox" checked={draft.escalate_on.includes(name)} onChange={(event) => set({ escalate_on: event.target.checked ? [...draft.escalate_on, name] : draft.escalate_on.filter((each) => each !== name) })} />
                <span>{words}</span>
              </label>
            ))}
          </fieldset>
        )}
        <label className="route-part">
          <span>A prompt that is too long for the model</span>
          <select className="field" value={draft.when_too_long} disabled={!canChange} onChange={(event) => set({ when_too_long: event.target.value })}>
            <option value="fit">is made to fit: weak passages are dropped, old turns summed up</option>
            <option value="refuse">is refused, with a sentence that says so</option>
          </select>
        </label>
        <label className="route-part">
          <span>A model asked for by name that fails</span>
          <select className="field" value={draft.when_named_fails} disabled={!canChange} onChange={(event) => set({ when_named_fails: event.target.value })}>
            <option value="fall_back">the fallbacks answer in its place</option>
            <option value="say_so">people are told to try again</option>
          </select>
        </label>
      </div>
      {canChange && (changes.length > 0 || isReviewed) && (
        <div className="route-save">
          {isReviewed && <Preview changes={changes} trial={preview} />}
          {isReviewed && (
            <label className="form-row">
              <span>Why <span className="quiet">(optional, kept in the audit log)</span></span>
              <input className="field" maxLength={500} value={reason} onChange={(event) => setReason(event.target.value)} />
            </label>
          )}
          <div className="form-foot">
            <button type="button" className="button" onClick={() => setDraft(partOf(route))}>Undo</button>
            <label className="route-last">
              <span>Try it on the last</span>
              <select className="field" value={last} onChange={(event) => setLast(Number(event.target.value))}>{TRIED.map((count) => <option key={count} value={count}>{count} questions</option>)}</select>
            </label>
            <button type="button" className="button primary" disabled={isSent || (isReviewed && !changes.length)} onClick={send}>{isReviewed ? "Save the route" : "See what will change"}</button>
          </div>
        </div>
      )}
      {editing && <RuleForm rule={editing.rule} title={editing.at < draft.rules.length ? `Rule ${editing.at + 1}` : "New rule"} {...{ models, intents }} onDone={use} onClose={() => setEditing(null)} />}
    </div>
  );
}

/** `rules.2.when.language` as `Rule 3: `. */
function placeOf(param) {
  const [part, at] = (param || "").split(".");
  if (part === "rules" && at !== undefined) return `Rule ${Number(at) + 1}: `;
  return { default: "Default: ", fallbacks: "Fallbacks: ", ladder: "Ladder: ", escalate_on: "Ladder: " }[part] ?? "";
}

function Rules({ rules, models, isLocked, param, onChange, onEdit }) {
  const element = useRef(null);
  const move = (from, to) => {
    if (to < 0 || to >= rules.length) return;
    onChange(moved(rules, from, to));
    announce(`Rule ${from + 1} is rule ${to + 1} now.`);
    // The rule that was moved keeps the focus, at its new place.
    requestAnimationFrame(() => element.current?.children[to]?.focus());
  };
  const press = (event, at) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step || !event.altKey || isLocked) return;
    event.preventDefault();
    move(at, at + step);
  };
  const remove = (at) => {
    onChange(rules.filter((_, other) => other !== at));
    announce(`Rule ${at + 1} is taken out.`);
  };
  if (!rules.length) return <p className="quiet">No rules: every question goes to the default.</p>;
  return (
    <ol className="route-rules" aria-label="Rules, the first that holds decides" ref={element}>
      {rules.map((rule, at) => (
        <li key={JSON.stringify([rule, at])} tabIndex={isLocked ? undefined : 0} aria-label={`Rule ${at + 1}: ${inWords(rule.when)}, ${rule.model} answers`} aria-keyshortcuts={isLocked ? undefined : "Alt+ArrowUp Alt+ArrowDown"} data-bad={param?.startsWith(`rules.${at}.`) || undefined} onKeyDown={(event) => press(event, at)}>
          <span className="route-number" aria-hidden>{at + 1}</span>
          <span className="route-words">
            {inWords(rule.when)}
            <span className="route-model" data-gone={!models.some((model) => model.name === rule.model) || undefined}>{rule.model}</span>
          </span>
          {!isLocked && (
            <span className="route-buttons">
              <IconButton Icon={ArrowUp} label={`Move rule ${at + 1} up`} disabled={at === 0} onClick={() => move(at, at - 1)} />
              <IconButton Icon={ArrowDown} label={`Move rule ${at + 1} down`} disabled={at === rules.length - 1} onClick={() => move(at, at + 1)} />
              <IconButton Icon={Pencil} label={`Change rule ${at + 1}`} onClick={() => onEdit(at)} />
              <IconButton Icon={X} label={`Take rule ${at + 1} out`} onClick={() => remove(at)} />
            </span>
          )}
        </li>
      ))}
    </ol>
  );
}

function Models({ label, note, word, value, models, isLocked, onChange }) {
  const left = models.filter((model) => !value.includes(model.name));
  return (
    <div className="route-part" role="group" aria-label={label}>
      <span>{label} <span className="quiet">{note}</span></span>
      {value.length > 0 && (
        <ol className="route-models">
          {value.map((name, at) => (
            <li key={name}>
              <span className="route-model" data-gone={!models.some((model) => model.name === name) || undefined}>{name}</span>
              {!isLocked && (
                <span className="route-buttons">
                  <IconButton Icon={ArrowUp} label={`Move ${name} up`} disabled={at === 0} onClick={() => onChange(moved(value, at, at - 1))} />
                  <IconButton Icon={ArrowDown} label={`Move ${name} down`} disabled={at === value.length - 1} onClick={() => onChange(moved(value, at, at + 1))} />
                  <IconButton Icon={X} label={`Take ${name} out`} onClick={() => onChange(value.filter((each) => each !== name))} />
                </span>
              )}
            </li>
          ))}
        </ol>
      )}
      {isLocked ? !value.length && <span className="quiet">None</span> : left.length > 0 && <ModelChoice value="" label={word} empty={word} models={left} onChange={(name) => name && onChange([...value, name])} />}
    </div>
  );
}

function IconButton({ Icon, label, ...rest }) {
  return (
    <button type="button" className="icon-button small" aria-label={label} title={label} {...rest}>
      <Icon size={15} aria-hidden />
    </button>
  );
}
