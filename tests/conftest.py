"""Where the fixtures that every test may ask for are gathered."""

from __future__ import annotations

pytest_plugins = (
    "tests.fixtures.network",
    "tests.fixtures.surroundings",
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
