"""The dialog that shows a secret once: a new key, a link that lets somebody in.

The secret goes from the handler to the browser in an event of its own and into no State, so it is neither kept with
the tab nor sent again when the tab comes back.
"""

from __future__ import annotations

import json
from typing import Any

import reflex as rx

from chatapp.components.local_asset import local_asset
from chatapp.components.uploads import PACKAGES


class _ShownOnce(rx.Component):
    library = local_asset("shown_once.jsx")
    tag = "ShownOnce"
    lib_dependencies: list[str] = [*PACKAGES]


def shown_once() -> rx.Component:
    """The dialog; anywhere on a page whose handlers return `show_once`."""
    return _ShownOnce.create()


def show_once(*, title: str, text: str, label: str, secret: str, example: str = "") -> Any:
    """An event for a handler to return: opens the dialog.

    Args:
        title: the dialog's name.
        text: what the secret is for, and that it is not shown again.
        label: of the field it stands in.
        secret: the key or the link.
        example: how it is used, where that helps; `ORIGIN` in it becomes the product's address.
    """
    detail = json.dumps({"title": title, "text": text, "label": label, "secret": secret, "example": example})
    return rx.call_script(f'window.dispatchEvent(new CustomEvent("chatapp:shown-once", {{detail: {detail}}}))')
