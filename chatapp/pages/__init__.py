"""The chat section's pages: one module a page, page function and State together; PAGES lists them."""

from __future__ import annotations

from chatapp.components.page import Page
from chatapp.pages import account, chat, documents, not_found, sign_in

__all__ = ["PAGES", "Page"]

PAGES: tuple[Page, ...] = (chat.NEW_PAGE, chat.PAGE, documents.PAGE, account.PAGE, sign_in.PAGE, not_found.PAGE)
