"""`admin`: admins, tenants and API keys from the command line, for who has access to the machine."""

from __future__ import annotations

import argparse
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.errors import InvalidInput
from chatapp.services import installation, keys, lifespan, tenants, users
from chatapp.services.administration import acting_in
from chatapp.settings import Settings
from chatapp.store import schema

_MOST = "1000"


async def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Make an admin or reset one; list and make tenants; make, list, rotate and revoke keys."""
    installation.prepare_data_dir(settings)
    async with lifespan.running(settings, role="command"):
        await schema.migrate()
        if arguments.action == "key":
            return await _key(arguments)
        if arguments.action == "tenant":
            return await _tenant(arguments)
        # On an empty database this makes the first tenant and the models too, as the first `serve` would.
        await installation.install(settings.model_copy(update={"admin_email": arguments.email}))
        _, link = await users.create_or_reset_admin(settings, arguments.email, password=arguments.password)
    if link:
        print(f"Set the password of {arguments.email} here, once, within two days:\n{link}")
    else:
        print(f"{arguments.email} signs in with the new password at {settings.effective_public_url}")
    return 0


async def _tenant(arguments: argparse.Namespace) -> int:
    actor = await users.admin_actor()
    if arguments.what == "list":
        for view in (await tenants.list_tenants(actor, {"limit": _MOST})).items:
            print(view.id, view.state, f"{view.users} people", f"{view.documents} documents", view.name, sep="\t")
        return 0
    if not arguments.name:
        raise InvalidInput("Give the new tenant a name: admin tenant create NAME")
    made, invited = await tenants.create_with_admin(actor, name=arguments.name, email=arguments.email or "")
    print(made.id)
    if invited is not None and invited.invite_link:
        print(f"{invited.email} comes in here, once:\n{invited.invite_link}")
    return 0


async def _key(arguments: argparse.Namespace) -> int:
    if arguments.what == "make":
        return await _make_key(arguments)
    there = await _in_tenant(arguments.tenant)
    if arguments.what == "list":
        for view in (await keys.list_keys(there, {"limit": _MOST})).items:
            scopes = ",".join(view.scopes)
            print(view.id, view.state, f"{view.prefix}…", view.owner or "a service", scopes, view.name, sep="\t")
        return 0
    if arguments.what == "revoke":
        await keys.revoke(there, _id(arguments.id))
        return 0
    rotated = await keys.rotate(there, _id(arguments.id), grace_hours=arguments.grace_hours)
    # Alone on standard output, so that a script can take it.
    print(rotated.key)
    return 0


async def _make_key(arguments: argparse.Namespace) -> int:
    scopes = [scope.strip() for scope in arguments.scopes.split(",") if scope.strip()]
    tenant_id = await tenants.find(await users.admin_actor(), arguments.tenant) if arguments.tenant else None
    created = await keys.create_key(
        email=arguments.email,
        name=arguments.name,
        scopes=scopes,
        expires_in_days=arguments.days,
        tenant_id=tenant_id,
    )
    print(created.key)
    return 0


async def _in_tenant(tenant: str | None) -> Actor:
    """The first admin, as they act in the tenant that is named; in their own where none is."""
    actor = await users.admin_actor()
    tenant_id = await tenants.find(actor, tenant) if tenant else actor.tenant_id
    return await acting_in(actor, tenant_id, Permission.ADMIN)


def _id(text: str | None) -> UUID:
    try:
        return UUID(text or "")
    except ValueError as error:
        raise InvalidInput("Say which key by its id; `admin key list` gives it.") from error
