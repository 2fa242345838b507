"""Uploading: the dialog with drop, paste and folders, and the tray that follows every file until it answers.

Files go to our own streamed route with the browser's own progress; nothing of them passes through State. The queue is
a module of its own in the browser, so it goes on while people move between pages.
"""

from __future__ import annotations

import reflex as rx

from chatapp.components.local_asset import local_asset

PACKAGES = ("radix-ui@1.8.1", "sonner@2.0.8", "lucide-react@1.26.0")

# The parts that the components load; they stand beside them among the assets.
local_asset("upload_queue.js")


class _Uploader(rx.Component):
    library = local_asset("uploader.jsx")
    tag = "Uploader"
    lib_dependencies: list[str] = [*PACKAGES]

    collections: rx.Var[list]
    collection_id: rx.Var[str]
    max_bytes: rx.Var[int]
    kinds: rx.Var[str]
    can_write: rx.Var[bool]
    on_collection: rx.EventHandler[rx.event.no_args_event_spec]


class _UploadButton(rx.Component):
    library = local_asset("uploader.jsx")
    tag = "UploadButton"
    lib_dependencies: list[str] = [*PACKAGES]

    label: rx.Var[str]
    is_primary: rx.Var[bool]


class _ActivityTray(rx.Component):
    library = local_asset("activity_tray.jsx")
    tag = "ActivityTray"
    lib_dependencies: list[str] = [*PACKAGES]

    is_folded: rx.Var[bool]


uploader = _Uploader.create
"""The dialog and the whole page as a place to drop. Props: `collections` (dicts with `id`, `name` and `can_write`),
`collection_id` (where dropped files go at once; empty: it asks), `max_bytes`, `kinds` (words for the kinds of file),
`can_write`, and `on_collection`, fired when a collection was made in the dialog."""

upload_button = _UploadButton.create
"""Opens the dialog. Props: `label`, `is_primary`."""


def activity_tray(*, is_folded: bool = False) -> rx.Component:
    """What is being uploaded and read, bottom right; part of the shell, so that it is on every page.

    Args:
        is_folded: begin as one line, for pages on which the list would lie over what people are doing.
    """
    return _ActivityTray.create(is_folded=is_folded)
