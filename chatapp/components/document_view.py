"""The view of one document: a PDF as its pages, everything else as its text, with one passage lit."""

from __future__ import annotations

from typing import Any

import reflex as rx

from chatapp.components.local_asset import local_asset

PACKAGES = ("pdfjs-dist@6.5.438", "lucide-react@1.26.0")

# The parts that the component loads; they stand beside it among the assets.
for _part in ("pdf_view.jsx", "pdf_pages.js", "text_view.jsx", "document_requests.js"):
    local_asset(_part)


class _DocumentView(rx.NoSSRComponent):
    library = local_asset("document_view.jsx")
    tag = "DocumentView"
    lib_dependencies: list[str] = [*PACKAGES]

    file_id: rx.Var[str]
    version: rx.Var[int]
    start: rx.Var[int]
    end: rx.Var[int]
    page: rx.Var[int]
    filename: rx.Var[str]
    media_type: rx.Var[str]
    on_ready: rx.EventHandler[rx.event.no_args_event_spec]


def document_view(
    file_id: rx.Var[str] | str,
    start: rx.Var[int] | int = -1,
    end: rx.Var[int] | int = -1,
    page: rx.Var[int] | int = 1,
    filename: rx.Var[str] | str = "",
    media_type: rx.Var[str] | str = "",
    on_ready: Any = None,
) -> rx.Component:
    """One document, opened at a passage. It fills its parent, which needs a height.

    Args:
        file_id: id of the document; nothing is shown while it is empty.
        start: first character of the passage in the document's text, inclusive; -1: no passage.
        end: behind the last character of the passage, exclusive.
        page: 1-based page a PDF opens at when there is no passage to open at.
        filename: what people call it, for accessible names and messages.
        media_type: decides between pages and text; asked for when empty.
        on_ready: fired once the pages or the text can be seen.
    """
    handlers = {} if on_ready is None else {"on_ready": on_ready}
    return _DocumentView.create(
        file_id=file_id, start=start, end=end, page=page, filename=filename, media_type=media_type, **handlers
    )
