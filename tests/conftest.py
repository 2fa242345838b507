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
    """Begin with the files that take longest: what comes last keeps one process busy while the others have nothing.

    The first file with a browser builds the pages. Long ones without a browser follow it, for the other process: with
    a browser it would wait for the same build.
    """
    with_browser = dict.fromkeys(item.path for item in items if item.get_closest_marker("e2e"))
    long_files = {item.path for item in items if item.get_closest_marker("slow")}
    first = next(iter(with_browser), None)

    def rank(item: pytest.Item) -> int:
        if item.path in with_browser:
            return 0 if item.path == first else 2
        return 1 if item.path in long_files else 3

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """Look for garbage among what a test leaves, not among thousands of tests and everything imported: a third of
    the time went there.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
