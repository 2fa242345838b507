"""Structured log and metrics."""
