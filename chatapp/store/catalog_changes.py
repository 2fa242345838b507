"""Whether this process has changed anything that routes are chosen by, so that what is kept of it can be dropped."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session

from chatapp.store.tables import DeploymentTable, ModelPriceTable, ModelTable, ProviderTable, RouteTable

_WATCHED = (DeploymentTable, ModelPriceTable, ModelTable, ProviderTable, RouteTable)
_MARK = "changes_catalog"


class _Changes:
    """Of this process."""

    count: int = 0


def count() -> int:
    """How often something of it was changed and committed here."""
    return _Changes.count


@event.listens_for(Session, "after_flush")
def _note_rows(session: Session, *_: Any) -> None:
    if any(isinstance(row, _WATCHED) for rows in (session.new, session.dirty, session.deleted) for row in rows):
        session.info[_MARK] = True


@event.listens_for(Session, "do_orm_execute")
def _note_statements(state: ORMExecuteState) -> None:
    if state.is_select or state.bind_mapper is None:
        return
    if issubclass(state.bind_mapper.class_, _WATCHED):
        state.session.info[_MARK] = True


@event.listens_for(Session, "after_commit")
def _count(session: Session) -> None:
    _Changes.count += bool(session.info.pop(_MARK, False))
