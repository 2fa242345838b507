"""The panel beside an answer: the cited document at its passage, or how the answer came about."""

from __future__ import annotations

import reflex as rx

from chatapp.components.answer import PACKAGES
from chatapp.components.document_view import document_view

rx.asset("why_this_answer.jsx", shared=True)


class SourcePanel(rx.Component):
    """Opens by what is pressed in the thread; takes no room while it is closed."""

    library = rx.asset("source_panel.jsx", shared=True).importable_path
    tag = "SourcePanel"
    lib_dependencies: list[str] = [*PACKAGES, *document_view("").lib_dependencies]
