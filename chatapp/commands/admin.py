"""`admin`: admins and API keys from the command line, for who has access to the machine."""

from __future__ import annotations

import argparse

from chatapp.services import installation, keys, lifespan, users
from chatapp.settings import Settings
from chatapp.store import schema


async def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Make an admin, reset one, or make a key."""
    installation.prepare_data_dir(settings)
    async with lifespan.running(settings, role="command"):
        await schema.migrate()
        if arguments.action == "key":
            return await _make_key(arguments)
        # On an empty database this makes the first tenant and the models too, as the first `serve` would.
        await installation.install(settings.model_copy(update={"admin_email": arguments.email}))
        _, link = await users.create_or_reset_admin(settings, arguments.email, password=arguments.password)
    if link:
        print(f"Set the password of {arguments.email} here, once, within two days:\n{link}")
    else:
        print(f"{arguments.email} signs in with the new password at {settings.effective_public_url}")
    return 0


async def _make_key(arguments: argparse.Namespace) -> int:
    scopes = [scope.strip() for scope in arguments.scopes.split(",") if scope.strip()]
    created = await keys.create_key(
        email=arguments.email, name=arguments.name, scopes=scopes, expires_in_days=arguments.days
    )
    # Alone on standard output, so that a script can take it.
    print(created.key)
    return 0
