"""OpenID Connect as the party that relies on it: discovery, keys, the code for a token, and what the token says.

The protocol and its checks come from Authlib, signatures from joserfc; everything is asked through `outbound`, since
an admin of a tenant chooses the address. Source: OpenID Connect Core 1.0, section 3.1, and Discovery 1.0, section 4.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chatapp.errors import AppError, InvalidInput, NotSignedIn
from chatapp.outbound import Policy, Reach, Resolver, checked_url, fetch, system_resolver
from chatapp.settings import get_settings

ALGORITHMS = (*("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"),)
"""What a token may be signed with: public keys only, so that nobody who knows our secret can sign one."""
CLOCK_SKEW_SECONDS = 60
_MAX_BYTES = 512 * 1024
_SECONDS = 10.0
_KEPT_SECONDS = 600.0
"""How long a description and keys are believed; a key that is not among them is looked for again at once."""
_FAILED_SECONDS = 10.0
"""How long a provider that did not answer, or not as one, is not asked again: each question may wait for seconds."""
_MAX_KEPT = 1_000
_WELL_KNOWN = "/.well-known/openid-configuration"


PROBLEMS = {
    "disabled": "This account is disabled here. Ask an admin of your organisation.",
    "domain": "Addresses like yours are not let in through this provider. Sign in with your organisation's address.",
    "elsewhere": "Your account is used in another organisation too and has no password to show that it is yours. Ask a "
    "platform admin for a link that sets one.",
    "expired": "Signing in took too long, or was begun in another tab. Try again.",
    "denied": "Your organisation's provider did not let you in, or you went back. Try again.",
    "no_role": "Your organisation has given you no access here yet. Ask an admin of your organisation.",
    "provider": "Your organisation's provider refused to complete the sign-in. Try again, or tell an admin.",
    "token": "What your organisation's provider sent is not valid, so nobody was signed in. Tell an admin.",
    "unknown": "You have no account here yet. Ask an admin of your organisation to invite you.",
    "unreachable": "Your organisation's provider cannot be reached. Try again in a moment.",
    "unverified": "Your organisation's provider has not confirmed your e-mail address, so it cannot be used here.",
    "unavailable": "This way to sign in is not there any more. Choose another one.",
}
"""What the sign-in page says when nobody was signed in, by reason."""


class SignInFailed(NotSignedIn):
    """Signing in through your organisation's provider did not work. Try again."""

    def __init__(self, reason: str, detail: str = "") -> None:
        """Keep what the page says and what the log says.

        Args:
            reason: a key of `PROBLEMS`.
            detail: what exactly was wrong, for the log; holds nothing of the token.
        """
        super().__init__(PROBLEMS[reason])
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Client:
    """Us, as the provider knows us."""

    issuer: str
    client_id: str
    client_secret: str = ""
    """Empty: a public client, which PKCE alone protects."""
    scopes: tuple[str, ...] = ()
    """Asked for beside `openid`."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a provider says about itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    algorithms: tuple[str, ...]
    """Those of ours it signs with, not empty."""
    auth_methods: tuple[str, ...]
    """How it lets clients prove themselves at the token endpoint."""
    sends_issuer: bool
    """Whether each answer of its authorization endpoint names it: RFC 9207."""


class _Kept:
    """Descriptions and keys fetched within the last minutes, or why they could not be, by address."""

    by_address: dict[str, tuple[float, Any]] = {}  # noqa: RUF012  # one a process is what this is


def policy() -> Policy:
    """Which addresses an identity provider may have."""
    if get_settings().allow_private_sign_in:
        return Policy(reach=Reach.PRIVATE)
    advice = "The operator can allow that with CHATAPP_ALLOW_PRIVATE_SIGN_IN=1."
    return Policy(schemes=frozenset({"https"}), advice=advice)


def forget_kept() -> None:
    """Ask providers again, after one was changed."""
    _Kept.by_address.clear()


async def discover(issuer: str, *, resolve: Resolver = system_resolver, is_fresh: bool = False) -> Description:
    """What the provider says about itself.

    Args:
        issuer: its address, as it stands in its tokens.
        resolve: looks names up; another one in tests only.
        is_fresh: ask, whatever is kept.

    Raises:
        InvalidInput: it may not be asked, or what it says is not what a provider says; `param` is `issuer`.
        UpstreamError: it cannot be reached.
    """
    address = issuer.rstrip("/") + _WELL_KNOWN
    found = await _json(address, resolve, is_fresh=is_fresh)
    if found.get("issuer") != issuer:
        said = str(found.get("issuer"))[:200]
        raise InvalidInput(f"{address} calls itself “{said}”. Give exactly this as the issuer.", param="issuer")
    return _description(issuer, found)


def _description(issuer: str, found: Mapping[str, Any]) -> Description:
    endpoints = {name: found.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    for name, value in endpoints.items():
        if not isinstance(value, str):
            raise InvalidInput(f"The provider does not say its {name}.", param="issuer")
        checked_url(value, policy())
    signed_with = _texts(found.get("id_token_signing_alg_values_supported")) or ("RS256",)
    algorithms = tuple(name for name in ALGORITHMS if name in signed_with)
    if not algorithms:
        raise InvalidInput(f"The provider signs with none of {', '.join(ALGORITHMS)}.", param="issuer")
    userinfo = found.get("userinfo_endpoint")
    return Description(
        issuer=issuer,
        authorization_endpoint=str(endpoints["authorization_endpoint"]),
        token_endpoint=str(endpoints["token_endpoint"]),
        jwks_uri=str(endpoints["jwks_uri"]),
        userinfo_endpoint=userinfo if isinstance(userinfo, str) else "",
        algorithms=algorithms,
        auth_methods=_texts(found.get("token_endpoint_auth_methods_supported")) or ("client_secret_basic",),
        sends_issuer=found.get("authorization_response_iss_parameter_supported") is True,
    )


async def count_keys(description: Description, *, resolve: Resolver = system_resolver) -> int:
    """How many keys the provider publishes that a token could be signed with.

    Raises:
        InvalidInput: what it publishes are no keys.
        UpstreamError: it cannot be reached.
    """
    return len(list(await _keys(description, resolve, is_fresh=True)))


def authorization_url(
    client: Client,
    description: Description,
    *,
    redirect_uri: str,
    state: str,
    nonce: str,
    verifier: str,
    hint: str = "",
) -> str:
    """Where the browser is sent to sign in.

    Args:
        client: us.
        description: of the provider.
        redirect_uri: where it sends the browser back to.
        state: ties the way back to this browser.
        nonce: ties the token to this sign-in.
        verifier: of PKCE; its hash goes along.
        hint: the address the person gave, so that they need not give it again.
    """
    from authlib.oauth2.client import OAuth2Client

    scopes = " ".join(dict.fromkeys(("openid", *client.scopes)))
    relying = OAuth2Client(
        None, client.client_id, scope=scopes, redirect_uri=redirect_uri, code_challenge_method="S256"
    )
    extra = {"login_hint": hint} if hint else {}
    url, _ = relying.create_authorization_url(
        description.authorization_endpoint, state=state, code_verifier=verifier, nonce=nonce, **extra
    )
    return url


def new_secret() -> str:
    """256 random bits, for state, nonce and verifier."""
    return secrets.token_urlsafe(32)


async def exchange(
    client: Client,
    description: Description,
    *,
    code: str,
    verifier: str,
    redirect_uri: str,
    resolve: Resolver = system_resolver,
) -> Mapping[str, Any]:
    """Give the code for tokens.

    Raises:
        SignInFailed: the provider refused, or answered with something else than tokens.
        UpstreamError: it cannot be reached.
    """
    from authlib.oauth2.auth import ClientAuth
    from authlib.oauth2.rfc6749.parameters import prepare_token_request

    method = _auth_method(client, description)
    body = prepare_token_request("authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=verifier)
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    auth = ClientAuth(client.client_id, client.client_secret, method)
    _, headers, body = auth.prepare("POST", description.token_endpoint, headers, body)
    answer = await fetch(
        description.token_endpoint,
        policy(),
        headers=headers,
        body=body.encode(),
        resolve=resolve,
        max_bytes=_MAX_BYTES,
        timeout_seconds=_SECONDS,
    )
    tokens = _read(answer.content)
    if answer.status_code != 200 or not isinstance(tokens.get("id_token"), str):
        said = str(tokens.get("error", "no id_token"))[:100]
        raise SignInFailed("provider", f"token endpoint: HTTP {answer.status_code}, {said}")
    return tokens


def _auth_method(client: Client, description: Description) -> str:
    if not client.client_secret:
        return "none"
    # Both are common; the header is what the standard has servers take.
    wants_post = "client_secret_basic" not in description.auth_methods
    return (
        "client_secret_post"
        if wants_post and "client_secret_post" in description.auth_methods
        else "client_secret_basic"
    )


async def verified_claims(
    client: Client,
    description: Description,
    tokens: Mapping[str, Any],
    *,
    nonce: str,
    resolve: Resolver = system_resolver,
) -> dict[str, Any]:
    """What the provider says about the person, once the token was held against everything it has to be.

    Signature by a key the provider publishes and an algorithm of ours, issuer, audience, authorised party, expiry
    with `CLOCK_SKEW_SECONDS`, nonce, and the hash of the access token where there is one.

    Raises:
        SignInFailed: one of these is not right.
        UpstreamError: the provider's keys cannot be fetched.
    """
    from authlib.oidc.core import CodeIDToken
    from joserfc.errors import InvalidKeyIdError, JoseError

    token = str(tokens["id_token"])
    try:
        try:
            decoded = _decoded(token, await _keys(description, resolve), description)
        except InvalidKeyIdError:
            # The provider has a new key; one look-up tells it from a made-up one.
            decoded = _decoded(token, await _keys(description, resolve, is_fresh=True), description)
        options = {
            "iss": {"essential": True, "value": client.issuer},
            "aud": {"essential": True, "value": client.client_id},
            "sub": {"essential": True},
            "nonce": {"essential": True, "value": nonce},
        }
        params = {"nonce": nonce, "client_id": client.client_id, "access_token": tokens.get("access_token")}
        claims = CodeIDToken(decoded.claims, decoded.header, options, params)
        claims.validate(leeway=CLOCK_SKEW_SECONDS)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise SignInFailed("token", f"id_token: {type(error).__name__}: {str(error)[:200]}") from error
    return dict(claims)


def _decoded(token: str, keys: Any, description: Description) -> Any:
    from joserfc import jwt

    return jwt.decode(token, keys, algorithms=list(description.algorithms))


async def more_claims(
    description: Description, tokens: Mapping[str, Any], subject: str, *, resolve: Resolver = system_resolver
) -> dict[str, Any]:
    """What the provider says at its userinfo endpoint; nothing where it has none, or speaks of somebody else.

    Source: OpenID Connect Core 1.0, section 5.3.2: the subject has to be the token's.

    Raises:
        UpstreamError: it cannot be reached.
    """
    access_token = tokens.get("access_token")
    if not description.userinfo_endpoint or not isinstance(access_token, str):
        return {}
    headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
    answer = await fetch(
        description.userinfo_endpoint,
        policy(),
        headers=headers,
        resolve=resolve,
        max_bytes=_MAX_BYTES,
        timeout_seconds=_SECONDS,
    )
    found = _read(answer.content) if answer.status_code == 200 else {}
    return dict(found) if found.get("sub") == subject else {}


async def _keys(description: Description, resolve: Resolver, *, is_fresh: bool = False) -> Any:
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    found = await _json(description.jwks_uri, resolve, is_fresh=is_fresh)
    try:
        return KeySet.import_key_set(found)  # pyright: ignore[reportArgumentType]
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise InvalidInput("The provider's keys cannot be read.", param="issuer") from error


async def _json(address: str, resolve: Resolver, *, is_fresh: bool) -> Mapping[str, Any]:
    now = time.monotonic()
    kept = _Kept.by_address.get(address)
    if kept is not None and kept[0] > now and not is_fresh:
        if isinstance(kept[1], AppError):
            raise kept[1]
        return kept[1]
    if len(_Kept.by_address) >= _MAX_KEPT:
        _Kept.by_address.clear()
    try:
        found = await _fetched(address, resolve)
    except AppError as error:
        _Kept.by_address[address] = (time.monotonic() + _FAILED_SECONDS, error)
        raise
    _Kept.by_address[address] = (now + _KEPT_SECONDS, found)
    return found


async def _fetched(address: str, resolve: Resolver) -> Mapping[str, Any]:
    try:
        answer = await fetch(address, policy(), resolve=resolve, max_bytes=_MAX_BYTES, timeout_seconds=_SECONDS)
    except InvalidInput as error:
        raise InvalidInput(error.message, param="issuer") from error
    found = _read(answer.content) if answer.status_code == 200 else {}
    if not found:
        raise InvalidInput(f"{address} does not describe an identity provider. Check the issuer.", param="issuer")
    return found


def _read(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()
