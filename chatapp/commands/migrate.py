"""`migrate`: the database's schema."""

from __future__ import annotations

import argparse

from chatapp.services import installation, lifespan
from chatapp.settings import Settings
from chatapp.store import schema


async def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Bring the schema up to date, or write the revision that would."""
    installation.prepare_data_dir(settings)
    async with lifespan.running(settings, role="command"):
        await schema.migrate()
        if arguments.make:
            print(await schema.make_revision(arguments.make))
        else:
            print("The database is up to date.")
    return 0
