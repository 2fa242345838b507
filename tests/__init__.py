"""Tests, file for file like the source; and architecture, e2e, bench, the fixtures and a scripted provider beside them."""
