"""The panel beside an answer: the cited document at its passage, or how the answer came about."""

from __future__ import annotations

import reflex as rx

from chatapp.components.answer import PACKAGES
from chatapp.components.document_view import document_view
from chatapp.components.local_asset import local_asset

local_asset("why_this_answer.jsx")


class SourcePanel(rx.Component):
    """Opens by what is pressed in the thread; takes no room while it is closed."""

    library = local_asset("source_panel.jsx")
    tag = "SourcePanel"
    lib_dependencies: list[str] = [*PACKAGES, *document_view("").lib_dependencies]
