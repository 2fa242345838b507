"""Signing in through an identity provider, from the address a person types to the session.

These functions run before an actor is known, so they take none. What a browser has to keep between leaving and coming
back is encrypted, good for ten minutes and for one use.
"""

from __future__ import annotations

import base64
import hmac
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import structlog

from chatapp.errors import AppError, InvalidInput, NotSignedIn, UpstreamError
from chatapp.limits import attempts
from chatapp.outbound import Resolver, system_resolver
from chatapp.services import authentication, devices, oidc_client, oidc_people, passwords
from chatapp.services.authentication import Proof, SignIn
from chatapp.services.oidc_client import Client, SignInFailed
from chatapp.services.oidc_people import Claimed, Found
from chatapp.settings import get_settings
from chatapp.store import encryption, identity_providers, users
from chatapp.store.database import system_transaction
from chatapp.store.encryption import CannotDecrypt
from chatapp.store.tables import IdentityProviderTable, TenantTable

_log = structlog.get_logger(__name__)

KEPT_SECONDS = 600
"""How long a person may take at the provider, and then to prove that an account is theirs."""
CALLBACK_PATH = "/auth/oidc/callback"
_MAX_CODE_CHARACTERS = 4_096


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """A provider as the sign-in page offers it."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class Methods:
    """How an address can sign in; the same whether it has an account or not."""

    providers: list[ProviderChoice]
    password: bool
    """Whether to offer the password first; platform admins may use one always."""
    by_address: bool
    """Whether the address decides, so that it is asked for first."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that has left for its provider."""

    url: str
    kept: str
    """For the browser to keep, unreadable to it."""


@dataclass(frozen=True, slots=True)
class _Kept:
    provider_id: str
    state: str
    nonce: str
    verifier: str
    next: str


@dataclass(frozen=True, slots=True)
class ToProve:
    """Somebody the provider vouched for, whose account here wants its password once."""

    email: str
    provider_name: str
    kept: str
    """For the browser to keep, unreadable to it."""


async def methods(email: str = "", *, address: str = "") -> Methods:
    """How somebody with this address can sign in.

    Only the domain is looked at, so the answer tells nothing about accounts. Where the installation has one tenant
    with one provider, that is offered to everybody, and to an address not yet given.

    Args:
        email: theirs; empty: not given yet.
        address: network address the question came from.

    Raises:
        RateLimited: too many came from there.
    """
    await attempts.count_question(address)
    domain = email.strip().lower().rpartition("@")[2]
    async with system_transaction(readonly=True) as tx:
        some = await identity_providers.first_usable(tx, limit=2)
        is_alone = await identity_providers.count_tenants(tx) == 1
        found = await identity_providers.for_domain(tx, domain) if domain and some else []
    if not found and is_alone and len(some) == 1:
        provider, tenant = some[0]
        is_for_it = not domain or not provider.email_domains
        found = [(provider, tenant)] if is_for_it else []
    return Methods(
        providers=[ProviderChoice(provider.id, provider.name) for provider, _ in found],
        password=not found or any(tenant.has_password_sign_in for _, tenant in found),
        by_address=bool(some) and not (is_alone and len(some) == 1),
    )


async def begin(
    provider_id: UUID, *, next_path: str = "/", hint: str = "", address: str = "", resolve: Resolver = system_resolver
) -> Begun:
    """Send a person to their provider.

    Args:
        provider_id: the one they chose.
        next_path: where they wanted to go; a path of this installation.
        hint: the address they gave, for the provider to begin with.
        address: network address the request came from.
        resolve: looks names up; another one in tests only.

    Raises:
        RateLimited: too many came from there.
        SignInFailed: the provider is gone, disabled, or cannot be reached.
    """
    await attempts.count_question(address)
    provider, _ = await _provider(provider_id)
    client = client_of(provider)
    kept = _Kept(
        str(provider.id), oidc_client.new_secret(), oidc_client.new_secret(), oidc_client.new_secret(), next_path
    )
    try:
        description = await oidc_client.discover(client.issuer, resolve=resolve)
    except AppError as error:
        raise _told("unreachable", provider, error) from error
    url = oidc_client.authorization_url(
        client,
        description,
        redirect_uri=redirect_uri(),
        state=kept.state,
        nonce=kept.nonce,
        verifier=kept.verifier,
        hint=hint,
    )
    return Begun(url, _seal(asdict(kept)))


async def finish(
    answer: Mapping[str, str],
    sealed: str,
    *,
    address: str = "",
    user_agent: str = "",
    previous_token: str | None = None,
    resolve: Resolver = system_resolver,
) -> tuple[SignIn | ToProve, str]:
    """Take a person back from their provider and begin their session.

    Args:
        answer: the query they came back with.
        sealed: what their browser kept.
        address: network address the request came from.
        user_agent: the browser, for the person's list of sign-ins.
        previous_token: the session the browser held until now, which ends.
        resolve: looks names up; another one in tests only.

    Returns:
        the session, or what is needed to prove that an account is theirs; and where they wanted to go.

    Raises:
        SignInFailed: nobody was signed in; `reason` says why.
    """
    kept = await _opened(answer, sealed)
    provider, _ = await _provider(UUID(kept.provider_id))
    try:
        who = await _ask(provider, kept, answer, resolve)
        found = await oidc_people.find(provider, who)
        if found.kind == "prove" and found.user is not None:
            proof = {"provider_id": kept.provider_id, "user_id": str(found.user.id), "next": kept.next}
            proof |= asdict(oidc_people.with_mapped_groups(provider, who))
            return ToProve(found.user.email, provider.name, _seal(proof)), kept.next
        user, place = await oidc_people.bring_in(provider, who, found)
    except SignInFailed as error:
        raise _told(error.reason, provider, error) from error
    except (UpstreamError, InvalidInput) as error:
        raise _told("unreachable", provider, error) from error
    begun = await authentication.begin_session(
        user, place, Proof("oidc"), address=address, user_agent=user_agent, previous_token=previous_token
    )
    return begun, kept.next


async def prove(
    password: str,
    sealed: str,
    *,
    address: str = "",
    user_agent: str = "",
    previous_token: str | None = None,
    device: str = "",
) -> tuple[SignIn, str]:
    """Join somebody the provider vouched for to their account, once they know its password.

    Args:
        password: of the account, as typed.
        sealed: what their browser kept.
        address: network address the request came from.
        user_agent: the browser, for the person's list of sign-ins.
        previous_token: the session the browser held until now, which ends.
        device: as for `authentication.sign_in`.

    Returns:
        the session, and where they wanted to go.

    Raises:
        NotSignedIn: the password is not right, or was chosen by an admin.
        SignInFailed: it took too long, or the account or the provider is not there any more.
        RateLimited: too many attempts.
    """
    proof = _unseal(sealed)
    if "user_id" not in proof:
        raise SignInFailed("expired", "nothing to prove")
    provider, _ = await _provider(UUID(proof["provider_id"]))
    async with system_transaction(readonly=True) as tx:
        user = await users.by_id(tx, UUID(proof["user_id"]))
    known = devices.name_of(device, UUID(proof["user_id"]))
    await attempts.count_attempt(proof["user_id"], address, device=known)
    is_right = await passwords.is_right(user.password_hash if user is not None else None, password)
    if user is None or user.is_disabled or not is_right:
        await attempts.count_failure(address)
        raise NotSignedIn("The password is not right.")
    await attempts.forget_attempts(proof["user_id"], address, device=known)
    if user.is_password_given:
        # Whoever chose it knows it, and would come in here with it: another tenant's admin.
        raise NotSignedIn(
            "An admin chose this password. Sign in with it, choose one of your own in your account, and come back."
        )
    if not await attempts.use_once(sealed):
        raise SignInFailed("expired", "proved before")
    who = Claimed(proof["subject"], proof["email"], proof["is_verified"], proof["name"], tuple(proof["groups"]))
    shown = Proof("oidc", user.password_hash)
    user, place = await oidc_people.bring_in(provider, who, Found("link", user))
    begun = await authentication.begin_session(
        user, place, shown, address=address, user_agent=user_agent, previous_token=previous_token
    )
    return begun, proof["next"]


def redirect_uri() -> str:
    """Where providers send people back to; has to be registered there."""
    return get_settings().effective_public_url + CALLBACK_PATH


def client_of(provider: IdentityProviderTable) -> Client:
    """Us, as the provider knows us.

    Raises:
        SignInFailed: the client secret was encrypted under a secret that is gone.
    """
    settings = get_settings()
    try:
        client_secret = encryption.decrypt(
            settings.effective_secret_key, provider.encrypted_client_secret, previous=settings.previous_secret_keys
        )
    except CannotDecrypt as error:
        raise _told("provider", provider, error) from error
    return Client(provider.issuer, provider.client_id, client_secret, tuple(provider.scopes))


async def _provider(provider_id: UUID) -> tuple[IdentityProviderTable, TenantTable]:
    async with system_transaction(readonly=True) as tx:
        found = await identity_providers.usable(tx, provider_id)
    if found is None:
        raise SignInFailed("unavailable", "no such provider, or it is disabled")
    return found


async def _opened(answer: Mapping[str, str], sealed: str) -> _Kept:
    """What the browser kept, held against what it came back with."""
    try:
        kept = _Kept(**_unseal(sealed))
    except TypeError as error:
        raise SignInFailed("expired", "something else was kept") from error
    state = answer.get("state", "")
    if not hmac.compare_digest(state.encode("utf-8", "replace"), kept.state.encode()):
        raise SignInFailed("expired", "another state")
    if not await attempts.use_once(kept.state):
        raise SignInFailed("expired", "the state was used before")
    if error := answer.get("error"):
        reason = "denied" if error in {"access_denied", "consent_required", "login_required"} else "provider"
        _log.info("oidc.refused_by_provider", provider=kept.provider_id, error=error[:100])
        raise SignInFailed(reason, f"the provider says {error[:100]}")
    return kept


async def _ask(provider: IdentityProviderTable, kept: _Kept, answer: Mapping[str, str], resolve: Resolver) -> Claimed:
    """Who came back: the code given for tokens, and the tokens checked."""
    client = client_of(provider)
    description = await oidc_client.discover(client.issuer, resolve=resolve)
    # An answer of another provider, sent here to have its code taken to this one: RFC 9207.
    issuer = answer.get("iss")
    if issuer != client.issuer and (issuer is not None or description.sends_issuer):
        raise SignInFailed("token", "the answer came from another issuer")
    code = answer.get("code", "")
    if not 0 < len(code) <= _MAX_CODE_CHARACTERS:
        raise SignInFailed("provider", "no code")
    tokens = await oidc_client.exchange(
        client, description, code=code, verifier=kept.verifier, redirect_uri=redirect_uri(), resolve=resolve
    )
    claims = await oidc_client.verified_claims(client, description, tokens, nonce=kept.nonce, resolve=resolve)
    if "email" not in claims or provider.groups_claim not in claims:
        more = await oidc_client.more_claims(description, tokens, str(claims["sub"]), resolve=resolve)
        claims = more | claims
    return oidc_people.claimed(claims, groups_claim=provider.groups_claim)


def _seal(values: Mapping[str, Any]) -> str:
    settings = get_settings()
    # Browsers keep 4 kB of a cookie, and somebody can be in many groups.
    packed = base64.b64encode(zlib.compress(json.dumps(dict(values)).encode(), level=9)).decode()
    return encryption.encrypt(settings.effective_secret_key, packed, purpose=encryption.SIGN_IN)


def _unseal(sealed: str) -> dict[str, Any]:
    settings = get_settings()
    try:
        text = encryption.decrypt(
            settings.effective_secret_key,
            sealed,
            previous=settings.previous_secret_keys,
            purpose=encryption.SIGN_IN,
            max_age_seconds=KEPT_SECONDS,
        )
        return json.loads(zlib.decompress(base64.b64decode(text)))
    except (CannotDecrypt, ValueError, zlib.error) as error:
        raise SignInFailed("expired", "nothing kept, or too long ago") from error


def _told(reason: str, provider: IdentityProviderTable, error: Exception) -> SignInFailed:
    """The failure for the page, after the log was told what an admin needs to know."""
    detail = error.detail if isinstance(error, SignInFailed) else str(error)
    _log.warning("oidc.failed", provider=str(provider.id), tenant=str(provider.tenant_id), reason=reason, detail=detail)
    return SignInFailed(reason, detail)
