/** The conditions of a rule: as fields of a form, as the API writes them, and in words. */

export const ROLES = [["member", "Member"], ["content_owner", "Content owner"], ["reviewer", "Reviewer"], ["auditor", "Auditor"], ["admin", "Admin"]];
const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const YES_NO = [["yes", "Yes"], ["no", "No"]];

const field = (name, label, kind, more = {}) => ({ name, label, kind, help: "", is_required: false, is_optional: false, choices: [], unit: "", placeholder: kind === "choice" ? "Any" : "", max_length: 0, ...more });
const range = (name, label, unit = "") => [
  field(`${name}.at_least`, `${label}, at least`, "number", { unit }),
  field(`${name}.below`, `${label}, below`, "number", { unit }),
];

/** Headings with their fields; those of one condition stand together. */
export const groups = (intents) => [
  ["The question", [
    field("words", "Risk words", "texts", { help: "One of them stands in the question, as a whole word.", placeholder: "lawsuit" }),
    field("intent", "Intent", "choice", { choices: intents.map((name) => [name, name]), help: intents.length ? "By the examples below." : "There are no examples yet. Add some below the route." }),
    field("language", "Languages", "texts", { help: "Two letters each, such as en or de.", placeholder: "de" }),
    field("has_code", "Program text in it", "choice", { choices: YES_NO }),
    field("has_table", "A table in it", "choice", { choices: YES_NO }),
    ...range("characters", "Length", "characters"),
  ]],
  ["Who asks, and where", [
    field("role", "Role", "choice", { choices: ROLES }),
    field("feature", "Asked in", "choice", { choices: [["chat", "The chat"], ["api", "The API"]] }),
    field("requested_model", "Model asked for by name", "text", { help: "In use or not; auto where none was named. Without it a rule leaves alone whoever names a model.", max_length: 200 }),
    ...range("turns_before", "Questions before"),
  ]],
  ["What the search finds", [
    field("asks_documents", "Documents are searched", "choice", { choices: YES_NO }),
    ...range("sources", "Passages found"),
    ...range("best_score", "Likeness of the best, -1 to 1"),
  ]],
  ["When, in UTC", [
    ...range("hours_utc", "Hour", "h"),
    field("weekdays", "Days", "choices", { choices: DAYS.map((day, at) => [String(at + 1), day]) }),
  ]],
];

const RANGES = ["characters", "turns_before", "sources", "best_score", "hours_utc"];
const SWITCHES = ["has_code", "has_table", "asks_documents"];

/** The conditions as values of the form's fields. */
export function asFields(when) {
  const values = { ...when };
  for (const name of RANGES) {
    for (const end of ["at_least", "below"]) values[`${name}.${end}`] = when[name]?.[end] ?? "";
    delete values[name];
  }
  for (const name of SWITCHES) if (when[name] !== undefined) values[name] = when[name] ? "yes" : "no";
  if (when.weekdays) values.weekdays = when.weekdays.map(String);
  return values;
}

const number = (text) => (Number.isFinite(Number(text)) ? Number(text) : String(text));

/** The fields as conditions; what was left blank is none. */
export function asConditions(values) {
  const when = {};
  for (const [path, value] of Object.entries(values)) {
    if (value === "" || value === null || value === undefined || (Array.isArray(value) && !value.length)) continue;
    const [name, end] = path.split(".");
    if (end) when[name] = { ...when[name], [end]: number(value) };
    else if (SWITCHES.includes(name)) when[name] = value === "yes";
    else if (name === "weekdays") when[name] = value.map(Number);
    else when[name] = typeof value === "string" ? value.trim() : value;
  }
  return when;
}

const between = ({ at_least, below }, unit = "") => {
  if (below === undefined || below === null) return `${at_least}${unit} or more`;
  return at_least === undefined || at_least === null ? `below ${below}${unit}` : `${at_least} to below ${below}${unit}`;
};
const either = (names) => names.join(" or ");

const WORDS = {
  feature: (value) => (value === "chat" ? "it is asked in the chat" : "it comes over the API"),
  role: (value) => `the asker is ${ROLES.find(([name]) => name === value)?.[1].toLowerCase() ?? value}`,
  requested_model: (value) => (value === "auto" ? "no model is named" : `“${value}” is asked for`),
  characters: (value) => `it has ${between(value)} characters`,
  language: (value) => `it is in ${either(value)}`,
  turns_before: (value) => `${between(value)} questions were asked before`,
  has_code: (value) => (value ? "it has program text" : "it has no program text"),
  has_table: (value) => (value ? "it has a table" : "it has no table"),
  asks_documents: (value) => (value ? "documents are searched" : "no documents are searched"),
  sources: (value) => `the search finds ${between(value)} passages`,
  best_score: (value) => `the best passage's likeness is ${between(value)}`,
  words: (value) => `it says ${either(value.map((word) => `“${word}”`))}`,
  intent: (value) => `it is about ${value}`,
  hours_utc: (value) => `the hour is ${between(value)} UTC`,
  weekdays: (value) => `it is ${either(value.map((day) => DAYS[day - 1] ?? day))}`,
};

/** When it is about refunds and it is in de or nl */
export function inWords(when) {
  const parts = Object.entries(when).map(([name, value]) => WORDS[name]?.(value) ?? name);
  return parts.length ? `When ${parts.join(" and ")}` : "Always";
}
