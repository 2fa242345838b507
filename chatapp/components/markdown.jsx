/* Safe markdown: see markdown_blocks.js. Links leave only after a question, images come from ourselves alone. */
import { Fragment, createContext, memo, useContext, useEffect, useMemo, useRef, useState } from "react";
import { Check, Copy } from "lucide-react";
import { AlertDialog } from "radix-ui";
import { colour, languageOf } from "./code_colours.js";
import { Blocks, decodeEntities, withMarks, withoutHalfMark, withoutMarks } from "./markdown_blocks.js";

/* Draws a citation mark; the answer around gives its own. */
export const CitationContext = createContext(null);
/* Who wrote the answer from where on: [{start, model}]; empty where one model wrote it all. */
export const PartsContext = createContext([]);
const LeaveContext = createContext(() => {});

export function Markdown({ text, isGrowing = false }) {
  const splitter = useRef(null);
  splitter.current ??= new Blocks();
  const parts = useContext(PartsContext);
  const blocks = useMemo(
    () => splitter.current.split(withMarks(isGrowing ? withoutHalfMark(text) : text, parts), isGrowing),
    [text, isGrowing, parts],
  );
  const [leaving, setLeaving] = useState("");
  return (
    <LeaveContext.Provider value={setLeaving}>
      <div className="markdown">
        {blocks.map(({ key, token }) => (
          <Block key={key} token={token} raw={token.raw} />
        ))}
      </div>
      {leaving && <LeaveDialog address={leaving} onClose={() => setLeaving("")} />}
    </LeaveContext.Provider>
  );
}

const Block = memo(
  ({ token }) => renderBlock(token),
  (before, after) => before.raw === after.raw && before.token.type === after.token.type,
);

const many = (tokens, draw) => (tokens ?? []).map((token, index) => <Fragment key={index}>{draw(token)}</Fragment>);
const inline = (tokens) => many(tokens, renderInline);
const nested = (tokens) => many(tokens, renderBlock);

const BLOCKS = {
  paragraph: (token) => <p>{inline(token.tokens)}</p>,
  heading: (token) => {
    /* The page's own headings are above: an answer begins at level 3. */
    const Heading = `h${Math.min(6, token.depth + 2)}`;
    return <Heading className={`depth-${token.depth}`}>{inline(token.tokens)}</Heading>;
  },
  list: (token) => {
    const List = token.ordered ? "ol" : "ul";
    return (
      <List dir="auto" start={token.ordered && token.start !== 1 ? token.start : undefined}>
        {token.items.map((item, index) => (
          <li key={index} className={item.task ? "task" : undefined}>
            {nested(item.tokens)}
          </li>
        ))}
      </List>
    );
  },
  checkbox: (token) => <input type="checkbox" checked={Boolean(token.checked)} disabled readOnly aria-label="Task" />,
  blockquote: (token) => <blockquote>{nested(token.tokens)}</blockquote>,
  code: (token) => <CodeBlock code={withoutMarks(token.text)} language={withoutMarks(token.lang ?? "").split(/\s/)[0]} />,
  table: (token) => <Table token={token} />,
  hr: () => <hr />,
  maths: (token) => <Maths text={withoutMarks(token.text)} display={token.display} />,
  space: () => null,
  def: () => null,
  html: (token) => <p>{withoutMarks(token.raw)}</p>,
};

function renderBlock(token) {
  return BLOCKS[token.type]?.(token) ?? renderInline(token);
}

const INLINE = {
  text: (token) => (token.tokens ? inline(token.tokens) : decodeEntities(token.text)),
  escape: (token) => decodeEntities(token.text),
  strong: (token) => <strong>{inline(token.tokens)}</strong>,
  em: (token) => <em>{inline(token.tokens)}</em>,
  del: (token) => <del>{inline(token.tokens)}</del>,
  codespan: (token) => <code>{withoutMarks(token.text)}</code>,
  br: () => <br />,
  link: (token) => <SafeLink href={token.href}>{inline(token.tokens)}</SafeLink>,
  image: (token) => <SafeImage href={token.href} text={withoutMarks(token.text)} />,
  maths: (token) => <Maths text={withoutMarks(token.text)} display={token.display} />,
  citation: (token) => <CitationMark number={token.number} offset={token.offset} />,
  seam: (token) => <Seam number={token.number} />,
  html: (token) => withoutMarks(token.raw),
};

/* Read aloud where it stands, and left out when the answer is copied. */
function Seam({ number }) {
  const model = useContext(PartsContext)[number]?.model;
  return model ? <>{" "}<span className="seam">continued by {model}</span></> : null;
}

function renderInline(token) {
  return INLINE[token.type]?.(token) ?? withoutMarks(token.raw ?? "");
}

function CitationMark(props) {
  const draw = useContext(CitationContext);
  return draw ? draw(props) : `[${props.number}]`;
}

/* The address when it is http(s) or mail, otherwise null: `javascript:`, `data:` and the like are text. */
function readAddress(href) {
  try {
    const address = new URL(withoutMarks(href), "https://relative.invalid");
    return ["https:", "http:", "mailto:"].includes(address.protocol) ? address : null;
  } catch {
    return null;
  }
}

function SafeLink({ href, children }) {
  const leave = useContext(LeaveContext);
  const address = readAddress(href);
  if (!address) return <>{children}</>;
  if (address.hostname === "relative.invalid") return <>{children}</>;
  return (
    <a
      href={address.href}
      rel="noopener noreferrer nofollow"
      target="_blank"
      onClick={(event) => {
        event.preventDefault();
        leave(address.href);
      }}
    >
      {children}
    </a>
  );
}

/* An image of another host would tell that host what was asked, so only its description shows. */
function SafeImage({ href, text }) {
  if (/^\/v1\/files\/[\w-]+\/content$/.test(href)) return <img src={href} alt={text} loading="lazy" />;
  return <span className="no-image">{text || "image"}</span>;
}

function LeaveDialog({ address, onClose }) {
  return (
    <AlertDialog.Root open onOpenChange={(open) => !open && onClose()}>
      <AlertDialog.Portal>
        <AlertDialog.Overlay className="overlay" />
        <AlertDialog.Content className="dialog radix-themes">
          <AlertDialog.Title>Open a page elsewhere?</AlertDialog.Title>
          <AlertDialog.Description>The answer links to this address. Open it only if you trust it.</AlertDialog.Description>
          <p className="address">{address}</p>
          <div className="dialog-actions">
            <AlertDialog.Cancel className="button">Stay here</AlertDialog.Cancel>
            <AlertDialog.Action
              className="button primary"
              onClick={() => window.open(address, "_blank", "noopener,noreferrer")}
            >
              Open
            </AlertDialog.Action>
          </div>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}

function Table({ token }) {
  const cell = (Cell, content, index) => (
    <Cell key={index} style={token.align[index] ? { textAlign: token.align[index] } : undefined}>
      {inline(content.tokens)}
    </Cell>
  );
  return (
    <div className="table-scroll" tabIndex={0} role="group" aria-label="Table">
      <table>
        <thead>
          <tr>{token.header.map((content, index) => cell("th", content, index))}</tr>
        </thead>
        <tbody>
          {token.rows.map((row, index) => (
            <tr key={index}>{row.map((content, column) => cell("td", content, column))}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function CopyButton({ read, label, className = "icon-button small" }) {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return undefined;
    const timer = setTimeout(() => setCopied(false), 1600);
    return () => clearTimeout(timer);
  }, [isCopied]);
  const copy = async () => {
    await copyText(read());
    setCopied(true);
  };
  return (
    <button type="button" className={className} onClick={copy} aria-label={isCopied ? "Copied" : label} title={label}>
      {isCopied ? <Check size={16} /> : <Copy size={16} />}
    </button>
  );
}

/* The clipboard of the browser needs a secure address; a hidden field serves plain http. */
async function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
  return undefined;
}

function CodeBlock({ code, language }) {
  return (
    <figure className="code">
      <figcaption>
        <span>{language || "text"}</span>
        <CopyButton read={() => code} label="Copy code" />
      </figcaption>
      <pre tabIndex={0} aria-label={language ? `${language} code` : "Code"}>
        <code>
          <Coloured code={code} language={languageOf(language)} />
        </code>
      </pre>
    </figure>
  );
}

/* Code that is still being written has no colours yet: each character would colour all of it anew. */
const COLOUR_MS = 200;

function Coloured({ code, language }) {
  const [drawn, setDrawn] = useState({});
  useEffect(() => {
    if (!language) return undefined;
    let isCurrent = true;
    const timer = setTimeout(() => {
      colour(code, language).then(
        (parts) => isCurrent && setDrawn({ code, parts }),
        () => {}, // Without its colours it is read as well.
      );
    }, COLOUR_MS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [code, language]);
  return drawn.code === code && drawn.parts ? drawParts(drawn.parts) : code;
}

function drawParts(parts) {
  return parts.map((part, index) =>
    typeof part === "string" ? (
      part
    ) : (
      <span key={index} className={part.scope ? `code-${part.scope.split(".")[0]}` : undefined}>
        {drawParts(part.children)}
      </span>
    ),
  );
}

let katexReady = null;

/* KaTeX with its style and fonts is fetched from ourselves with the first formula. */
function loadKatex() {
  katexReady ??= Promise.all([import("katex"), import("katex/dist/katex.min.css")]).then(
    ([module]) => module.default,
    (error) => {
      katexReady = null; // The next formula, or the next try of this one, asks again.
      throw error;
    },
  );
  return katexReady;
}

const KATEX_TRIES = 5;
const KATEX_RETRY_MS = 10_000;

function Maths({ text, display }) {
  const [html, setHtml] = useState("");
  useEffect(() => {
    let isCurrent = true;
    let timer = 0;
    const draw = (tries) =>
      loadKatex().then(
        (katex) => {
          /* trust off: no links, images or classes from the formula; KaTeX escapes everything else. */
          const drawn = katex.renderToString(text, { displayMode: display, throwOnError: false, trust: false, maxExpand: 200, maxSize: 20 });
          if (isCurrent) setHtml(drawn);
        },
        () => {
          /* As it was written a formula can be read as well. */
          if (isCurrent && tries > 1) timer = setTimeout(() => draw(tries - 1), KATEX_RETRY_MS);
        },
      ).catch(() => {}); // What KaTeX cannot take at all stays as it was written too.
    draw(KATEX_TRIES);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [text, display]);
  const Tag = display ? "div" : "span";
  if (!html) return <Tag className="maths">{text}</Tag>;
  return <Tag className="maths" dangerouslySetInnerHTML={{ __html: html }} />;
}
