/** What saving a route would change: line by line, and tried on the questions asked last. */
import { ArrowRight, CircleAlert } from "lucide-react";
import { PlainTable } from "$/public/external/admin/components/data_table/plain_table.jsx";
import { money, plural } from "$/public/external/admin/components/data_table/formats.js";
import { inWords } from "./rule_conditions.js";

const SHOWN = 50;
const CLIMBS = { invalid_output: "an invalid answer", low_support: "low support", asked_again: "asking again" };
const list = (names) => names.join(", then ") || "none";

function lines(route) {
  const rules = route.rules.map((rule, at) => [`Rule ${at + 1}`, `${inWords(rule.when)}: ${rule.model}`]);
  return new Map([
    ...rules,
    ["Default", route.default],
    ["Fallbacks", list(route.fallbacks)],
    ["Ladder", list(route.ladder)],
    ["Climbs after", route.escalate_on.map((name) => CLIMBS[name] ?? name).sort().join(", ") || "nothing"],
    ["Too long", route.when_too_long === "refuse" ? "refuse" : "make it fit"],
    ["Named and failing", route.when_named_fails === "say_so" ? "say so" : "fall back"],
  ]);
}

/** What differs between two routes: label, before, after. */
export function differences(before, after) {
  const [old, fresh] = [lines(before), lines(after)];
  return [...new Set([...old.keys(), ...fresh.keys()])]
    .map((label) => ({ label, before: old.get(label) ?? "", after: fresh.get(label) ?? "" }))
    .filter((change) => change.before !== change.after);
}

export function Preview({ changes, trial }) {
  return (
    <section className="will-change route-preview" aria-label="What will change" role="status">
      <h3>{changes.length ? "What will change" : "Nothing will change"}</h3>
      <dl>
        {changes.map((change) => (
          <div key={change.label}>
            <dt>{change.label}</dt>
            <dd>
              <del>{change.before || "none"}</del> <ArrowRight size={13} aria-label="becomes" /> <ins>{change.after || "none"}</ins>
            </dd>
          </div>
        ))}
      </dl>
      {trial?.is_tried && <Trial trial={trial} />}
      {trial?.note && <p className="quiet">{trial.note}</p>}
    </section>
  );
}

function Trial({ trial }) {
  const asked = trial.tried.length;
  if (!asked) return <p className="quiet">Nothing was asked yet to try it on.</p>;
  const rows = trial.tried.slice(0, SHOWN).map((each) => ({ ...each, note: [each.reason, each.unknown.length && `not known: ${each.unknown.join(", ")}`].filter(Boolean).join("; ") }));
  return (
    <>
      <h3>{`The last ${plural(asked, "question")}`}</h3>
      <p>
        <b>{trial.moved}</b> would have gone to another model. They cost <b>{money(trial.cost_then_micro_usd)}</b>, and would have cost <b>{money(trial.cost_now_micro_usd)}</b>.
      </p>
      {trial.uncertain > 0 && (
        <p className="route-uncertain"><CircleAlert size={14} aria-hidden /> {`For ${plural(trial.uncertain, "question")} not everything is known that the rules ask for; such conditions count as not met.`}</p>
      )}
      <PlainTable
        label="Models then and now"
        columns={[column("model", "Model", "title"), column("then", "Then", "number"), column("now", "Now", "number")]}
        rows={trial.models.map((each) => ({ ...each, id: each.model }))}
        actions={[]}
        href=""
        nothing=""
      />
      <details className="route-tried">
        <summary>{asked > SHOWN ? `The newest ${SHOWN} of them` : "Question by question"}</summary>
        <PlainTable
          label="Questions tried"
          columns={[
            { ...column("question", "Question", "title"), note: "note" },
            column("model_then", "Then", "text"),
            column("model_now", "Now", "text"),
            column("cost_then_micro_usd", "Cost then", "money"),
            column("cost_now_micro_usd", "Cost now", "money"),
          ]}
          rows={rows}
          actions={[]}
          href=""
          nothing=""
        />
      </details>
    </>
  );
}

const column = (name, label, kind) => ({ name, label, kind, sort: "", labels: {}, tones: {}, tone: "quiet", note: "", is_shown: true });
