"""Reflex's settings, derived from the product's own."""

from __future__ import annotations

import reflex as rx
from reflex_base.constants import StateManagerMode

from chatapp.components.theme import FRONTEND_PACKAGES, theme
from chatapp.same_origin import SameOriginPlugin
from chatapp.settings import get_settings

_settings = get_settings()

config = rx.Config(
    app_name="chatapp",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    # The default is every origin, with credentials: any site could open the socket.
    cors_allowed_origins=list(_settings.allowed_origins),
    redis_url=_settings.redis_url.get_secret_value() or None,
    # A tab's state can vanish at any time and is rebuilt from the database, so it need not be on disk.
    state_manager_mode=StateManagerMode.REDIS if _settings.redis_url.get_secret_value() else StateManagerMode.MEMORY,
    default_color_mode="system",
    frontend_packages=list(FRONTEND_PACKAGES),
    plugins=[rx.plugins.RadixThemesPlugin(theme=theme()), SameOriginPlugin()],
    disable_plugins=[rx.plugins.SitemapPlugin],
)
