"""`rotate-secrets`: everything kept encrypted, moved to the present secret."""

from __future__ import annotations

import argparse

from chatapp.services import installation, lifespan, secret_rotation
from chatapp.settings import Settings
from chatapp.store import schema


async def run(_: argparse.Namespace, settings: Settings) -> int:
    """Encrypt everything under the present secret and say what was done; 1 when something cannot be read."""
    installation.prepare_data_dir(settings)
    async with lifespan.running(settings, role="command"):
        await schema.migrate()
        rotation = await secret_rotation.rotate(settings)
    for column in rotation.columns:
        print(f"{column.column}: {column.changed} of {column.total} moved to the present secret")
    if rotation.unreadable:
        print(
            f"{rotation.unreadable} secrets cannot be read with the present secret or a previous one: add the secret "
            "they were made under to CHATAPP_PREVIOUS_SECRET_KEYS and run this again, or type them in again."
        )
        return 1
    if settings.previous_secret_keys:
        print(
            "CHATAPP_PREVIOUS_SECRET_KEYS is needed from now on only to verify audit lines that were sealed before "
            "the change."
        )
    return 0
