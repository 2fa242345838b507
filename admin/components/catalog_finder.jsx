/** Finds a model in the public catalogue. What is found is the server's; this asks for it while one types. */
import { useEffect, useRef, useState } from "react";
import { Dialog } from "radix-ui";
import { Search, X } from "lucide-react";
import { exactNumber, money, shortNumber, themeRoot } from "$/public/external/admin/components/data_table/formats.js";

const TYPING_MS = 200;

export function CatalogFinder(props) {
  return (
    <Dialog.Root open={props.isOpen} onOpenChange={(next) => next || props.onClose()}>
      <Dialog.Portal container={themeRoot()}>
        <Dialog.Overlay className="sheet-veil" />
        <Dialog.Content className="sheet form-sheet">
          {props.isOpen && <Body {...props} />}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Body({ found, asked, onSearch, onChosen, onByHand }) {
  const [words, setWords] = useState("");
  const timer = useRef(null);
  useEffect(() => {
    onSearch("");
    return () => clearTimeout(timer.current);
  }, []); // eslint-disable-line react-hooks/exhaustive-deps
  const type = (event) => {
    const text = event.target.value;
    setWords(text);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onSearch(text.trim()), TYPING_MS);
  };
  const isCurrent = asked === words.trim();
  const submit = (event) => {
    event.preventDefault();
    if (isCurrent && found[0]) onChosen(found[0].name);
  };
  return (
    <form onSubmit={submit}>
      <div className="sheet-head">
        <Dialog.Title>Which model?</Dialog.Title>
        <Dialog.Close className="icon-button small" aria-label="Close"><X size={17} /></Dialog.Close>
      </div>
      <Dialog.Description className="sheet-text">
        The public catalogue knows price, length and abilities of most models. You can change them before they are saved.
      </Dialog.Description>
      <label className="search-field catalog-search">
        <Search size={16} aria-hidden="true" />
        <input aria-label="Search the catalogue" placeholder="gpt-4.1-mini, claude sonnet, gemini …" maxLength={200} autoComplete="off" spellCheck={false} value={words} onChange={type} autoFocus />
      </label>
      <ul className="catalog-list" aria-label="Models found" aria-busy={!isCurrent}>
        {found.map((one) => <Entry key={one.name} one={one} onChosen={onChosen} />)}
      </ul>
      {isCurrent && words && !found.length && <p className="quiet small" role="status">The catalogue has no such model. Fill its fields in by hand.</p>}
      <div className="sheet-foot">
        <Dialog.Close className="button" type="button">Cancel</Dialog.Close>
        <button type="button" className="button" onClick={onByHand}>Fill in by hand</button>
      </div>
    </form>
  );
}

function Entry({ one, onChosen }) {
  const price = one.input_micro_usd_per_mtok === null ? "price not listed" : `${money(one.input_micro_usd_per_mtok)} in, ${money(one.output_micro_usd_per_mtok ?? 0)} out`;
  const tokens = one.max_input_tokens;
  return (
    <li>
      <button type="button" className="catalog-entry" onClick={() => onChosen(one.name)}>
        <span className="catalog-name">{one.name}</span>
        <span className="quiet small">
          {one.provider} · {price}
          {tokens !== null && <> · <span title={`${exactNumber(tokens)} tokens`}>{shortNumber(tokens)} tokens</span></>}
          {one.retired_on && <> · until {one.retired_on}</>}
        </span>
      </button>
    </li>
  );
}
