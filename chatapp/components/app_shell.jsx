/* The frame of every page: sidebar, main part, shortcuts, and the way out when the sign-in has ended. */
import { useCallback, useContext, useEffect, useRef, useState } from "react";
import { Link, useNavigate } from "react-router";
import { Dialog } from "radix-ui";
import { Files, Menu, PanelLeft, Search, SlidersHorizontal, SquarePen, WifiOff } from "lucide-react";
import { toast } from "sonner";
import { EventLoopContext } from "$/utils/context";
import { getChat, onOtherTab, signal, tellOtherTabs, useConversationId, useIsAlive } from "$/public/external/chatapp/components/thread/chat_store.js";
import { AccountMenu, mayAdminister, mayChat, useMe } from "./account.jsx";
import { AdminSidebar } from "./admin_sidebar.jsx";
import { History, useConversations } from "./history.jsx";
import { SearchDialog } from "./search_dialog.jsx";
import { ShortcutsDialog, modifierKey } from "./shortcuts_dialog.jsx";

export function AppShell({ active, children, ...props }) {
  const activeId = useConversationId();
  const [dialog, setDialog] = useState("");
  const [isFolded, setFolded] = useFolded();
  const [isDrawerOpen, setDrawerOpen] = useState(false);
  const me = useMe();
  const navigate = useNavigate();
  const conversations = useConversations(props.conversations, props.changed, props.listEpoch);

  useTitle(active === "chat" ? conversations.find((each) => each.id === activeId) : null);

  const newConversation = useCallback(() => {
    setDrawerOpen(false);
    /* At once: what is written next belongs to the new conversation. */
    navigate("/", { flushSync: true });
    setTimeout(() => signal("focus-composer"), 60);
  }, [navigate]);
  useShortcuts({ openSearch: () => setDialog("search"), openSheet: () => setDialog("shortcuts"), newConversation });

  const remove = (id) => {
    props.onDelete(id);
    if (id === activeId) navigate("/");
  };
  /* Who has gone on to another conversation meanwhile stays there. */
  const restore = (id, wasOpen) => {
    props.onRestore(id);
    if (wasOpen && window.location.pathname === "/") navigate(`/c/${id}`);
  };
  useOtherTabs(props.changed, props.onReload);
  const Side = active === "admin" ? AdminSidebar : Sidebar;
  const sidebar = (
    <Side
      {...props}
      {...{ active, activeId, me, conversations }}
      onDelete={remove}
      onRestore={restore}
      onNavigate={() => setDrawerOpen(false)}
      onNew={newConversation}
      onSearch={() => setDialog("search")}
      onShortcuts={() => setDialog("shortcuts")}
      onFold={() => setFolded(true)}
    />
  );
  return (
    <div className={`shell${isFolded ? " folded" : ""}`}>
      <a className="skip-link" href="#main">
        Skip to the content
      </a>
      <div className="sidebar-frame">{!isFolded && sidebar}</div>
      <TopBar isFolded={isFolded} onOpen={() => setDrawerOpen(true)} onUnfold={() => setFolded(false)} onNew={newConversation} />
      <main id="main" className="main" tabIndex={-1}>
        <Offline />
        {children}
      </main>
      <Dialog.Root open={isDrawerOpen} onOpenChange={setDrawerOpen}>
        <Dialog.Portal>
          <Dialog.Overlay className="overlay" />
          <Dialog.Content className="drawer radix-themes" aria-describedby={undefined}>
            <Dialog.Title className="visually-hidden">Menu</Dialog.Title>
            {sidebar}
          </Dialog.Content>
        </Dialog.Portal>
      </Dialog.Root>
      <SearchDialog
        isOpen={dialog === "search"}
        onClose={() => setDialog("")}
        conversations={conversations}
        results={props.results}
        resultsFor={props.resultsFor}
        onSearch={props.onSearch}
        onNew={newConversation}
        navigation={props.navigation}
        me={me}
      />
      <ShortcutsDialog isAdmin={active === "admin"} isOpen={dialog === "shortcuts"} onClose={() => setDialog("")} />
    </div>
  );
}

/* A conversation that was deleted or brought back here changes the list of the other tabs too. */
function useOtherTabs(changed, onReload) {
  const told = useRef(0);
  useEffect(() => {
    const fresh = (changed ?? []).filter((each) => each.order > told.current);
    for (const each of fresh) {
      if (each.is_deleted || each.is_restored) tellOtherTabs({ changed: each.id });
      told.current = each.order;
    }
    if (!changed?.length) told.current = 0;
  }, [changed]);
  useEffect(() => onOtherTab(() => onReload()));
}

/* Says that the socket is away, once that lasts longer than a blink. What is being written goes on meanwhile. */
function Offline() {
  const [, problems] = useContext(EventLoopContext);
  const isAway = problems?.length > 0;
  const [isShown, setShown] = useState(false);
  useLostQuestion(problems);
  useEffect(() => {
    const timer = setTimeout(() => setShown(isAway), isAway ? 2500 : 0);
    return () => clearTimeout(timer);
  }, [isAway]);
  if (!isShown) return null;
  return (
    <p className="offline" role="status">
      <WifiOff size={15} aria-hidden /> The connection is away. Trying again.
    </p>
  );
}

const ARRIVAL_MS = 8000;

/* The list of problems is emptied anew by each connection that is made, also by one that came back at once. The page's
   own empty list and its first connection are the two that say nothing of a break. */
const lists = { last: null, empty: 0, hasFailed: false };

function isConnectedAgain(problems) {
  if (problems === lists.last) return false;
  lists.last = problems;
  if (problems?.length) {
    lists.hasFailed = true;
    return false;
  }
  lists.empty += 1;
  const isAgain = lists.hasFailed || lists.empty > 2;
  lists.hasFailed = false;
  return isAgain;
}

/* A question that went out just before the connection broke may be lost with it: it comes back into the box. */
function useLostQuestion(problems) {
  useEffect(() => {
    const sent = isConnectedAgain(problems) && getChat().pending;
    if (!sent) return undefined;
    const timer = setTimeout(() => {
      if (getChat().pending !== sent) return;
      window.dispatchEvent(new CustomEvent("chatapp:event-failed"));
      toast.error("The connection broke before the question arrived. Send it again.");
    }, ARRIVAL_MS);
    return () => clearTimeout(timer);
  }, [problems]);
}

/* The browser's tab carries the conversation's name. */
function useTitle(conversation) {
  const title = conversation?.title;
  useEffect(() => {
    if (title) document.title = `${title} · Chatapp`;
  }, [title]);
}

function TopBar({ isFolded, onOpen, onUnfold, onNew }) {
  const isAlive = useIsAlive();
  return (
    <div className={`top-bar${isFolded ? " folded" : ""}`}>
      <button type="button" className="icon-button phone-only" aria-label="Open menu" disabled={!isAlive} onClick={onOpen}>
        <Menu size={20} />
      </button>
      <button type="button" className="icon-button wide-only" aria-label="Show sidebar" title="Show sidebar" onClick={onUnfold}>
        <PanelLeft size={18} />
      </button>
      <button type="button" className="icon-button" aria-label="New conversation" title="New conversation" disabled={!isAlive} onClick={onNew}>
        <SquarePen size={18} />
      </button>
    </div>
  );
}

function Sidebar({ active, activeId, me, conversations, onNew, onSearch, onShortcuts, onFold, onNavigate, ...rest }) {
  const isAlive = useIsAlive();
  return (
    <nav className="sidebar" aria-label="Main">
      <div className="sidebar-head">
        <Link to="/" className="brand" onClick={onNavigate}>
          <span className="brand-mark" aria-hidden />
          Chatapp
        </Link>
        <button type="button" className="icon-button small wide-only" aria-label="Hide sidebar" title="Hide sidebar" onClick={onFold}>
          <PanelLeft size={17} />
        </button>
      </div>
      {mayChat(me) && (
        <button type="button" className="side-row" disabled={!isAlive} onClick={onNew}>
          <SquarePen size={16} aria-hidden /> New conversation
        </button>
      )}
      <button type="button" className="side-row" disabled={!isAlive} onClick={onSearch}>
        <Search size={16} aria-hidden /> Search <kbd>{modifierKey()} K</kbd>
      </button>
      {(!me || me.permissions.includes("read_documents")) && (
        <Link to="/documents" className={`side-row${active === "documents" ? " active" : ""}`} aria-current={active === "documents" ? "page" : undefined} onClick={onNavigate}>
          <Files size={16} aria-hidden /> Documents
        </Link>
      )}
      {mayAdminister(me) && (
        <Link to="/admin" className="side-row" onClick={onNavigate}>
          <SlidersHorizontal size={16} aria-hidden /> Admin
        </Link>
      )}
      <div className="sidebar-scroll">
        {mayChat(me) && <History conversations={conversations} activeId={activeId} onNavigate={onNavigate} {...rest} />}
      </div>
      <AccountMenu {...{ me, onShortcuts, onNavigate }} />
    </nav>
  );
}

function useFolded() {
  const [isFolded, setFolded] = useState(false);
  useEffect(() => {
    setFolded(localStorage.getItem("sidebar") === "folded");
  }, []);
  const change = (value) => {
    localStorage.setItem("sidebar", value ? "folded" : "open");
    setFolded(value);
  };
  return [isFolded, change];
}

const OPEN_LAYERS = ':is([role="dialog"], [role="alertdialog"], [role="menu"])[data-state="open"]';

function useShortcuts(actions) {
  useEffect(() => {
    const press = (event) => {
      const isTyping = event.target.closest?.("input, textarea, select, [contenteditable=true]");
      const hasModifier = event.ctrlKey || event.metaKey;
      const key = event.key.toLowerCase();
      /* What is open is finished first: its form, its question, its menu. */
      if (document.querySelector(OPEN_LAYERS)) {
        if (hasModifier && key === "k") event.preventDefault();
      } else if (hasModifier && !event.shiftKey && key === "k") run(event, actions.openSearch);
      else if (hasModifier && event.shiftKey && key === "o") run(event, actions.newConversation);
      else if (event.key === "?" && !isTyping && !hasModifier) run(event, actions.openSheet);
      else if (event.shiftKey && event.key === "Escape") run(event, () => signal("focus-composer"));
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  });
}

function run(event, action) {
  event.preventDefault();
  action();
}
