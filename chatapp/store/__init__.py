"""Everything that persists: tables, transactions, one query module per noun, files, queue, turn log."""
