"""Every State of both sections builds on one of the three bases, so the guard knows who may fire its events."""

from __future__ import annotations

import subprocess
import sys

from tests.architecture.source import PROJECT

# In a process of its own: importing the application registers every State and can be done once.
_WALK = """
import chatapp.chatapp
from chatapp.components.state_bases import STATE_BASES, AdminState
from chatapp.web.reflex_internals import all_states, is_framework_state
own = [state for state in all_states() if not is_framework_state(state)]
print("count", len(own))
for state in own:
    bases = [base for base in STATE_BASES if issubclass(state, base)]
    if len(bases) != 1:
        print("PROBLEM", state.__module__, state.__name__, "builds on", len(bases), "of the bases")
    if issubclass(state, AdminState) and state.computed_vars:
        print("PROBLEM", state.__name__, "has computed vars, which everybody is sent")
    if state.__module__.startswith("admin") and not issubclass(state, AdminState):
        print("PROBLEM", state.__name__, "is in admin and not an AdminState")
"""


def test_every_state_builds_on_exactly_one_base() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WALK], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("PROBLEM")] == []
    assert "count " in done.stdout
