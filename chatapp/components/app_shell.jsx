/* The frame of every page: sidebar, main part, shortcuts, and the way out when the sign-in has ended. */
import { useCallback, useContext, useEffect, useState } from "react";
import { Link, useNavigate } from "react-router";
import { Dialog, DropdownMenu } from "radix-ui";
import { Files, Keyboard, LogOut, Menu, Monitor, Moon, PanelLeft, Search, SquarePen, Sun, WifiOff } from "lucide-react";
import { ColorModeContext, EventLoopContext } from "$/utils/context";
import { leaveForSignIn } from "$/public/external/chatapp/components/answer/turn_stream.js";
import { signal, useConversationId } from "$/public/external/chatapp/components/thread/chat_store.js";
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
    navigate("/");
    setTimeout(() => signal("focus-composer"), 60);
  }, [navigate]);
  useShortcuts({ openSearch: () => setDialog("search"), openSheet: () => setDialog("shortcuts"), newConversation });

  const remove = (id) => {
    props.onDelete(id);
    if (id === activeId) navigate("/");
  };
  const sidebar = (
    <Sidebar
      {...props}
      {...{ active, activeId, me, conversations }}
      onDelete={remove}
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
      />
      <ShortcutsDialog isOpen={dialog === "shortcuts"} onClose={() => setDialog("")} />
    </div>
  );
}

/* Says that the socket is away, once that lasts longer than a blink. What is being written goes on meanwhile. */
function Offline() {
  const [, problems] = useContext(EventLoopContext);
  const isAway = problems?.length > 0;
  const [isShown, setShown] = useState(false);
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

/* The browser's tab carries the conversation's name. */
function useTitle(conversation) {
  const title = conversation?.title;
  useEffect(() => {
    if (title) document.title = `${title} · Chatapp`;
  }, [title]);
}

function TopBar({ isFolded, onOpen, onUnfold, onNew }) {
  return (
    <div className={`top-bar${isFolded ? " folded" : ""}`}>
      <button type="button" className="icon-button phone-only" aria-label="Open menu" onClick={onOpen}>
        <Menu size={20} />
      </button>
      <button type="button" className="icon-button wide-only" aria-label="Show sidebar" title="Show sidebar" onClick={onUnfold}>
        <PanelLeft size={18} />
      </button>
      <button type="button" className="icon-button" aria-label="New conversation" title="New conversation" onClick={onNew}>
        <SquarePen size={18} />
      </button>
    </div>
  );
}

function Sidebar({ active, activeId, me, conversations, onNew, onSearch, onShortcuts, onFold, onNavigate, ...rest }) {
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
      <button type="button" className="side-row" onClick={onNew}>
        <SquarePen size={16} aria-hidden /> New conversation
      </button>
      <button type="button" className="side-row" onClick={onSearch}>
        <Search size={16} aria-hidden /> Search <kbd>{modifierKey()} K</kbd>
      </button>
      <Link to="/documents" className={`side-row${active === "documents" ? " active" : ""}`} aria-current={active === "documents" ? "page" : undefined} onClick={onNavigate}>
        <Files size={16} aria-hidden /> Documents
      </Link>
      <div className="sidebar-scroll">
        <History conversations={conversations} activeId={activeId} onNavigate={onNavigate} {...rest} />
      </div>
      <AccountMenu me={me} onShortcuts={onShortcuts} />
    </nav>
  );
}

function AccountMenu({ me, onShortcuts }) {
  const { rawColorMode, setColorMode } = useContext(ColorModeContext);
  const name = me?.name || me?.email || "";
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger asChild>
        <button type="button" className="account" aria-label={`Account of ${name || "me"}`}>
          <span className="avatar" aria-hidden>
            {(name || "?").slice(0, 1).toUpperCase()}
          </span>
          <span className="account-name">{name || "\u00A0"}</span>
        </button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu radix-themes" side="top" align="start" sideOffset={6} collisionPadding={8}>
          {me?.email && <DropdownMenu.Label className="menu-label">{me.email}</DropdownMenu.Label>}
          <DropdownMenu.RadioGroup value={rawColorMode} onValueChange={setColorMode}>
            {[
              ["light", "Light", Sun],
              ["dark", "Dark", Moon],
              ["system", "As the system", Monitor],
            ].map(([value, label, Icon]) => (
              <DropdownMenu.RadioItem key={value} value={value} className="menu-item" onSelect={(event) => event.preventDefault()}>
                <Icon size={15} aria-hidden /> <span className="menu-text">{label}</span>
                <DropdownMenu.ItemIndicator className="menu-dot" />
              </DropdownMenu.RadioItem>
            ))}
          </DropdownMenu.RadioGroup>
          <DropdownMenu.Separator className="menu-line" />
          <DropdownMenu.Item className="menu-item" onSelect={onShortcuts}>
            <Keyboard size={15} aria-hidden /> Keyboard shortcuts
          </DropdownMenu.Item>
          <DropdownMenu.Item className="menu-item" onSelect={signOut}>
            <LogOut size={15} aria-hidden /> Sign out
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

async function signOut() {
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith("draft:")) localStorage.removeItem(key);
  } finally {
    await fetch("/auth/logout", { method: "POST", credentials: "same-origin" });
    sessionStorage.clear();
    window.location.assign("/sign-in");
  }
}

/* Who is signed in. The pages themselves are public files, so an ended sign-in is noticed here: when a page opens
   or the window is looked at again, but not with each step from page to page. */
const ASK_AGAIN_MS = 60_000;
let known = { me: null, at: -Infinity };

function useMe() {
  const [me, setMe] = useState(known.me);
  useEffect(() => {
    const ask = async () => {
      if (performance.now() - known.at < ASK_AGAIN_MS) return;
      known.at = performance.now();
      const response = await fetch("/auth/me", { credentials: "same-origin" }).catch(() => null);
      if (response?.status === 401) leaveForSignIn();
      if (!response?.ok) return;
      known.me = await response.json();
      setMe(known.me);
    };
    ask();
    window.addEventListener("focus", ask);
    return () => window.removeEventListener("focus", ask);
  }, []);
  return me;
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

function useShortcuts(actions) {
  useEffect(() => {
    const press = (event) => {
      const isTyping = event.target.closest?.("input, textarea, select, [contenteditable=true]");
      const hasModifier = event.ctrlKey || event.metaKey;
      const key = event.key.toLowerCase();
      if (hasModifier && !event.shiftKey && key === "k") run(event, actions.openSearch);
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
