"""How the database's schema came to be: alembic's revisions, made from `store.tables`."""
