/* Ctrl+K: begin a conversation, jump to a page, or search through what was asked and answered. */
import { useEffect, useMemo, useRef, useState } from "react";
import { useNavigate } from "react-router";
import { Dialog } from "radix-ui";
import { Files, MessageSquare, Search, SquarePen } from "lucide-react";

const WAIT_MS = 160;

export function SearchDialog({ isOpen, onClose, ...props }) {
  return (
    <Dialog.Root open={isOpen} onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog search radix-themes" aria-describedby={undefined}>
          <Dialog.Title className="visually-hidden">Search conversations</Dialog.Title>
          <SearchBody onClose={onClose} {...props} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function SearchBody({ conversations, results, resultsFor, onSearch, onNew, onClose }) {
  const [query, setQuery] = useState("");
  const [index, setIndex] = useState(0);
  const navigate = useNavigate();
  const list = useRef(null);
  const wanted = query.trim();

  useEffect(() => {
    setIndex(0);
    if (!wanted) return undefined;
    const timer = setTimeout(() => onSearch(wanted), WAIT_MS);
    return () => clearTimeout(timer);
  }, [wanted]); // eslint-disable-line react-hooks/exhaustive-deps

  const entries = useMemo(
    () => listEntries({ wanted, conversations, results: resultsFor === wanted ? results : null }),
    [wanted, conversations, results, resultsFor],
  );
  const choose = (entry) => {
    if (!entry) return;
    onClose();
    if (entry.to === "/") onNew();
    else navigate(entry.to);
  };
  const press = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setIndex((index + step + entries.length) % Math.max(1, entries.length));
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(entries[index]);
    }
  };
  useEffect(() => {
    list.current?.children[index]?.scrollIntoView({ block: "nearest" });
  }, [index]);
  const isSearching = wanted && resultsFor !== wanted;

  return (
    <>
      <div className="search-box">
        <Search size={18} aria-hidden />
        <input
          autoFocus
          role="combobox"
          aria-expanded="true"
          aria-controls="search-list"
          aria-activedescendant={entries[index] ? `search-${index}` : undefined}
          aria-label="Search conversations"
          placeholder="Search conversations, or go to a page"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
          onKeyDown={press}
        />
      </div>
      <ul id="search-list" role="listbox" aria-label="Results" ref={list}>
        {entries.map((entry, place) => (
          <li
            key={entry.key}
            id={`search-${place}`}
            role="option"
            aria-selected={place === index}
            onMouseMove={() => setIndex(place)}
            onClick={() => choose(entry)}
          >
            <entry.icon size={16} aria-hidden />
            <span className="search-title">{entry.title}</span>
            {entry.note && <span className="search-note">{entry.note}</span>}
          </li>
        ))}
      </ul>
      <p className="search-status" role="status">
        {isSearching ? "Searching…" : wanted && !entries.some((entry) => entry.isConversation) ? "No conversation holds these words." : ""}
      </p>
    </>
  );
}

function listEntries({ wanted, conversations, results }) {
  const pages = [
    { key: "new", title: "New conversation", to: "/", icon: SquarePen },
    { key: "documents", title: "Documents", to: "/documents", icon: Files },
  ];
  const words = wanted.toLowerCase();
  const byTitle = conversations.filter((each) => !words || each.title.toLowerCase().includes(words));
  const known = new Set(byTitle.map((each) => each.id));
  const more = (results ?? []).filter((each) => !known.has(each.id));
  const found = [...byTitle.slice(0, words ? 20 : 8), ...more].map((each) => ({
    key: each.id,
    title: each.title,
    note: each.snippet ?? "",
    to: `/c/${each.id}`,
    icon: MessageSquare,
    isConversation: true,
  }));
  return [...pages.filter((page) => !words || page.title.toLowerCase().includes(words)), ...found];
}
