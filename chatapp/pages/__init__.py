"""The chat section's pages: one module a page, page function and State together; PAGES lists them."""
