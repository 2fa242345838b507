"""What can be expected of a route: one line a column of the matrix."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

Outcome = Literal["ok", "403", "404"]
"""`ok`: not turned away; what the request then comes to is for other tests."""


@dataclass(frozen=True)
class Expected:
    """What the columns get that are signed in. Everybody else gets 401."""

    bare: Outcome
    """A person of the same tenant with no role at all."""
    member: Outcome
    """A colleague who is a member and nothing more."""
    auditor: Outcome
    """A colleague who reads everything and changes nothing."""
    visitor: Outcome
    """A platform admin who looks at the tenant without a place in it."""
    other: Outcome
    """An admin of another tenant."""
    platform: Outcome
    """A platform admin who is in another tenant and looks at that one."""
    owner: Outcome = "ok"
    """The admin of the tenant whose things these are."""
    key: Outcome | None = None
    """What every key gets; None: what its person gets."""
    narrow: Outcome | None = None
    """What a key gets whose one scope is `read:metrics`; None: what who has no role gets."""


SIGNED_IN = Expected(bare="ok", member="ok", auditor="ok", visitor="ok", other="ok", platform="ok")
"""About whoever asks."""
PERSON = replace(SIGNED_IN, key="403")
"""About the person who asks, in their own sign-in: no key may change how somebody gets in."""
CHAT = Expected(bare="403", member="ok", auditor="403", visitor="403", other="ok", platform="ok")
METRICS = Expected(bare="403", member="403", auditor="ok", visitor="403", other="ok", platform="ok", narrow="ok")
"""Counts of the whole installation, for who may read metrics in their own tenant."""
OWN = Expected(bare="404", member="404", auditor="404", visitor="404", other="404", platform="404")
"""Only the person whose it is has it."""
OWN_PERSON = replace(OWN, key="403")
OWN_CHAT = Expected(bare="403", member="404", auditor="403", visitor="403", other="404", platform="404")
READ = Expected(bare="403", member="ok", auditor="ok", visitor="403", other="ok", platform="ok")
READ_ONE = Expected(bare="403", member="ok", auditor="ok", visitor="403", other="404", platform="404")
WRITE = Expected(bare="403", member="403", auditor="403", visitor="403", other="ok", platform="ok")
WRITE_ONE = Expected(bare="403", member="403", auditor="403", visitor="403", other="404", platform="404")
TRACE = Expected(bare="404", member="404", auditor="ok", visitor="404", other="404", platform="404")
READ_AND_TRACES = replace(READ_ONE, member="403")
ADMIN_READ = Expected(bare="403", member="403", auditor="ok", visitor="ok", other="404", platform="ok")
ADMIN_WRITE = Expected(bare="403", member="403", auditor="403", visitor="ok", other="404", platform="ok")
DRY_RUN = replace(ADMIN_WRITE, visitor="403", platform="403")
"""For admins who may read what was asked, too."""
ADMIN_OWN = Expected(bare="403", member="403", auditor="ok", visitor="ok", other="ok", platform="ok")
"""Lists that hold what the one who asks may administer."""
TENANT_CHOICE = replace(SIGNED_IN, other="404", key="403")
"""Going over to a tenant one has a place in, or may look at."""
PLATFORM_ONE = Expected(bare="403", member="403", auditor="403", visitor="ok", other="404", platform="ok", owner="403")
"""One tenant, for platform admins."""
PLATFORM = Expected(bare="403", member="403", auditor="403", visitor="ok", other="403", platform="ok", owner="403")


@dataclass(frozen=True)
class Row:
    """A route and how it is tried."""

    expected: Expected | None
    """None: public, it asks nobody who they are."""
    json: Any = None
    """Body. A text `<kind>` stands for the id of an object of that kind."""
    files: Any = None
    query: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    is_stream: bool = False


@dataclass(frozen=True)
class Elsewhere:
    """A request with an id in its query, form or body."""

    kind: str
    """What the id names. In the request `<kind>` stands for it."""
    json: Any = None
    query: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    further: tuple[tuple[str, Any], ...] = ()
    """Kinds and bodies, where one place may name things of several kinds."""
