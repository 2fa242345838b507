"""The admin section's pages; PAGES lists them."""

from __future__ import annotations

from admin.pages import keys, overview, tenants
from chatapp.components.page import Page

PAGES: tuple[Page, ...] = (
    overview.PAGE,
    tenants.PAGE,
    keys.PAGE,
)
