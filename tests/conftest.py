"""Where the fixtures that every test may ask for are gathered, and in which order the files run."""

from __future__ import annotations

import gc

import pytest

pytest_plugins = (
    "tests.fixtures.network",
    "tests.fixtures.surroundings",
    "tests.fixtures.statements",
    "tests.fixtures.servers",
    "tests.fixtures.databases",
    "tests.fixtures.people",
    "tests.fixtures.sign_in",
    "tests.fixtures.parts",
    "tests.fixtures.credentials",
    "tests.fixtures.backend",
    "tests.fixtures.ingestion",
    "tests.fixtures.providers",
    "tests.fixtures.identity_provider",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: what comes last keeps one process busy while the others have nothing."""
    long_files = {item.path for item in items if any(map(item.get_closest_marker, ("e2e", "slow")))}
    items.sort(key=lambda item: item.path not in long_files)


def pytest_collection_finish() -> None:
    """Look for garbage among what a test leaves, not among thousands of tests and everything imported: a third of
    the time went there.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
