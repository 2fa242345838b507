from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select, update

from chatapp.domain import Actor, Permission, Role, utc_now
from chatapp.errors import NotPermitted, NotSignedIn, RateLimited
from chatapp.limits import attempts
from chatapp.services import authentication, keys, oidc, oidc_client
from chatapp.services.authentication import SignIn
from chatapp.services.oidc import ToProve
from chatapp.services.oidc_client import SignInFailed
from chatapp.settings import get_settings
from chatapp.store import encryption
from chatapp.store.database import system_transaction
from chatapp.store.tables import (
    AuditTable,
    GroupMemberTable,
    GroupTable,
    IdentityProviderTable,
    IdentityTable,
    MembershipTable,
    TenantTable,
    UserTable,
)
from tests.fixtures.identity_provider import AddProvider
from tests.fixtures.people import MakeActor
from tests.fixtures.servers import free_port
from tests.identity_provider.server import IdentityProvider, Person

PASSWORD = "correct-horse-battery"


@pytest.fixture(autouse=True)
async def counting(database: AsyncEngine) -> AsyncIterator[None]:
    attempts.open_attempts("")
    authentication.forget_cached_actors()
    yield
    await attempts.close_attempts()


async def leave(provider_id: UUID, **named: Any) -> tuple[dict[str, str], str]:
    """Go to the provider as a browser does: what it sends back, and what the browser kept."""
    begun = await oidc.begin(provider_id, **named)
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(begun.url)
    assert answer.status_code == 302, answer.text
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    return {name: values[0] for name, values in query.items()}, begun.kept


async def sign_in(provider_id: UUID, **named: Any) -> SignIn:
    done, _ = await oidc.finish(*await leave(provider_id), **named)
    assert isinstance(done, SignIn)
    return done


async def refused(provider_id: UUID) -> str:
    """The reason why nobody is signed in."""
    with pytest.raises(SignInFailed) as caught:
        await oidc.finish(*await leave(provider_id))
    assert caught.value.message == oidc_client.PROBLEMS[caught.value.reason]
    return caught.value.reason


async def rows(table: Any) -> list[Any]:
    async with system_transaction(readonly=True) as tx:
        return list((await tx.session.execute(select(table))).scalars())


async def user_of(email: str) -> UserTable:
    return next(user for user in await rows(UserTable) if user.email == email)


async def change(table: Any, *conditions: Any, **values: Any) -> None:
    async with system_transaction() as tx:
        await tx.session.execute(update(table).where(*conditions).values(**values))


async def set_password(actor: Actor) -> None:
    password_hash = await authentication.hash_password(PASSWORD)
    await change(UserTable, col(UserTable.id) == actor.user_id, password_hash=password_hash)


async def test_somebody_new_becomes_a_user_of_the_tenant(
    identity_provider: IdentityProvider, add_provider: AddProvider, actor: Actor, other_actor: Actor
) -> None:
    provider_id = await add_provider()

    begun = await sign_in(provider_id, address="10.0.0.1", user_agent="test")

    found = await authentication.actor_of_session(begun.token)
    assert found is not None
    assert (found.email, found.name, found.roles) == ("ada@example.org", "Ada Lovelace", (Role.MEMBER,))
    assert found.tenant_id == actor.tenant_id != other_actor.tenant_id
    user = await user_of("ada@example.org")
    assert user.password_hash is None
    places = [place for place in await rows(MembershipTable) if place.user_id == user.id]
    assert [(place.tenant_id, place.is_managed) for place in places] == [(actor.tenant_id, True)]
    written = [(line.action, line.actor_name) for line in await rows(AuditTable)]
    assert ("identity.linked", "Login (identity provider)") in written
    assert ("user.added", "Login (identity provider)") in written
    assert ("session.began", "ada@example.org") in written


async def test_the_same_person_is_known_again_by_their_subject(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    provider_id = await add_provider()
    first = await sign_in(provider_id)
    identity_provider.person = Person(email="ada.king@example.org", email_verified=False)

    second = await sign_in(provider_id, previous_token=first.token)

    assert second.actor.user_id == first.actor.user_id
    assert second.actor.email == "ada@example.org"
    assert await authentication.actor_of_session(first.token) is None


async def test_one_subject_at_two_providers_is_two_people(
    identity_provider: IdentityProvider, add_provider: AddProvider, other_actor: Actor
) -> None:
    ours, theirs = await add_provider(), await add_provider(tenant_id=other_actor.tenant_id)
    first = await sign_in(ours)
    identity_provider.person = Person(email="other@example.org")
    second = await sign_in(theirs)
    assert second.actor.tenant_id == other_actor.tenant_id
    assert first.actor.user_id != second.actor.user_id


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ({"claims": {"nonce": "another"}}, "token"),
        ({"claims": {"nonce": None}}, "token"),
        ({"claims": {"aud": "another-client"}}, "token"),
        ({"claims": {"aud": ["chatapp", "another"]}}, "token"),
        ({"claims": {"aud": ["chatapp", "another"], "azp": "another"}}, "token"),
        ({"claims": {"aud": None}}, "token"),
        ({"claims": {"iss": "https://evil.example"}}, "token"),
        ({"claims": {"iss": None}}, "token"),
        ({"claims_from_now": {"exp": -120}}, "token"),
        ({"claims": {"exp": None}}, "token"),
        ({"claims": {"exp": "soon"}}, "token"),
        ({"claims_from_now": {"nbf": 3_600}}, "token"),
        ({"claims_from_now": {"iat": 3_600}}, "token"),
        ({"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}}, "token"),
        ({"claims": {"sub": None}}, "token"),
        ({"claims": {"sub": ""}}, "token"),
        ({"claims": {"sub": "x" * 300}}, "token"),
        ({"claims": {"sub": 7}}, "token"),
        ({"sign": "none"}, "token"),
        ({"sign": "hmac"}, "token"),
        ({"sign": "hmac_of_secret"}, "token"),
        ({"sign": "other_key"}, "token"),
        ({"sign": "unknown_kid"}, "token"),
        ({"sign": "broken"}, "token"),
        ({"sign": "garbage"}, "token"),
        ({"error": "access_denied"}, "denied"),
        ({"error": "server_error"}, "provider"),
        ({"token_status": 400, "token_body": {"error": "invalid_grant"}}, "provider"),
        ({"token_status": 200, "token_body": {"access_token": "x"}}, "provider"),
        ({"token_status": 200, "token_body": {"id_token": 7}}, "provider"),
        ({"iss": "https://evil.example"}, "token"),
        ({"metadata": {"authorization_response_iss_parameter_supported": True}}, "token"),
    ],
    ids=str,
)
async def test_whatever_is_wrong_with_the_answer_signs_nobody_in(
    identity_provider: IdentityProvider, add_provider: AddProvider, faults: dict[str, Any], reason: str
) -> None:
    provider_id = await add_provider()
    identity_provider.faults = faults

    assert await refused(provider_id) == reason

    assert await rows(IdentityTable) == []
    assert "ada@example.org" not in [user.email for user in await rows(UserTable)]


@pytest.mark.parametrize(
    "faults",
    [
        {"claims_from_now": {"exp": -20}},
        {"claims_from_now": {"iat": 20}},
        {"claims": {"aud": ["chatapp", "another"], "azp": "chatapp"}},
        {"claims": {"at_hash": None}},
        {"sign": "no_kid"},
        {"userinfo_only": ("email", "email_verified", "name", "groups")},
        {"metadata": {"token_endpoint_auth_methods_supported": ["client_secret_post"]}},
    ],
    ids=str,
)
async def test_what_the_standard_allows_is_taken(
    identity_provider: IdentityProvider, add_provider: AddProvider, faults: dict[str, Any]
) -> None:
    provider_id = await add_provider()
    identity_provider.faults = faults
    assert (await sign_in(provider_id)).actor.email == "ada@example.org"


async def test_userinfo_of_somebody_else_is_not_believed(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    identity_provider.faults = {"userinfo_only": ("email", "email_verified"), "userinfo_sub": "somebody-else"}
    assert await refused(await add_provider()) == "unverified"


async def test_an_issuer_sent_along_is_taken_when_it_is_right(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    identity_provider.faults = {
        "iss": identity_provider.issuer,
        "metadata": {"authorization_response_iss_parameter_supported": True},
    }
    assert (await sign_in(await add_provider())).actor.email == "ada@example.org"


async def test_a_public_client_is_held_by_pkce_alone(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    identity_provider.client_secret = ""
    provider_id = await add_provider(client_secret="")
    assert (await sign_in(provider_id)).actor.email == "ada@example.org"

    answer, _ = await leave(provider_id)
    _, kept = await leave(provider_id)
    opened = oidc._unseal(kept)
    forged = oidc._seal(opened | {"state": answer["state"]})
    with pytest.raises(SignInFailed) as caught:
        await oidc.finish(answer, forged)
    assert caught.value.reason == "provider"


async def test_a_wrong_client_secret_is_told_apart(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    assert await refused(await add_provider(client_secret="wrong")) == "provider"


async def test_a_code_is_good_once(identity_provider: IdentityProvider, add_provider: AddProvider) -> None:
    provider_id = await add_provider()
    answer, kept = await leave(provider_id)
    await oidc.finish(answer, kept)
    fresh, fresh_kept = await leave(provider_id)
    with pytest.raises(SignInFailed) as caught:
        await oidc.finish(fresh | {"code": answer["code"]}, fresh_kept)
    assert caught.value.reason == "provider"
    assert identity_provider.tokens_given == 1


async def test_a_state_is_good_once(identity_provider: IdentityProvider, add_provider: AddProvider) -> None:
    provider_id = await add_provider()
    answer, kept = await leave(provider_id)
    await oidc.finish(answer, kept)
    with pytest.raises(SignInFailed) as caught:
        await oidc.finish(answer, kept)
    assert caught.value.reason == "expired"
    assert identity_provider.requests.count("/token") == 1


@pytest.mark.parametrize("state", ["", "another", "\ud800"])
async def test_an_answer_to_another_browser_is_refused(
    identity_provider: IdentityProvider, add_provider: AddProvider, state: str
) -> None:
    provider_id = await add_provider()
    answer, kept = await leave(provider_id)
    with pytest.raises(SignInFailed) as caught:
        await oidc.finish(answer | {"state": state}, kept)
    assert caught.value.reason == "expired"
    assert "/token" not in identity_provider.requests


@pytest.mark.parametrize("kept", ["", "x", "gAAAAA"])
async def test_without_what_the_browser_kept_nothing_is_asked(
    identity_provider: IdentityProvider, add_provider: AddProvider, kept: str
) -> None:
    answer, _ = await leave(await add_provider())
    with pytest.raises(SignInFailed) as caught:
        await oidc.finish(answer, kept)
    assert caught.value.reason == "expired"
    assert "/token" not in identity_provider.requests


async def test_what_the_browser_keeps_says_nothing_and_runs_out(
    identity_provider: IdentityProvider, add_provider: AddProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, kept = await leave(await add_provider())
    assert answer["state"] not in kept
    assert encryption.decrypt(get_settings().effective_secret_key, kept, purpose=encryption.SIGN_IN)
    monkeypatch.setattr(oidc, "KEPT_SECONDS", -1)
    with pytest.raises(SignInFailed) as caught:
        await oidc.finish(answer, kept)
    assert caught.value.reason == "expired"


async def test_a_new_key_of_the_provider_is_found(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    provider_id = await add_provider()
    await sign_in(provider_id)
    identity_provider.rotate()
    identity_provider.requests.clear()

    await sign_in(provider_id)
    await sign_in(provider_id)

    assert identity_provider.requests.count("/keys") == 1
    assert "/.well-known/openid-configuration" not in identity_provider.requests


async def test_an_unknown_key_is_looked_for_once(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    provider_id = await add_provider()
    await sign_in(provider_id)
    identity_provider.requests.clear()
    identity_provider.faults = {"sign": "unknown_kid"}
    assert await refused(provider_id) == "token"
    assert identity_provider.requests.count("/keys") == 1


async def test_what_is_asked_of_the_provider_is_what_the_standard_wants(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    begun = await oidc.begin(await add_provider(), hint="ada@example.org")
    query = {name: values[0] for name, values in parse_qs(urlsplit(begun.url).query).items()}
    assert query["redirect_uri"] == "http://127.0.0.1:3000/auth/oidc/callback"
    assert query["scope"] == "openid email profile"
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    assert query["login_hint"] == "ada@example.org"
    assert min(len(query["state"]), len(query["nonce"]), len(query["code_challenge"])) >= 43


async def test_an_unverified_address_is_not_linked_and_makes_nobody(
    identity_provider: IdentityProvider, add_provider: AddProvider, actor: Actor
) -> None:
    provider_id = await add_provider()
    for verified in (False, None, "false", 0, "yes"):
        for email in (actor.email, "new@example.org"):
            identity_provider.person = Person(email=email, email_verified=verified)
            assert await refused(provider_id) == "unverified"
    assert await rows(IdentityTable) == []


@pytest.mark.parametrize("others", [{"email_verified": "true"}, {"email_verified": None, "xms_edov": 1}])
async def test_other_ways_to_say_that_an_address_is_verified(
    identity_provider: IdentityProvider, add_provider: AddProvider, others: dict[str, Any]
) -> None:
    identity_provider.person = Person(email_verified=None, others=others)
    assert (await sign_in(await add_provider())).actor.email == "ada@example.org"


@pytest.mark.parametrize(
    "email", [None, "", "no address", "a@b@example.org", "a\x00@example.org", "x" * 300 + "@e.org"]
)
async def test_no_address_makes_nobody(
    identity_provider: IdentityProvider, add_provider: AddProvider, email: Any
) -> None:
    identity_provider.person = Person(email=email)
    assert await refused(await add_provider()) == "unverified"


async def test_addresses_of_other_domains_are_not_let_in(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    provider_id = await add_provider(email_domains=["example.org"])
    for email in ("eve@evil.example", "eve@sub.example.org", "eve@example.org.evil.example", None):
        identity_provider.person = Person(sub=f"sub-{email}", email=email)
        assert await refused(provider_id) == "domain"
    identity_provider.person = Person(email="Ada@EXAMPLE.org")
    assert (await sign_in(provider_id)).actor.email == "ada@example.org"


async def test_somebody_known_who_moved_to_another_domain_is_not_let_in(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    provider_id = await add_provider(email_domains=["example.org"])
    await sign_in(provider_id)
    identity_provider.person = Person(email="ada@elsewhere.example")
    assert await refused(provider_id) == "domain"


async def test_an_account_of_this_tenant_alone_is_linked_and_keeps_its_roles(
    identity_provider: IdentityProvider, add_provider: AddProvider, actor: Actor
) -> None:
    await set_password(actor)
    identity_provider.person = Person(email=actor.email)

    begun = await sign_in(await add_provider())

    assert begun.actor.user_id == actor.user_id
    assert begun.actor.roles == (Role.ADMIN,)


async def test_an_invited_person_arrives(
    identity_provider: IdentityProvider, add_provider: AddProvider, make_actor: MakeActor, actor: Actor
) -> None:
    invited = await make_actor([Permission.CHAT], tenant=actor.tenant_id)
    await change(MembershipTable, col(MembershipTable.user_id) == invited.user_id, accepted_at=None)
    identity_provider.person = Person(email=invited.email)
    assert (await sign_in(await add_provider())).actor.user_id == invited.user_id


async def also_in(tenant_id: UUID, actor: Actor) -> None:
    """Their place in a further tenant, whose provider says what they are there."""
    async with system_transaction() as tx:
        place = MembershipTable(tenant_id=tenant_id, user_id=actor.user_id, roles=["admin"], is_managed=True)
        place.accepted_at = utc_now()
        tx.session.add(place)


@pytest.mark.parametrize("has_password", [True, False])
async def test_who_has_the_address_in_another_tenant_is_somebody_else(
    identity_provider: IdentityProvider,
    add_provider: AddProvider,
    actor: Actor,
    other_actor: Actor,
    has_password: bool,
) -> None:
    """Neither can a provider take an account of another tenant, nor another tenant's account keep anybody out."""
    if has_password:
        await set_password(other_actor)
    provider_id = await add_provider()
    identity_provider.person = Person(email=other_actor.email)

    begun = await sign_in(provider_id)

    assert begun.actor.user_id != other_actor.user_id
    assert (begun.actor.tenant_id, begun.actor.email) == (actor.tenant_id, other_actor.email)
    places = [place.tenant_id for place in await rows(MembershipTable) if place.user_id == other_actor.user_id]
    assert places == [other_actor.tenant_id]


async def test_an_account_of_two_tenants_is_not_taken_over(
    identity_provider: IdentityProvider, add_provider: AddProvider, actor: Actor, other_actor: Actor
) -> None:
    await also_in(actor.tenant_id, other_actor)
    provider_id = await add_provider()
    identity_provider.person = Person(email=other_actor.email)
    assert await refused(provider_id) == "elsewhere"
    await set_password(other_actor)
    assert isinstance((await oidc.finish(*await leave(provider_id)))[0], ToProve)


async def test_a_platform_admin_is_not_taken_over(
    identity_provider: IdentityProvider, add_provider: AddProvider, actor: Actor
) -> None:
    await set_password(actor)
    await change(UserTable, col(UserTable.id) == actor.user_id, is_platform_admin=True)
    identity_provider.person = Person(email=actor.email)
    done, _ = await oidc.finish(*await leave(await add_provider()))
    assert isinstance(done, ToProve)


async def test_who_knows_the_password_joins_once_and_needs_it_no_more(
    identity_provider: IdentityProvider, add_provider: AddProvider, actor: Actor, other_actor: Actor
) -> None:
    await also_in(actor.tenant_id, other_actor)
    await set_password(other_actor)
    provider_id = await add_provider(default_roles=["reviewer"])
    identity_provider.person = Person(email=other_actor.email)
    done, _ = await oidc.finish(*await leave(provider_id, next_path="/documents"))
    assert isinstance(done, ToProve)

    with pytest.raises(NotSignedIn, match="password is not right"):
        await oidc.prove("wrong", done.kept)
    begun, path = await oidc.prove(PASSWORD, done.kept)
    with pytest.raises(SignInFailed):
        await oidc.prove(PASSWORD, done.kept)
    again = await sign_in(provider_id)

    assert path == "/documents"
    assert begun.actor.user_id == again.actor.user_id == other_actor.user_id
    assert begun.actor.tenant_id == again.actor.tenant_id == actor.tenant_id
    assert again.actor.roles == (Role.REVIEWER,)


async def test_a_person_of_many_groups_can_prove_who_they_are(
    identity_provider: IdentityProvider, add_provider: AddProvider, actor: Actor, other_actor: Actor
) -> None:
    await also_in(actor.tenant_id, other_actor)
    await set_password(other_actor)
    names = [f"CN=Group number {number},OU=Departments,DC=example,DC=org" for number in range(500)]
    mappings = [{"group": name, "roles": ["member"], "groups": []} for name in names[:200]]
    provider_id = await add_provider(mappings=mappings, default_roles=[])
    identity_provider.person = Person(email=other_actor.email, groups=tuple(names))
    done, _ = await oidc.finish(*await leave(provider_id, next_path="/" + "x" * 999))
    assert isinstance(done, ToProve)

    assert len(done.kept) < 4_000
    begun, _ = await oidc.prove(PASSWORD, done.kept)
    assert begun.actor.roles == (Role.MEMBER,)


async def test_what_was_kept_for_the_way_there_proves_nothing(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    _, kept = await leave(await add_provider())
    for each in (kept, "", "x"):
        with pytest.raises(SignInFailed) as caught:
            await oidc.prove(PASSWORD, each)
        assert caught.value.reason == "expired"


async def test_a_password_that_an_admin_chose_proves_nothing(
    identity_provider: IdentityProvider, add_provider: AddProvider, actor: Actor, other_actor: Actor
) -> None:
    await also_in(actor.tenant_id, other_actor)
    await set_password(other_actor)
    await change(UserTable, col(UserTable.id) == other_actor.user_id, is_password_given=True)
    identity_provider.person = Person(email=other_actor.email)
    done, _ = await oidc.finish(*await leave(await add_provider()))
    assert isinstance(done, ToProve)
    with pytest.raises(NotSignedIn) as refused:
        await oidc.prove(PASSWORD, done.kept)
    assert "your account" in refused.value.message
    await change(UserTable, col(UserTable.id) == other_actor.user_id, is_password_given=False)
    begun, _ = await oidc.prove(PASSWORD, done.kept)
    assert begun.actor.user_id == other_actor.user_id


async def test_guessing_the_password_is_limited(
    identity_provider: IdentityProvider, add_provider: AddProvider, actor: Actor, other_actor: Actor
) -> None:
    await also_in(actor.tenant_id, other_actor)
    await set_password(other_actor)
    identity_provider.person = Person(email=other_actor.email)
    done, _ = await oidc.finish(*await leave(await add_provider()))
    assert isinstance(done, ToProve)
    for _ in range(6):
        with pytest.raises(NotSignedIn):
            await oidc.prove("wrong", done.kept)
    with pytest.raises(RateLimited):
        await oidc.prove(PASSWORD, done.kept)


async def test_a_session_through_a_provider_stays_in_its_tenant_and_is_no_platform_admins(
    identity_provider: IdentityProvider, add_provider: AddProvider, actor: Actor
) -> None:
    await set_password(actor)
    await change(UserTable, col(UserTable.id) == actor.user_id, is_platform_admin=True)
    identity_provider.person = Person(email=actor.email)
    done, _ = await oidc.finish(*await leave(await add_provider()))
    assert isinstance(done, ToProve)

    begun, _ = await oidc.prove(PASSWORD, done.kept)

    found = await authentication.actor_of_session(begun.token)
    assert found is not None
    for each in (found, begun.actor):
        assert each.is_confined
        assert each.may(Permission.ADMIN)
        assert not each.may(Permission.PLATFORM)
    with pytest.raises(NotPermitted):
        await keys.create(found, name="mine", scopes=["admin"], user_id=found.user_id)


async def test_nobody_new_where_the_provider_brings_nobody(
    identity_provider: IdentityProvider, add_provider: AddProvider, actor: Actor
) -> None:
    provider_id = await add_provider(creates_users=False)
    assert await refused(provider_id) == "unknown"
    identity_provider.person = Person(email=actor.email)
    assert (await sign_in(provider_id)).actor.user_id == actor.user_id


async def test_the_disabled_are_not_let_in(
    identity_provider: IdentityProvider, add_provider: AddProvider, actor: Actor
) -> None:
    provider_id = await add_provider()
    begun = await sign_in(provider_id)
    place = col(MembershipTable.user_id) == begun.actor.user_id
    await change(MembershipTable, place, is_disabled=True)
    assert await refused(provider_id) == "disabled"
    await change(MembershipTable, place, is_disabled=False)
    await change(UserTable, col(UserTable.id) == begun.actor.user_id, is_disabled=True)
    assert await refused(provider_id) == "disabled"


async def test_a_suspended_tenant_and_a_disabled_provider_are_no_way_in(
    identity_provider: IdentityProvider, add_provider: AddProvider, actor: Actor
) -> None:
    provider_id = await add_provider()
    left = [await leave(provider_id) for _ in range(2)]
    for table, condition, column, value in (
        (TenantTable, col(TenantTable.id) == actor.tenant_id, "is_suspended", True),
        (IdentityProviderTable, col(IdentityProviderTable.id) == provider_id, "is_enabled", False),
    ):
        await change(table, condition, **{column: value})
        with pytest.raises(SignInFailed) as begun:
            await oidc.begin(provider_id)
        with pytest.raises(SignInFailed) as finished:
            await oidc.finish(*left.pop())
        assert begun.value.reason == finished.value.reason == "unavailable"
        await change(table, condition, **{column: not value})


async def test_an_unknown_provider_is_no_way_in(database: AsyncEngine) -> None:
    with pytest.raises(SignInFailed) as caught:
        await oidc.begin(uuid4())
    assert caught.value.reason == "unavailable"


async def test_a_provider_that_is_away_is_said(identity_provider: IdentityProvider, add_provider: AddProvider) -> None:
    provider_id = await add_provider(issuer=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(SignInFailed) as caught:
        await oidc.begin(provider_id)
    assert caught.value.reason == "unreachable"


async def test_a_provider_that_gave_no_answer_is_not_asked_again_at_once(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    provider_id = await add_provider(issuer=f"{identity_provider.issuer}/nothing-here")
    for _ in range(3):
        with pytest.raises(SignInFailed) as caught:
            await oidc.begin(provider_id)
        assert caught.value.reason == "unreachable"
    assert len(identity_provider.requests) == 1


async def test_a_provider_on_a_private_address_is_not_asked_unless_the_operator_allows_it(
    identity_provider: IdentityProvider, add_provider: AddProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider_id = await add_provider()
    monkeypatch.delenv("CHATAPP_ALLOW_PRIVATE_SIGN_IN")
    get_settings.cache_clear()
    with pytest.raises(SignInFailed) as caught:
        await oidc.begin(provider_id)
    assert caught.value.reason == "unreachable"
    assert identity_provider.requests == []


@pytest.mark.parametrize("endpoint", ["token_endpoint", "jwks_uri", "userinfo_endpoint"])
async def test_a_provider_cannot_send_us_to_a_reserved_address(
    identity_provider: IdentityProvider, add_provider: AddProvider, endpoint: str
) -> None:
    provider_id = await add_provider()
    identity_provider.faults = {
        "metadata": {endpoint: "http://169.254.169.254/latest/meta-data/"},
        "userinfo_only": ("email",),
    }
    with pytest.raises(SignInFailed) as caught:
        await oidc.finish(*await leave(provider_id))
    assert caught.value.reason == "unreachable"


async def test_the_client_secret_goes_nowhere_else(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    thief = IdentityProvider()
    thief.open()
    try:
        identity_provider.faults = {"redirect_token": f"{thief.issuer}/token"}
        assert await refused(await add_provider()) == "provider"
        assert thief.requests == []
    finally:
        thief.close()


MAPPINGS = [
    {"group": "staff", "roles": ["member"], "groups": []},
    {"group": "editors", "roles": ["content_owner", "member"], "groups": []},
    {"group": "auditors", "roles": ["auditor"], "groups": []},
]


@pytest.mark.parametrize(
    ("groups", "roles"),
    [
        (("staff",), (Role.MEMBER,)),
        (("staff", "editors"), (Role.MEMBER, Role.CONTENT_OWNER)),
        (("auditors", "nobody-knows"), (Role.AUDITOR,)),
        ("staff", (Role.MEMBER,)),
        ((), (Role.REVIEWER,)),
        (("Staff",), (Role.REVIEWER,)),
        ({"staff": True}, (Role.REVIEWER,)),
        ((7, None), (Role.REVIEWER,)),
    ],
)
async def test_groups_of_the_provider_come_to_roles(
    identity_provider: IdentityProvider, add_provider: AddProvider, groups: Any, roles: tuple[Role, ...]
) -> None:
    provider_id = await add_provider(mappings=MAPPINGS, default_roles=["reviewer"])
    identity_provider.person = Person(groups=groups)
    assert (await sign_in(provider_id)).actor.roles == roles


async def test_the_claim_with_the_groups_is_the_tenants_to_name(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    claim = "https://example.org/claims/roles"
    provider_id = await add_provider(mappings=MAPPINGS, default_roles=[], groups_claim=claim)
    identity_provider.person = Person(groups=None, others={claim: ["staff"]})
    assert (await sign_in(provider_id)).actor.roles == (Role.MEMBER,)


async def test_roles_follow_the_provider_and_sessions_end_when_they_change(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    provider_id = await add_provider(mappings=MAPPINGS, default_roles=[])
    identity_provider.person = Person(groups=("staff", "editors"))
    first = await sign_in(provider_id)
    same = await sign_in(provider_id)
    assert await authentication.actor_of_session(first.token) is not None

    identity_provider.person = Person(groups=("staff",))
    third = await sign_in(provider_id)

    assert third.actor.roles == (Role.MEMBER,)
    assert [await authentication.actor_of_session(each.token) for each in (first, same)] == [None, None]
    assert await authentication.actor_of_session(third.token) is not None
    changed = [line for line in await rows(AuditTable) if line.action == "user.changed"]
    assert changed[-1].before["roles"] == ["member", "content_owner"]
    assert changed[-1].after["roles"] == ["member"]


@pytest.mark.parametrize("groups", [("staff",), ()])
async def test_a_tenants_last_admin_stays_one_whatever_the_provider_says(
    identity_provider: IdentityProvider,
    add_provider: AddProvider,
    actor: Actor,
    other_actor: Actor,
    groups: tuple[str, ...],
) -> None:
    """The other tenant's admin is no help, and one of its own is."""
    mappings = [*MAPPINGS, {"group": "admins", "roles": ["admin"], "groups": []}]
    provider_id = await add_provider(mappings=mappings, default_roles=["reviewer"])
    identity_provider.person = Person(groups=("admins",))
    first = await sign_in(provider_id)
    await change(MembershipTable, col(MembershipTable.user_id) == actor.user_id, roles=["member"])
    identity_provider.person = Person(groups=groups)

    alone = await sign_in(provider_id)
    await change(MembershipTable, col(MembershipTable.user_id) == actor.user_id, roles=["admin"])
    second = await sign_in(provider_id)

    of_group = Role.MEMBER if groups else Role.REVIEWER
    assert first.actor.roles == (Role.ADMIN,)
    assert alone.actor.roles == (of_group, Role.ADMIN)
    assert second.actor.roles == (of_group,)


async def test_who_is_in_no_group_any_more_is_out(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    provider_id = await add_provider(mappings=MAPPINGS, default_roles=[])
    identity_provider.person = Person(groups=("staff",))
    begun = await sign_in(provider_id)

    identity_provider.person = Person(groups=())
    assert await refused(provider_id) == "no_role"

    assert await authentication.actor_of_session(begun.token) is None
    (place,) = [place for place in await rows(MembershipTable) if place.user_id == begun.actor.user_id]
    assert place.roles == []


async def test_somebody_new_without_a_role_leaves_no_trace(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    assert await refused(await add_provider(mappings=MAPPINGS, default_roles=[])) == "no_role"
    assert "ada@example.org" not in [user.email for user in await rows(UserTable)]
    assert await rows(IdentityTable) == []


async def add_group(tenant_id: UUID, name: str) -> UUID:
    row = GroupTable(tenant_id=tenant_id, name=name)
    async with system_transaction() as tx:
        tx.session.add(row)
    return row.id


async def test_groups_of_the_provider_come_to_groups_here(
    identity_provider: IdentityProvider, add_provider: AddProvider, actor: Actor, other_actor: Actor
) -> None:
    sales, law, by_hand = [await add_group(actor.tenant_id, name) for name in ("Sales", "Law", "By hand")]
    foreign = await add_group(other_actor.tenant_id, "Sales")
    mappings = [
        {"group": "sales", "roles": ["member"], "groups": [str(sales), str(foreign)]},
        {"group": "law", "roles": ["member"], "groups": [str(law), str(by_hand)]},
    ]
    provider_id = await add_provider(mappings=mappings, default_roles=["member"])
    identity_provider.person = Person(groups=("sales",))
    begun = await sign_in(provider_id)
    assert begun.actor.user_id is not None

    async def groups() -> dict[UUID, bool]:
        return {row.group_id: row.is_managed for row in await rows(GroupMemberTable)}

    assert await groups() == {sales: True}
    async with system_transaction() as tx:
        tx.session.add(GroupMemberTable(tenant_id=actor.tenant_id, group_id=by_hand, user_id=begun.actor.user_id))
    identity_provider.person = Person(groups=("law",))
    await sign_in(provider_id)
    assert await groups() == {law: True, by_hand: False}
    identity_provider.person = Person(groups=())
    await sign_in(provider_id)
    assert await groups() == {by_hand: False}


async def test_two_first_sign_ins_at_once_make_one_person(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    provider_id = await add_provider()
    left = [await leave(provider_id) for _ in range(3)]

    done = await asyncio.gather(*(oidc.finish(*each) for each in left))

    people = {begun.actor.user_id for begun, _ in done if isinstance(begun, SignIn)}
    assert len(people) == 1
    assert len(await rows(IdentityTable)) == 1


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"id_token_signing_alg_values_supported": ["HS256", "none"]},
        {"jwks_uri": 7},
    ],
    ids=str,
)
async def test_a_description_that_cannot_be_right_is_refused(
    identity_provider: IdentityProvider, add_provider: AddProvider, metadata: dict[str, Any]
) -> None:
    provider_id = await add_provider()
    identity_provider.faults = {"metadata": metadata}
    with pytest.raises(SignInFailed) as caught:
        await oidc.begin(provider_id)
    assert caught.value.reason == "unreachable"


async def test_the_log_names_no_token_and_no_secret(
    identity_provider: IdentityProvider, add_provider: AddProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    identity_provider.faults = {"sign": "broken"}
    provider_id = await add_provider()
    answer, kept = await leave(provider_id)
    with pytest.raises(SignInFailed):
        await oidc.finish(answer, kept)
    printed = "".join(capsys.readouterr())
    for secret in (answer["code"], kept, identity_provider.client_secret, "eyJ"):
        assert secret not in printed


async def test_what_an_address_can_use_depends_on_its_domain_only(
    identity_provider: IdentityProvider, add_provider: AddProvider, actor: Actor, other_actor: Actor
) -> None:
    ours = await add_provider(name="Ours", email_domains=["example.org"])
    theirs = await add_provider(name="Theirs", email_domains=["other.example"], tenant_id=other_actor.tenant_id)

    async def ids(email: str) -> list[UUID]:
        return [each.id for each in (await oidc.methods(email)).providers]

    assert await ids(actor.email) == await ids("nobody@example.org") == await ids(" Nobody@EXAMPLE.org ") == [ours]
    assert await ids("x@other.example") == [theirs]
    for email in ("", "x", "x@ample.org", 'x@"', "x@%", "x@example.org.evil"):
        assert await ids(email) == []
    found = await oidc.methods("x@example.org")
    assert (found.password, found.by_address) == (True, True)
    await change(TenantTable, col(TenantTable.id) == actor.tenant_id, has_password_sign_in=False)
    assert not (await oidc.methods("x@example.org")).password
    assert (await oidc.methods("x@other.example")).password
    assert (await oidc.methods("x@elsewhere.example")).password


async def test_one_tenant_with_one_provider_offers_it_at_once(
    identity_provider: IdentityProvider, add_provider: AddProvider
) -> None:
    assert await oidc.methods() == oidc.Methods([], password=True, by_address=False)
    provider_id = await add_provider()
    found = await oidc.methods()
    assert ([each.id for each in found.providers], found.password, found.by_address) == ([provider_id], True, False)
    await change(IdentityProviderTable, col(IdentityProviderTable.id) == provider_id, is_enabled=False)
    assert await oidc.methods() == oidc.Methods([], password=True, by_address=False)


async def test_a_previous_secret_still_opens_the_clients(
    identity_provider: IdentityProvider, add_provider: AddProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = get_settings().effective_secret_key
    provider_id = await add_provider()
    left = await leave(provider_id)
    monkeypatch.setenv("CHATAPP_SECRET_KEY", "another-secret-for-tests-0123456789")
    get_settings.cache_clear()
    with pytest.raises(SignInFailed):
        await oidc.begin(provider_id)
    monkeypatch.setenv("CHATAPP_PREVIOUS_SECRET_KEYS", old)
    get_settings.cache_clear()
    done, _ = await oidc.finish(*left)
    assert isinstance(done, SignIn)
    assert done.expires_at > utc_now() + timedelta(days=1)
