"""Use cases, one module per noun: the only door from pages, web and command line to everything below."""
