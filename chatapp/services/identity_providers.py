"""Use cases of sign-in settings: the identity providers of a tenant, and whether its people may use passwords."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chatapp.domain import Actor, Permission, utc_now
from chatapp.errors import AppError, Conflict, InvalidInput, NotPermitted
from chatapp.outbound import AddressRefused, Resolver, check_reachable, system_resolver
from chatapp.services import oidc, oidc_client
from chatapp.services.identity_provider_fields import valid_fields
from chatapp.services.list_page import ListPage
from chatapp.settings import get_settings
from chatapp.store import audit, encryption, identity_providers, tenants
from chatapp.store.database import Transaction, system_transaction, transaction
from chatapp.store.tables import IdentityProviderTable

DEFAULT_SCOPES = ("email", "profile")
_PUBLIC_FIELDS = (
    *("name", "issuer", "client_id", "scopes", "email_domains", "groups_claim", "mappings", "default_roles"),
    *("creates_users", "is_enabled"),
)
_NO_WAY_IN = (
    "Nobody could sign in: passwords are switched off here, and this is the only provider in use. Switch passwords on "
    "first."
)


@dataclass(frozen=True, slots=True)
class GroupMapping:
    """What belonging to a group of the provider gives here."""

    group: str
    """The group's name at the provider."""
    roles: tuple[str, ...]
    groups: tuple[UUID, ...]
    """Groups of the tenant."""


@dataclass(frozen=True, slots=True)
class ProviderView:
    """An identity provider as admins see it: everything but its secret."""

    id: UUID
    name: str
    issuer: str
    client_id: str
    has_client_secret: bool
    scopes: tuple[str, ...]
    email_domains: tuple[str, ...]
    groups_claim: str
    mappings: tuple[GroupMapping, ...]
    default_roles: tuple[str, ...]
    creates_users: bool
    is_enabled: bool
    people: int
    """How many have signed in through it."""
    redirect_uri: str
    """What has to be registered at the provider."""
    start_path: str
    """A link that leads straight to the provider."""
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_row(cls, row: IdentityProviderTable, people: int) -> ProviderView:
        """The view of a row."""
        return cls(
            id=row.id,
            name=row.name,
            issuer=row.issuer,
            client_id=row.client_id,
            has_client_secret=bool(row.encrypted_client_secret),
            scopes=tuple(row.scopes),
            email_domains=tuple(row.email_domains),
            groups_claim=row.groups_claim,
            mappings=tuple(
                GroupMapping(each["group"], tuple(each["roles"]), tuple(UUID(group) for group in each["groups"]))
                for each in row.mappings
            ),
            default_roles=tuple(row.default_roles),
            creates_users=row.creates_users,
            is_enabled=row.is_enabled,
            people=people,
            redirect_uri=oidc.redirect_uri(),
            start_path=f"/auth/oidc/{row.id}/start",
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


@dataclass(frozen=True, slots=True)
class ProviderReport:
    """What a provider was found to be."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    algorithms: tuple[str, ...]
    """What it signs with that is accepted here."""
    keys: int
    """How many keys it publishes."""
    advice: tuple[str, ...]
    """What to look at, a sentence each."""


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """How people of a tenant sign in."""

    has_password_sign_in: bool
    enabled_providers: int


async def sign_in_settings(actor: Actor) -> SignInSettings:
    """How people of the actor's tenant sign in.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        tenant = await tenants.get(tx, actor.tenant_id)
        return SignInSettings(tenant.has_password_sign_in, len(await identity_providers.list_enabled(tx)))


async def set_password_sign_in(actor: Actor, *, is_on: bool, resolve: Resolver = system_resolver) -> SignInSettings:
    """Let people of the tenant use passwords, or have them come through a provider only.

    Args:
        actor: who changes it.
        is_on: whether passwords are taken. Switching them off asks the providers first: one has to work. Platform
            admins may use theirs always.
        resolve: looks names up; another one in tests only.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
        Conflict: no provider that works is in use.
    """
    actor.require(Permission.ADMIN)
    if not is_on:
        await _require_a_working_one(actor, resolve)
    async with transaction(actor) as tx:
        tenant = await tenants.get(tx, actor.tenant_id, for_update=True)
        if not is_on and not await identity_providers.list_enabled(tx):
            raise Conflict(_NO_WAY_IN, param="has_password_sign_in")
        if tenant.has_password_sign_in != is_on:
            tenant.has_password_sign_in = is_on
            await audit.write(
                tx,
                "tenant.sign_in_changed",
                tenant.id,
                before={"has_password_sign_in": not is_on},
                after={"has_password_sign_in": is_on},
            )
    return await sign_in_settings(actor)


async def _require_a_working_one(actor: Actor, resolve: Resolver) -> None:
    async with transaction(actor, readonly=True) as tx:
        enabled = await identity_providers.list_enabled(tx)
    problem = "Add an identity provider and use it first: without one nobody could sign in."
    for provider in enabled:
        try:
            await _report(provider, resolve)
            return
        except AppError as error:
            problem = f"{provider.name} does not work, so nobody could sign in: {error.message}"
    raise Conflict(problem, param="has_password_sign_in")


async def list_providers(actor: Actor, wanted: Mapping[str, str]) -> ListPage[ProviderView]:
    """The tenant's identity providers.

    Args:
        actor: who asks.
        wanted: filters, order and page as `store.listing` describes them; without order by name.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
        InvalidInput: a filter or the order is not valid.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        return ListPage.of(await identity_providers.find_page(tx, wanted), ProviderView.from_row)


async def get(actor: Actor, provider_id: UUID) -> ProviderView:
    """One of the tenant's identity providers.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
        NotFound: the tenant has none of that id.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        await identity_providers.get(tx, provider_id)
        found = await identity_providers.find_page(tx, {"id": str(provider_id)})
    return ProviderView.from_row(*found.rows[0])


async def create(actor: Actor, given: Mapping[str, Any], *, resolve: Resolver = system_resolver) -> ProviderView:
    """Add an identity provider.

    Args:
        actor: who adds it.
        given: fields of `ProviderView` that can be written, and `client_secret`; `name`, `issuer` and `client_id`
            have to be there.
        resolve: looks names up; another one in tests only.

    Raises:
        NotPermitted: the actor may not change the tenant's settings, or gives domains and is no platform admin.
        InvalidInput: a field is not valid; `param` names it.
        Conflict: the name is taken, or a domain is another tenant's.
    """
    actor.require(Permission.ADMIN)
    fields = valid_fields({"scopes": list(DEFAULT_SCOPES), **given})
    if "email_domains" in fields:
        await _check_domains(actor, fields["email_domains"], [])
    await _check_issuer(fields["issuer"], resolve)
    row = IdentityProviderTable(tenant_id=actor.tenant_id, **_columns(fields))
    async with transaction(actor) as tx:
        await _check_rows(tx, fields, None)
        tx.session.add(row)
        await tx.session.flush()
        await audit.write(tx, "identity_provider.added", row.id, after=_public(row, fields))
    return await get(actor, row.id)


async def update(
    actor: Actor, provider_id: UUID, given: Mapping[str, Any], *, resolve: Resolver = system_resolver
) -> ProviderView:
    """Change an identity provider.

    With another issuer, whom it called what is forgotten: another provider's names are other people. The sign-ins of
    people who came from it end then, and when it is taken out of use.

    Args:
        actor: who changes it.
        provider_id: which.
        given: the fields to change; a `client_secret` of no characters makes it a public client.
        resolve: looks names up; another one in tests only.

    Raises:
        NotPermitted: the actor may not change the tenant's settings, or adds domains and is no platform admin.
        NotFound: the tenant has none of that id.
        InvalidInput: a field is not valid; `param` names it.
        Conflict: the name is taken, a domain is another tenant's, or nobody could sign in any more.
    """
    actor.require(Permission.ADMIN)
    fields = valid_fields(given)
    present = await get(actor, provider_id)
    if "email_domains" in fields:
        await _check_domains(actor, fields["email_domains"], present.email_domains)
    if "issuer" in fields:
        await _check_issuer(fields["issuer"], resolve)
    async with transaction(actor) as tx:
        row = await identity_providers.get(tx, provider_id, for_update=True)
        await _check_rows(tx, fields, row)
        _keep_secret_at_home(row, fields)
        before, issuer, was_enabled = _public(row, fields), row.issuer, row.is_enabled
        for name, value in _columns(fields).items():
            setattr(row, name, value)
        row.updated_at = utc_now()
        await tx.session.flush()
        after = _public(row, fields)
        if row.issuer != issuer or (was_enabled and not row.is_enabled):
            await identity_providers.end_sessions(tx, row.id)
        if row.issuer != issuer:
            await identity_providers.forget_people(tx, row.id)
        if before != after or "client_secret" in fields:
            await audit.write(tx, "identity_provider.changed", row.id, before=before, after=after, name=row.name)
    oidc_client.forget_kept()
    return await get(actor, provider_id)


async def delete(actor: Actor, provider_id: UUID) -> None:
    """Remove an identity provider. The sign-ins of people who came from it end; the people stay.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
        NotFound: the tenant has none of that id.
        Conflict: nobody could sign in any more.
    """
    actor.require(Permission.ADMIN)
    async with transaction(actor) as tx:
        row = await identity_providers.get(tx, provider_id, for_update=True)
        await _keep_a_way_in(tx, row)
        before = _public(row, dict.fromkeys(_PUBLIC_FIELDS))
        await identity_providers.end_sessions(tx, row.id)
        await identity_providers.remove(tx, row.id)
        await audit.write(tx, "identity_provider.removed", provider_id, before=before)


async def try_out(actor: Actor, provider_id: UUID, *, resolve: Resolver = system_resolver) -> ProviderReport:
    """Ask an identity provider what it is.

    Raises:
        NotPermitted: the actor may not change the tenant's settings: this sends requests.
        NotFound: the tenant has none of that id.
        InvalidInput: what it says is not what a provider says.
        UpstreamError: it cannot be reached.
    """
    actor.require(Permission.ADMIN)
    async with transaction(actor, readonly=True) as tx:
        row = await identity_providers.get(tx, provider_id)
    return await _report(row, resolve)


async def _report(row: IdentityProviderTable, resolve: Resolver) -> ProviderReport:
    description = await oidc_client.discover(row.issuer, resolve=resolve, is_fresh=True)
    keys = await oidc_client.count_keys(description, resolve=resolve)
    advice = [f"Register {oidc.redirect_uri()} at the provider as the address people are sent back to."]
    if not row.email_domains:
        link = f"{get_settings().effective_public_url}/auth/oidc/{row.id}/start"
        advice.append(f"No domain leads here. Give people this link: {link}")
    if not row.mappings and not row.default_roles:
        advice.append("No group is mapped and there are no default roles, so nobody new is let in.")
    return ProviderReport(
        issuer=description.issuer,
        authorization_endpoint=description.authorization_endpoint,
        token_endpoint=description.token_endpoint,
        algorithms=description.algorithms,
        keys=keys,
        advice=tuple(advice),
    )


def _keep_secret_at_home(row: IdentityProviderTable, fields: Mapping[str, Any]) -> None:
    # Who may change the issuer must not get the secret sent to a server of their own.
    is_elsewhere = fields.get("issuer", row.issuer) != row.issuer
    if is_elsewhere and row.encrypted_client_secret and "client_secret" not in fields:
        raise InvalidInput(
            "Give the secret again with a new issuer: the one kept is for the old one.", param="client_secret"
        )


async def _check_issuer(issuer: Any, resolve: Resolver) -> None:
    if not isinstance(issuer, str) or "?" in issuer or "#" in issuer:
        raise InvalidInput("An issuer is an address without ? and #, as in https://login.example.org.", param="issuer")
    try:
        await check_reachable(issuer, oidc_client.policy(), resolve=resolve)
    except AddressRefused as error:
        raise InvalidInput(error.message, param="issuer") from error


async def _check_domains(actor: Actor, wanted: list[str], present: tuple[str, ...] | list[str]) -> None:
    added = [domain for domain in wanted if domain not in present]
    if added and not actor.may(Permission.PLATFORM):
        raise NotPermitted(
            "Only an admin of the whole installation adds domains: the sign-in page leads everybody with such an "
            "address to this provider."
        )
    async with system_transaction(readonly=True) as tx:
        for domain in added:
            if await identity_providers.is_domain_elsewhere(tx, domain, actor.tenant_id):
                raise Conflict(f"{domain} leads to a provider of another tenant already.", param="email_domains")


async def _check_rows(tx: Transaction, fields: Mapping[str, Any], row: IdentityProviderTable | None) -> None:
    """What has to be held against other rows."""
    if "name" in fields and await identity_providers.is_name_taken(tx, fields["name"], but=row.id if row else None):
        raise Conflict(f"There is an identity provider named “{fields['name']}” already.", param="name")
    wanted = {UUID(group_id) for mapping in fields.get("mappings", []) for group_id in mapping["groups"]}
    if wanted - await identity_providers.known_groups(tx, wanted):
        raise InvalidInput("There is no such group.", param="mappings")
    if row is not None and fields.get("is_enabled") is False:
        await _keep_a_way_in(tx, row)


async def _keep_a_way_in(tx: Transaction, row: IdentityProviderTable) -> None:
    tenant = await tenants.get(tx, row.tenant_id, for_update=True)
    others = [each for each in await identity_providers.list_enabled(tx) if each.id != row.id]
    if row.is_enabled and not tenant.has_password_sign_in and not others:
        raise Conflict(_NO_WAY_IN, param="is_enabled")


def _columns(fields: Mapping[str, Any]) -> dict[str, Any]:
    columns = {name: value for name, value in fields.items() if name in _PUBLIC_FIELDS}
    if "client_secret" in fields:
        secret_key = get_settings().effective_secret_key
        columns["encrypted_client_secret"] = encryption.encrypt(secret_key, fields["client_secret"])
    return columns


def _public(row: IdentityProviderTable, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit log keeps of the fields: of the secret only whether there is one."""
    kept = {name: getattr(row, name) for name in _PUBLIC_FIELDS if name in fields}
    if "client_secret" in fields:
        kept["has_client_secret"] = bool(row.encrypted_client_secret)
    return kept
