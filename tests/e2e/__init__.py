"""Tests that use the pages in a real browser."""
