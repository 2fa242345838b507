"""`migrate`: the database's schema."""

from __future__ import annotations

import argparse

from chatapp.services import installation, lifespan
from chatapp.settings import Settings
from chatapp.store import schema


async def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Bring the schema up to date and an empty database to where people can sign in, or write a new revision."""
    installation.prepare_data_dir(settings)
    async with lifespan.running(settings, role="command"):
        await schema.migrate()
        if arguments.make:
            print(await schema.make_revision(arguments.make))
            return 0
        installed = await installation.install(settings)
    print("The database is up to date.")
    if installed.sign_in_link:
        print(f"Set the password of {installed.admin_email} here, once, within two days:\n{installed.sign_in_link}")
    return 0
