/** The fields of a form, one component a kind. Each has its label above, its help below and its error at it. */
import { useId, useState } from "react";
import { Switch } from "radix-ui";
import { CircleAlert, Eye, EyeOff, Plus, X } from "lucide-react";

export function Field({ spec, value, error, choices, onChange, isLocked }) {
  const id = useId();
  const Input = INPUTS[spec.kind] ?? INPUTS.text;
  const described = [spec.help && `${id}-help`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  const shared = {
    id,
    name: spec.name,
    "aria-describedby": described,
    "aria-invalid": error ? true : undefined,
    "aria-required": spec.is_required || undefined,
    disabled: isLocked,
  };
  const isGroup = spec.kind === "choices" || spec.kind === "texts";
  return (
    <div className="form-field" data-kind={spec.kind} data-field={spec.name}>
      <div className="form-label">
        {isGroup ? <span id={`${id}-label`}>{spec.label}</span> : <label htmlFor={id}>{spec.label}</label>}
        {spec.is_optional && <span className="quiet small">optional</span>}
      </div>
      <Input {...{ spec, value, onChange, shared }} choices={spec.choices.length ? spec.choices : choices ?? []} />
      {spec.help && <p id={`${id}-help`} className="form-help">{spec.help}</p>}
      {error && (
        <p id={`${id}-error`} className="form-error">
          <CircleAlert size={14} aria-hidden /> {error}
        </p>
      )}
    </div>
  );
}

function TextInput({ spec, value, onChange, shared, type = "text", ...rest }) {
  return (
    <span className="unit-field">
      <input
        className="field"
        type={type}
        value={value ?? ""}
        placeholder={spec.placeholder || undefined}
        maxLength={spec.max_length || undefined}
        onChange={(event) => onChange(event.target.value)}
        autoComplete="off"
        {...shared}
        {...rest}
      />
      {spec.unit && <span className="unit" aria-hidden>{spec.unit}</span>}
    </span>
  );
}

const EmailInput = (props) => <TextInput {...props} type="email" inputMode="email" spellCheck={false} />;

function NumberInput(props) {
  const { spec, shared } = props;
  return <TextInput {...props} inputMode="decimal" shared={{ ...shared, "aria-label": spec.unit ? `${spec.label}, ${spec.unit}` : undefined }} />;
}

function PasswordInput({ spec, value, onChange, shared }) {
  const [isSeen, setSeen] = useState(false);
  // What is there already never comes to the browser: `true` says that it is there.
  const isSet = value === true;
  return (
    <span className="password-field">
      <input
        className="field"
        type={isSeen ? "text" : "password"}
        value={typeof value === "string" ? value : ""}
        placeholder={isSet ? "Set. Leave it blank to keep it." : spec.placeholder || undefined}
        maxLength={spec.max_length || undefined}
        onChange={(event) => onChange(event.target.value)}
        autoComplete="new-password"
        spellCheck={false}
        {...shared}
      />
      <button type="button" className="icon-button small" aria-label={isSeen ? "Hide what is typed" : "Show what is typed"} onClick={() => setSeen(!isSeen)}>
        {isSeen ? <EyeOff size={16} /> : <Eye size={16} />}
      </button>
    </span>
  );
}

function LongText({ spec, value, onChange, shared }) {
  return <textarea className="field" rows={5} value={value ?? ""} placeholder={spec.placeholder || undefined} maxLength={spec.max_length || undefined} onChange={(event) => onChange(event.target.value)} {...shared} />;
}

function ChoiceInput({ spec, value, onChange, shared, choices }) {
  return (
    <select className="field" value={value ?? ""} onChange={(event) => onChange(event.target.value)} {...shared}>
      {(!spec.is_required || !value) && <option value="">{spec.is_required ? "Choose" : spec.placeholder || "None"}</option>}
      {choices.map(([name, label]) => <option key={name} value={name}>{label}</option>)}
    </select>
  );
}

function ChoicesInput({ value, onChange, shared, choices }) {
  const chosen = value ?? [];
  const toggle = (name, isOn) => onChange(choices.map(([each]) => each).filter((each) => (each === name ? isOn : chosen.includes(each))));
  return (
    <div className="choices" role="group" aria-labelledby={`${shared.id}-label`} aria-describedby={shared["aria-describedby"]}>
      {choices.map(([name, label]) => (
        <label key={name}>
          <input type="checkbox" checked={chosen.includes(name)} disabled={shared.disabled} onChange={(event) => toggle(name, event.target.checked)} /> {label}
        </label>
      ))}
    </div>
  );
}

function TextsInput({ spec, value, onChange, shared }) {
  const texts = value ?? [];
  const [draft, setDraft] = useState("");
  const add = () => {
    const words = draft.split(/[,\n]/).map((each) => each.trim()).filter((each) => each && !texts.includes(each));
    if (words.length) onChange([...texts, ...words]);
    setDraft("");
  };
  const press = (event) => {
    if (event.key === "Enter" && draft.trim()) {
      event.preventDefault();
      add();
    } else if (event.key === "Backspace" && !draft && texts.length) onChange(texts.slice(0, -1));
  };
  return (
    <div className="texts" role="group" aria-labelledby={`${shared.id}-label`}>
      {texts.map((text) => (
        <span key={text} className="label-chip">
          {text}
          {!shared.disabled && (
            <button type="button" className="chip-remove" aria-label={`Remove ${text}`} onClick={() => onChange(texts.filter((each) => each !== text))}>
              <X size={12} aria-hidden />
            </button>
          )}
        </span>
      ))}
      <input {...shared} aria-label={`Add to ${spec.label}`} value={draft} placeholder={spec.placeholder || "Add"} onChange={(event) => setDraft(event.target.value)} onKeyDown={press} onBlur={add} />
      <button type="button" className="icon-button small" aria-label="Add" disabled={shared.disabled || !draft.trim()} onClick={add}>
        <Plus size={15} />
      </button>
    </div>
  );
}

function SwitchInput({ value, onChange, shared }) {
  const { "aria-required": _, ...rest } = shared;
  return (
    <Switch.Root className="switch" checked={Boolean(value)} onCheckedChange={onChange} {...rest}>
      <Switch.Thumb className="switch-thumb" />
    </Switch.Root>
  );
}

/** A day; the server gets a moment, the end of that day where people are. */
function MomentInput({ value, onChange, shared, time = "23:59:59" }) {
  const date = value ? new Date(typeof value === "number" ? value * 1000 : value) : null;
  const day = date && !Number.isNaN(date.getTime()) ? new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 10) : "";
  const change = (text) => onChange(text ? new Date(`${text}T${time}`).toISOString() : "");
  return <input className="field" type="date" value={day} onChange={(event) => change(event.target.value)} {...shared} />;
}

/** A day; the server gets the moment it begins where people are. */
const DayInput = (props) => <MomentInput {...props} time="00:00:00" />;

const INPUTS = {
  text: TextInput,
  email: EmailInput,
  password: PasswordInput,
  secret: PasswordInput,
  long_text: LongText,
  number: NumberInput,
  choice: ChoiceInput,
  choices: ChoicesInput,
  texts: TextsInput,
  switch: SwitchInput,
  moment: MomentInput,
  day: DayInput,
};
