/* Who is signed in: the menu at the foot of each sidebar, and the question behind it. */
import { useContext, useEffect, useState } from "react";
import { Link } from "react-router";
import { DropdownMenu } from "radix-ui";
import { Keyboard, LogOut, MessageSquare, Monitor, Moon, SlidersHorizontal, Sun } from "lucide-react";
import { ColorModeContext } from "$/utils/context";
import { leaveForSignIn } from "$/public/external/chatapp/components/answer/turn_stream.js";

export const mayAdminister = (me) => Boolean(me?.permissions?.includes("read_admin"));

export function AccountMenu({ me, isAdmin, onShortcuts, onNavigate }) {
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
          {mayAdminister(me) && (
            <DropdownMenu.Item className="menu-item" asChild onSelect={onNavigate}>
              <Link to={isAdmin ? "/" : "/admin"}>
                {isAdmin ? <MessageSquare size={15} aria-hidden /> : <SlidersHorizontal size={15} aria-hidden />} {isAdmin ? "Chat" : "Admin"}
              </Link>
            </DropdownMenu.Item>
          )}
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
    const ofPerson = (key) => key.startsWith("draft:") || key.startsWith("recent:");
    for (const key of Object.keys(localStorage)) if (ofPerson(key)) localStorage.removeItem(key);
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

export function useMe() {
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
