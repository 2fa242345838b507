"""What is changed in the built pages: they talk to wherever they were loaded from. `rxconfig.py` takes the plugin."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from reflex_base.plugins import Plugin

_BUILT_IN_ADDRESS = re.compile(r"""(["'`])(http|ws)://localhost:\d+(/[^"'`]*)\1""")


class SameOriginPlugin(Plugin):
    """Lets the built pages talk to wherever they were loaded from.

    Reflex writes an absolute address into the bundle when it builds. One build would then serve one port and
    would not work behind TLS on a port of its own.
    """

    def post_build(self, **context: Any) -> None:
        """Replace the built-in address by the page's own origin."""
        for path in Path(context["static_dir"]).glob("assets/reflex-env-*.js"):
            path.write_text(_BUILT_IN_ADDRESS.sub(_own_origin, path.read_text()))


def _own_origin(match: re.Match[str]) -> str:
    scheme, path = match[2], match[3]
    origin = 'globalThis.location?.origin??"http://localhost"'
    return f'(({origin}).replace(/^http/,"{scheme}")+"{path}")'
