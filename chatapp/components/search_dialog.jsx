/* Ctrl+K: begin a conversation, go to a page, or find what was asked and answered, documents, people and tenants. */
import { Fragment, useEffect, useMemo, useRef, useState } from "react";
import { useNavigate } from "react-router";
import { Dialog } from "radix-ui";
import { Building2, FileText, Files, MessageSquare, Search, SlidersHorizontal, SquarePen, User } from "lucide-react";
import { DAYS, groupOf } from "./history.jsx";

const WAIT_MS = 160;
const RECENT = 5;
const KINDS = {
  conversation: { group: "Conversations", icon: MessageSquare, to: (id) => `/c/${id}` },
  document: { group: "Documents", icon: FileText, to: (id) => `/documents?document=${id}` },
  user: { group: "People", icon: User, to: (id) => `/admin/users?peek=${id}` },
  tenant: { group: "Tenants", icon: Building2, to: (id) => `/admin/tenants?peek=${id}` },
};

export function SearchDialog({ isOpen, onClose, ...props }) {
  return (
    <Dialog.Root open={isOpen} onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog search radix-themes" aria-describedby={undefined}>
          <Dialog.Title className="visually-hidden">Search, or go to a page</Dialog.Title>
          <SearchBody onClose={onClose} {...props} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function SearchBody({ conversations, results, resultsFor, onSearch, onNew, onClose, navigation, me }) {
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

  const pages = useMemo(() => listPages(navigation, me), [navigation, me]);
  const entries = useMemo(
    () => listEntries({ wanted, conversations, pages, results: resultsFor === wanted ? results : null, recent: readRecent() }),
    [wanted, conversations, pages, results, resultsFor],
  );
  const choose = (entry) => {
    if (!entry) return;
    onClose();
    keepRecent(entry);
    if (entry.to === "/") onNew();
    else navigate(entry.to);
  };
  const press = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setIndex((index + step + entries.length) % Math.max(1, entries.length));
    } else if (event.key === "Home" || event.key === "End") {
      if (query) return;
      event.preventDefault();
      setIndex(event.key === "Home" ? 0 : Math.max(entries.length - 1, 0));
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(entries[index]);
    }
  };
  useEffect(() => {
    list.current?.querySelector(`#search-${index}`)?.scrollIntoView({ block: "nearest" });
  }, [index]);
  const words = useMemo(() => wordsPattern(wanted), [wanted]);
  const isSearching = wanted && resultsFor !== wanted;
  const groups = [...new Set(entries.map((entry) => entry.group))];

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
          placeholder={navigation && me?.permissions?.includes("read_admin") ? "Search everything, or go to a page" : "Search conversations and documents, or go to a page"}
          value={query}
          maxLength={200}
          onChange={(event) => setQuery(event.target.value)}
          onKeyDown={press}
        />
      </div>
      <div id="search-list" className="search-groups" role="listbox" aria-label="Results" ref={list}>
        {groups.map((group) => (
          <ul key={group} role="group" aria-label={group}>
            <li role="presentation" className="search-group" aria-hidden>{group}</li>
            {entries.map((entry, place) => entry.group === group && (
              <li
                key={entry.key}
                id={`search-${place}`}
                className="search-entry"
                role="option"
                aria-selected={place === index}
                onMouseMove={() => setIndex(place)}
                onClick={() => choose(entry)}
              >
                <entry.icon size={16} aria-hidden />
                <span className="search-title">
                  <Marked text={entry.title} words={words} />
                </span>
                {entry.note && <span className="search-note">{entry.note}</span>}
                {entry.snippet && (
                  <span className="search-snippet">
                    <Marked text={entry.snippet} words={words} />
                  </span>
                )}
              </li>
            ))}
          </ul>
        ))}
      </div>
      <p className="search-status" role="status">
        {isSearching ? "Searching…" : wanted && !entries.length ? "Nothing holds these words." : ""}
      </p>
    </>
  );
}

/** Every page the person is offered, the chat's and the admin section's. */
function listPages(navigation, me) {
  const own = [
    { key: "new", title: "New conversation", to: "/", icon: SquarePen, words: "" },
    { key: "documents", title: "Documents", to: "/documents", icon: Files, words: "files upload collections" },
  ];
  const offered = (navigation ?? []).filter((item) => me?.permissions?.includes(item.permission));
  const admin = offered.map((item) => ({ key: item.href, title: item.label, note: item.group ? `Admin, ${item.group}` : "Admin", to: item.href, icon: SlidersHorizontal, words: item.words, isAdmin: true }));
  return [...own, ...admin].map((page) => ({ ...page, group: "Pages" }));
}

function listEntries({ wanted, conversations, pages, results, recent }) {
  const words = wanted.toLowerCase();
  if (!words) {
    const latest = conversations.slice(0, 8).map(ofConversation);
    const known = new Set(recent.map((entry) => entry.to));
    return [...recent, ...pages.filter((page) => !page.isAdmin && !known.has(page.to)), ...latest.filter((entry) => !known.has(entry.to)), ...pages.filter((page) => page.isAdmin && !known.has(page.to))].sort(byGroup);
  }
  const fits = (page) => `${page.title} ${page.note ?? ""} ${page.words}`.toLowerCase().includes(words);
  /* Until the server has answered, those whose name holds the words are there. */
  const byTitle = conversations.filter((each) => each.title.toLowerCase().includes(words)).slice(0, 20);
  const found = results ? results.map(ofResult) : byTitle.map(ofConversation);
  const now = Date.now();
  const dated = found.map((entry) => (entry.kind === "conversation" ? { ...entry, group: `Conversations · ${groupOf(entry, now)}` } : entry));
  return [...pages.filter(fits), ...dated].sort(byGroup);
}

const GROUPS = ["Recent", "Pages", "Conversations", ...DAYS.map((day) => `Conversations · ${day}`), "Documents", "People", "Tenants"];
const byGroup = (one, other) => GROUPS.indexOf(one.group) - GROUPS.indexOf(other.group);

const ofConversation = (each) => ({ key: each.id, title: each.title, note: "", kind: "conversation", updated_at: each.updated_at, to: `/c/${each.id}`, icon: MessageSquare, group: "Conversations" });

function ofResult({ kind, id, title, note, snippet, updated_at }) {
  const { icon, group, to } = KINDS[kind];
  return { key: `${kind} ${id}`, title: title || "Untitled", note, snippet, updated_at, kind, to: to(id), icon, group };
}

function wordsPattern(wanted) {
  const words = wanted.split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return words.length ? new RegExp(`(${words.join("|")})`, "gi") : null;
}

function Marked({ text, words }) {
  if (!words) return text;
  return text.split(words).map((part, index) => (index % 2 ? <mark key={index}>{part}</mark> : <Fragment key={index}>{part}</Fragment>));
}

/* The last places gone to from here, kept in this browser until the person signs out. */
const KEY = "recent:palette";

function readRecent() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY)) ?? [];
    return kept.slice(0, RECENT).map((entry) => ({ ...entry, key: `recent ${entry.to}`, group: "Recent", icon: KINDS[entry.kind]?.icon ?? (entry.to.startsWith("/admin") ? SlidersHorizontal : Files) }));
  } catch {
    return [];
  }
}

function keepRecent({ title, note, kind, to }) {
  if (to === "/") return;
  const kept = readRecent().filter((entry) => entry.to !== to).map((entry) => ({ title: entry.title, note: entry.note, kind: entry.kind, to: entry.to }));
  localStorage.setItem(KEY, JSON.stringify([{ title, note, kind, to }, ...kept].slice(0, RECENT)));
}
