"""One answer, streamed and finished alike, read by the browser from `GET /v1/turns/{id}/events`."""

from __future__ import annotations

import reflex as rx

from chatapp.components.local_asset import local_asset

PACKAGES = (
    "marked@18.2.1",  # reads markdown into tokens
    "remend@1.4.0",  # closes what is still open while text is written
    "katex@0.19.1",
    "highlight.js@11.11.1",  # colours code
    "lucide-react@1.26.0",
    "radix-ui@1.8.1",  # menus, dialogs and cards that work with keyboard and screen reader
)
"""npm packages of an answer, for every component that holds one."""

# The parts the component is made of; they stand beside it among the assets.
for _part in (
    "turn_stream.js",
    "markdown_blocks.js",
    "seams.js",
    "markdown.jsx",
    "citations.jsx",
    "announcer.js",
    "code_colours.js",
):
    local_asset(_part)


class _Answer(rx.Component):
    library = local_asset("answer.jsx")
    tag = "Answer"
    lib_dependencies: list[str] = [*PACKAGES]

    turn_id: rx.Var[str]
    was_finished: rx.Var[bool]


def answer(turn_id: rx.Var[str] | str, *, was_finished: rx.Var[bool] | bool = True) -> rx.Component:
    """An answer with its citations and sources, without the buttons of the chat.

    Args:
        turn_id: whose answer; the browser's cookie decides whether it may be read.
        was_finished: the answer was complete when the page was opened, so it is not read aloud.
    """
    return _Answer.create(turn_id=turn_id, was_finished=was_finished)
