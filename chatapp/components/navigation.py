"""Where the admin section's pages are: what its sidebar, its breadcrumbs and the command palette offer.

It stands here and not in `admin` because the chat's palette offers these pages too. It holds addresses and words, no
data.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from chatapp.domain import Permission


@dataclass(frozen=True, slots=True)
class NavigationItem:
    """One page."""

    group: str
    """Heading it stands under; empty: above all groups."""
    label: str
    href: str
    icon: str
    """Name in `admin_sidebar.jsx`."""
    words: str = ""
    """More words under which the palette finds it."""
    permission: Permission = Permission.READ_ADMIN
    """Who is offered it; who may open it is decided elsewhere."""


NAVIGATION: tuple[NavigationItem, ...] = (
    NavigationItem("", "Overview", "/admin", "Gauge", "health cost latency quality"),
    NavigationItem("People", "Tenants", "/admin/tenants", "Building2", "customers organisations suspend delete"),
    NavigationItem("People", "Users", "/admin/users", "Users", "people roles invite members reset password"),
    NavigationItem("People", "Groups", "/admin/groups", "UsersRound", "teams departments members"),
    NavigationItem("People", "Grants", "/admin/grants", "FolderKey", "collections access who may read permissions"),
    NavigationItem("People", "Keys", "/admin/keys", "KeyRound", "api tokens secrets scopes rotate revoke"),
    NavigationItem(
        "People", "Sign-in", "/admin/sign-in", "LogIn", "sso oidc openid identity provider login passwords single"
    ),
    NavigationItem("Models", "Providers", "/admin/providers", "Server", "openai anthropic ollama key connection test"),
    NavigationItem("Models", "Models", "/admin/models", "Boxes", "llm prices catalogue default deployments who writes"),
    NavigationItem("Models", "Routes", "/admin/routes", "Route", "rules fallbacks ladder intents dry run default"),
    NavigationItem(
        "Models", "Breakers", "/admin/breakers", "Unplug", "circuit deployments failures outage drill fallback retries"
    ),
    NavigationItem("System", "Audit log", "/admin/audit", "ScrollText", "changes history who when verify chain export"),
)
"""In the order they are offered; one line a page, and only pages that exist."""


def navigation_prop() -> list[dict[str, Any]]:
    """The navigation as its React component reads it."""
    return [asdict(item) | {"permission": item.permission.value} for item in NAVIGATION]


def item_of(href: str) -> NavigationItem | None:
    """The entry with this address."""
    return next((item for item in NAVIGATION if item.href == href), None)
