/** The dialog of one rule: its conditions and the model that answers. */
import { useState } from "react";
import { Dialog } from "radix-ui";
import { CircleAlert, X } from "lucide-react";
import { Field } from "$/public/external/admin/components/model_form/form_inputs.jsx";
import { themeRoot } from "$/public/external/admin/components/data_table/formats.js";
import { asConditions, asFields, groups, inWords } from "./rule_conditions.js";

export function RuleForm({ rule, title, models, intents, onDone, onClose }) {
  return (
    <Dialog.Root open onOpenChange={(next) => next || onClose()}>
      <Dialog.Portal container={themeRoot()}>
        <Dialog.Overlay className="sheet-veil" />
        <Dialog.Content className="sheet form-sheet rule-sheet" aria-describedby={undefined}>
          <div className="sheet-head">
            <Dialog.Title>{title}</Dialog.Title>
            <Dialog.Close className="icon-button small" aria-label="Close"><X size={17} /></Dialog.Close>
          </div>
          <p className="quiet small">All conditions that are filled in have to hold. What is left blank does not matter.</p>
          <Body {...{ rule, models, intents, onDone, onClose }} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Body({ rule, models, intents, onDone, onClose }) {
  const [values, setValues] = useState(() => asFields(rule.when));
  const [model, setModel] = useState(rule.model);
  const [problem, setProblem] = useState("");
  const when = asConditions(values);
  // An intent whose examples are gone stays to be seen until another is chosen.
  const names = when.intent && !intents.includes(when.intent) ? [...intents, when.intent] : intents;
  const done = (event) => {
    event.preventDefault();
    event.stopPropagation();
    if (!Object.keys(when).length) setProblem("Fill in at least one condition. What always holds is the default.");
    else if (!model) setProblem("Choose the model that answers.");
    else onDone({ when, model });
  };
  return (
    <form className="model-form rule-form" noValidate onSubmit={done}>
      {problem && <div className="form-problem" role="alert"><CircleAlert size={16} aria-hidden /> <p>{problem}</p></div>}
      {groups(names).map(([heading, fields]) => (
        <fieldset key={heading}>
          <legend>{heading}</legend>
          {fields.map((spec) => (
            <Field key={spec.name} spec={spec} value={values[spec.name]} onChange={(value) => setValues((now) => ({ ...now, [spec.name]: value }))} />
          ))}
        </fieldset>
      ))}
      <div className="rule-outcome">
        <p role="status">{Object.keys(when).length ? `${inWords(when)}:` : "No condition yet."}</p>
        <label>
          <span>Model that answers</span>
          <ModelChoice value={model} models={models} onChange={setModel} isRequired />
        </label>
      </div>
      <div className="form-foot">
        <button type="button" className="button" onClick={onClose}>Cancel</button>
        <button type="submit" className="button primary">Use this rule</button>
      </div>
    </form>
  );
}

/** One of the models in use; one that is not any more stays to be seen. */
export function ModelChoice({ value, models, onChange, isRequired = false, label, empty = "Choose", disabled }) {
  const isGone = value && !models.some((model) => model.name === value);
  return (
    <select className="field" value={value} aria-label={label} required={isRequired} disabled={disabled} onChange={(event) => onChange(event.target.value)}>
      {(!value || !isRequired) && <option value="">{empty}</option>}
      {isGone && <option value={value}>{value} (not in use)</option>}
      {models.map((model) => <option key={model.name} value={model.name}>{`${model.name} · ${model.provider}`}</option>)}
    </select>
  );
}
