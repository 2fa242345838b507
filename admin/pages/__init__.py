"""The admin section's pages; PAGES lists them."""
