"""Limits on what may be done how often. Money and answers in flight join them here; routes and pages do not count."""
