/* Code cut into coloured parts. The reader and each language are fetched from ourselves with the first block that
   needs them; what comes out are parts to draw, never HTML. */

const LANGUAGES = {
  bash: () => import("highlight.js/lib/languages/bash"),
  c: () => import("highlight.js/lib/languages/c"),
  cpp: () => import("highlight.js/lib/languages/cpp"),
  csharp: () => import("highlight.js/lib/languages/csharp"),
  css: () => import("highlight.js/lib/languages/css"),
  diff: () => import("highlight.js/lib/languages/diff"),
  go: () => import("highlight.js/lib/languages/go"),
  ini: () => import("highlight.js/lib/languages/ini"),
  java: () => import("highlight.js/lib/languages/java"),
  javascript: () => import("highlight.js/lib/languages/javascript"),
  json: () => import("highlight.js/lib/languages/json"),
  python: () => import("highlight.js/lib/languages/python"),
  rust: () => import("highlight.js/lib/languages/rust"),
  sql: () => import("highlight.js/lib/languages/sql"),
  typescript: () => import("highlight.js/lib/languages/typescript"),
  xml: () => import("highlight.js/lib/languages/xml"),
  yaml: () => import("highlight.js/lib/languages/yaml"),
};
const ALIASES = {
  "c#": "csharp",
  "c++": "cpp",
  console: "bash",
  cs: "csharp",
  html: "xml",
  js: "javascript",
  jsx: "javascript",
  py: "python",
  rs: "rust",
  sh: "bash",
  shell: "bash",
  svg: "xml",
  toml: "ini",
  ts: "typescript",
  tsx: "typescript",
  yml: "yaml",
  zsh: "bash",
};
const MAX_CHARACTERS = 20_000;

let reader = null;
const known = new Map();

/* The name the reader has for what stands behind the fence; empty when there is no reader for it. */
export function languageOf(label) {
  const name = label.toLowerCase();
  const language = ALIASES[name] ?? name;
  return Object.hasOwn(LANGUAGES, language) ? language : "";
}

/* The parts of a piece of code: strings, and {scope, children} with parts inside. Null when it is too long. */
export async function colour(code, language) {
  if (code.length > MAX_CHARACTERS) return null;
  reader ??= import("highlight.js/lib/core").then((module) => module.default);
  if (!known.has(language)) known.set(language, LANGUAGES[language]());
  const loaded = Promise.all([reader, known.get(language)]);
  const [core, grammar] = await loaded.catch((error) => {
    /* The next block asks again. */
    reader = null;
    known.delete(language);
    throw error;
  });
  if (!core.getLanguage(language)) core.registerLanguage(language, grammar.default);
  return core.highlight(code, { language, ignoreIllegals: true })._emitter.root.children;
}
