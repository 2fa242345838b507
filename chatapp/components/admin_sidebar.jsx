/* The admin section's sidebar: which tenant is shown, the pages in groups, and the way back to the chat. */
import { useEffect, useState } from "react";
import { Link, useLocation } from "react-router";
import { Popover } from "radix-ui";
import * as icons from "./admin_icons.js";
import { AccountMenu, mayChat, switchTenant } from "./account.jsx";
import { modifierKey } from "./shortcuts_dialog.jsx";

const { ArrowLeft, Building2, Check, ChevronsUpDown, Dot, PanelLeft, Search } = icons;
const WAIT_MS = 160;

export function AdminSidebar({ me, navigation, onSearch, onShortcuts, onFold, onNavigate, ...rest }) {
  const { pathname } = useLocation();
  const offered = navigation.filter((item) => !me || me.permissions.includes(item.permission));
  const groups = [...new Set(offered.map((item) => item.group))];
  const current = closest(offered, pathname);
  return (
    <nav className="sidebar admin-sidebar" aria-label="Admin">
      <div className="sidebar-head">
        {mayChat(me) ? (
          <Link to="/" className="back-link" onClick={onNavigate}>
            <ArrowLeft size={16} aria-hidden /> Back to chat
          </Link>
        ) : (
          <span className="grow" />
        )}
        <button type="button" className="icon-button small wide-only" aria-label="Hide sidebar" title="Hide sidebar" onClick={onFold}>
          <PanelLeft size={17} />
        </button>
      </div>
      <TenantSwitch {...rest} />
      <button type="button" className="side-row" onClick={onSearch}>
        <Search size={16} aria-hidden /> Search <kbd>{modifierKey()} K</kbd>
      </button>
      <div className="sidebar-scroll">
        {groups.map((group) => (
          <div key={group} className="nav-group">
            {group && <h2 id={`nav-${group}`}>{group}</h2>}
            <ul aria-labelledby={group ? `nav-${group}` : undefined}>
              {offered.filter((item) => item.group === group).map((item) => {
                const Icon = icons[item.icon] ?? Dot;
                return (
                  <li key={item.href}>
                    <Link to={item.href} className={`side-row${current === item.href ? " active" : ""}`} aria-current={current === item.href ? "page" : undefined} onClick={onNavigate}>
                      <Icon size={16} aria-hidden /> {item.label}
                    </Link>
                  </li>
                );
              })}
            </ul>
          </div>
        ))}
      </div>
      <AccountMenu me={me} isAdmin onShortcuts={onShortcuts} onNavigate={onNavigate} />
    </nav>
  );
}

/** The entry whose address the page's begins with, the longest one. */
function closest(items, pathname) {
  const path = pathname.replace(/\/$/, "") || "/";
  const fits = items.map((item) => item.href).filter((href) => path === href || (href !== "/admin" && path.startsWith(`${href}/`)));
  return fits.sort((one, other) => other.length - one.length)[0];
}

function TenantSwitch({ tenantId, tenantName, canSwitch, tenants, tenantsFor, onTenants }) {
  const [isOpen, setOpen] = useState(false);
  const name = <span className="tenant-name">{tenantName || "\u00A0"}</span>;
  if (!canSwitch) {
    return (
      <p className="tenant">
        <Building2 size={16} aria-hidden /> {name}
      </p>
    );
  }
  return (
    <Popover.Root open={isOpen} onOpenChange={setOpen}>
      <Popover.Trigger className="tenant" aria-label={`Tenant ${tenantName}. Switch`}>
        <Building2 size={16} aria-hidden /> {name} <ChevronsUpDown size={14} aria-hidden />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className="popover tenant-list radix-themes" align="start" sideOffset={4} collisionPadding={8} aria-label="Switch the tenant">
          <Tenants {...{ tenantId, tenants, tenantsFor, onTenants }} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function Tenants({ tenantId, tenants, tenantsFor, onTenants }) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const wanted = text.trim();
  useEffect(() => {
    const timer = setTimeout(() => onTenants(wanted), wanted ? WAIT_MS : 0);
    return () => clearTimeout(timer);
  }, [wanted]); // eslint-disable-line react-hooks/exhaustive-deps
  const choose = async (id) => {
    setProblem(await switchTenant(id));
  };
  return (
    <>
      <input className="field" type="search" aria-label="Find a tenant" placeholder="Find a tenant" autoFocus value={text} onChange={(event) => setText(event.target.value)} />
      {problem && <p className="form-error" role="alert">{problem}</p>}
      <ul>
        {tenants.map((tenant) => (
          <li key={tenant.id}>
            <button type="button" className="menu-item" aria-current={tenant.id === tenantId ? "true" : undefined} onClick={() => (tenant.id === tenantId ? null : choose(tenant.id))}>
              <span className="tick">{tenant.id === tenantId && <Check size={14} aria-hidden />}</span>
              <span className="menu-text">{tenant.name}</span>
              {tenant.state !== "active" && <span className="menu-note">{tenant.state.replaceAll("_", " ")}</span>}
            </button>
          </li>
        ))}
      </ul>
      {!tenants.length && tenantsFor === wanted && <p className="menu-note">No tenant has this in its name.</p>}
    </>
  );
}
