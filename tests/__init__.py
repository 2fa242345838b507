"""Tests, file for file like the source; architecture, e2e, bench, fixtures and a scripted provider beside them."""
