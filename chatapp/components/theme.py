"""Colours, type and stylesheets of every page.

The colours are Radix scales, so both light and dark keep their contrast: iris is the one accent, slate the
grey. Fonts come from the npm packages of Fontsource and are served by ourselves.
"""

from __future__ import annotations

import reflex as rx

ACCENT = "iris"
GREY = "slate"

HTML_ATTRIBUTES = {"data-accent-color": ACCENT}
"""On the root of every page: menus and dialogs stand outside the theme's own element."""

STYLESHEETS = (
    "styles/theme.css",
    "styles/shell.css",
    "styles/chat.css",
    "styles/answer.css",
    "styles/document_view.css",
    "styles/documents.css",
    "styles/account.css",
    "styles/admin.css",
    "styles/routes.css",
    "styles/onboarding.css",
)
"""In `assets/`, in the order they are loaded."""

FRONTEND_PACKAGES = ("@fontsource-variable/inter@5.3.0", "@fontsource-variable/jetbrains-mono@5.3.0")
"""npm packages that only stylesheets refer to."""


def theme() -> rx.Component:
    """The Radix theme around every page, for `RadixThemesPlugin`."""
    return rx.theme(accent_color=ACCENT, gray_color=GREY, radius="medium", scaling="100%", has_background=False)
