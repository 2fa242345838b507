from __future__ import annotations

from uuid import uuid4

import pytest

from chatapp.domain import ROLE_PERMISSIONS, SCOPE_PERMISSIONS, Actor, Chunk, Permission, Role, TurnStatus
from chatapp.errors import NotPermitted


def actor(*permissions: Permission) -> Actor:
    return Actor(uuid4(), uuid4(), frozenset(permissions))


def test_an_actor_without_the_permission_is_refused():
    with pytest.raises(NotPermitted):
        actor(Permission.CHAT).require(Permission.WRITE_DOCUMENTS)


def test_an_actor_with_the_permission_passes():
    actor(Permission.CHAT).require(Permission.CHAT)


def test_every_role_has_its_permissions():
    assert set(ROLE_PERMISSIONS) == set(Role)


def test_no_role_and_no_scope_reaches_the_platform():
    granted = [*ROLE_PERMISSIONS.values(), *SCOPE_PERMISSIONS.values()]

    assert not any(Permission.PLATFORM in permissions for permissions in granted)


def test_an_auditor_changes_nothing():
    writing = {Permission.CHAT, Permission.WRITE_DOCUMENTS, Permission.REVIEW, Permission.ADMIN, Permission.PLATFORM}

    assert not ROLE_PERMISSIONS[Role.AUDITOR] & writing


@pytest.mark.parametrize("status", list(TurnStatus))
def test_a_turn_is_final_unless_it_waits_or_runs(status):
    assert status.is_final == (status not in {TurnStatus.QUEUED, TurnStatus.RUNNING})


@pytest.mark.parametrize(
    ("title", "heading", "expected"),
    [
        ("Report", "Sales > Europe", "Report > Sales > Europe\ntext"),
        ("", "Sales", "Sales\ntext"),
        ("Report", "", "Report\ntext"),
        ("", "", "text"),
    ],
)
def test_title_and_headings_stand_before_a_chunk_when_it_is_embedded(title, heading, expected):
    chunk = Chunk(uuid4(), uuid4(), uuid4(), 0, "text", 0, 4, 1, heading)

    assert chunk.embedding_text(title) == expected
