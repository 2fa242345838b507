/* Who is signed in: the menu at the foot of each sidebar, and the question behind it. */
import { useContext, useEffect, useState } from "react";
import { Link } from "react-router";
import { DropdownMenu } from "radix-ui";
import { toast } from "sonner";
import { Building2, Keyboard, LogOut, MessageSquare, Monitor, Moon, SlidersHorizontal, Sun, UserRound } from "lucide-react";
import { ColorModeContext } from "$/utils/context";
import { leaveForSignIn } from "$/public/external/chatapp/components/answer/turn_stream.js";
import { useIsAlive } from "$/public/external/chatapp/components/thread/chat_store.js";

/* Before it is known who they are, nobody is kept from the chat: nearly everybody comes for it. */
export const mayChat = (me) => !me || me.permissions.includes("chat");
export const mayAdminister = (me) => Boolean(me?.permissions?.includes("read_admin"));

export function AccountMenu({ me, isAdmin, onShortcuts, onNavigate }) {
  const isAlive = useIsAlive();
  const { rawColorMode, setColorMode } = useContext(ColorModeContext);
  const name = me?.name || me?.email || "";
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger asChild>
        <button type="button" className="account" aria-label={`Account of ${name || "me"}`} disabled={!isAlive}>
          <span className="avatar" aria-hidden>
            {(name || "?").slice(0, 1).toUpperCase()}
          </span>
          <span className="account-name">
            {name || "\u00A0"}
            {isOfSeveral(me) && !isAdmin && <span className="account-tenant">{me.tenant_name}</span>}
          </span>
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
          {isOfSeveral(me) && <TenantItems me={me} isAdmin={isAdmin} />}
          <DropdownMenu.Item className="menu-item" asChild onSelect={onNavigate}>
            <Link to="/account"><UserRound size={15} aria-hidden /> Account</Link>
          </DropdownMenu.Item>
          {mayAdminister(me) && (!isAdmin || mayChat(me)) && (
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

const isOfSeveral = (me) => me?.tenants?.length > 1;

function TenantItems({ me, isAdmin }) {
  const choose = async (id) => {
    if (id === me.tenant_id) return;
    const problem = await switchTenant(id, isAdmin ? "/admin" : "/");
    if (problem) toast.error(problem);
  };
  return (
    <>
      <DropdownMenu.Label className="menu-label">Organisation</DropdownMenu.Label>
      <DropdownMenu.RadioGroup value={me.tenant_id} onValueChange={choose}>
        {me.tenants.map((tenant) => (
          <DropdownMenu.RadioItem key={tenant.id} value={tenant.id} className="menu-item">
            <Building2 size={15} aria-hidden /> <span className="menu-text">{tenant.name}</span>
            <DropdownMenu.ItemIndicator className="menu-dot" />
          </DropdownMenu.RadioItem>
        ))}
      </DropdownMenu.RadioGroup>
      <DropdownMenu.Separator className="menu-line" />
    </>
  );
}

/** Look at another tenant from now on. A full load: nothing of the one before stays in the page.
 *  @returns {Promise<string>} why it did not work */
export async function switchTenant(id, path = "/admin") {
  const body = JSON.stringify({ tenant_id: id });
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch("/auth/tenant", { method: "POST", credentials: "same-origin", headers, body }).catch(() => null);
  if (!answer?.ok) return (await answer?.json().catch(() => null))?.error?.message ?? "The tenant could not be switched. Try again.";
  window.location.assign(path);
  return "";
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
    const renamed = (event) => {
      known.me = { ...known.me, name: event.detail };
      setMe(known.me);
    };
    ask();
    window.addEventListener("focus", ask);
    window.addEventListener("chatapp:renamed", renamed);
    return () => {
      window.removeEventListener("focus", ask);
      window.removeEventListener("chatapp:renamed", renamed);
    };
  }, []);
  return me;
}
