"""The first page of the admin section: is it up, is it fast, is it right, what does it cost."""

from __future__ import annotations

from typing import Any

import reflex as rx

from admin.components.data_table import plain_table
from admin.components.frame import admin_page, frame
from admin.components.specs import Column
from chatapp.components.state_bases import AdminState, current_actor
from chatapp.services import overview


class OverviewState(AdminState, rx.State):
    """What the overview shows."""

    dependencies: list[dict[str, Any]] = []

    @rx.event
    async def load(self) -> None:
        """Look at everything anew."""
        states = await overview.dependencies(current_actor())
        self.dependencies = [{"id": each.name, "name": each.label, "state": each.state} for each in states]


def overview_page() -> rx.Component:
    return frame(
        plain_table(
            OverviewState.dependencies,
            label="Dependencies",
            columns=[
                Column("name", "What", "title"),
                Column("state", "State", "badge", labels={"ok": "Up"}, tones={"ok": "good"}),
            ],
        ),
        at="/admin",
        sentence="Is it up, is it fast, is it right, what does it cost.",
    )


PAGE = admin_page("/admin", "Overview", overview_page, OverviewState.load)
