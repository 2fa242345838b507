from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
from sqlmodel import col, select, update

from chatapp.domain import Actor, Permission, utc_now
from chatapp.errors import InvalidInput, NotFound, NotPermitted, NotSignedIn, RateLimited
from chatapp.services import account, authentication, invitations, one_time_links, users
from chatapp.services.authentication import SignIn
from chatapp.settings import get_settings
from chatapp.store.database import system_transaction
from chatapp.store.tables import MembershipTable, SessionTable, TenantTable, UserTable
from tests.fixtures.people import MakeActor
from tests.fixtures.sign_in import PASSWORD, ActionsOf, SetPassword, token_of

OTHER = "another-horse-battery"

pytestmark = pytest.mark.usefixtures("sign_in_counted")


@pytest.fixture
async def begun(actor: Actor, set_password: SetPassword) -> SignIn:
    """The actor, signed in with a password."""
    await set_password(actor)
    return await authentication.sign_in(actor.email, PASSWORD)


async def join(person: Actor, tenant: Actor, **columns: object) -> None:
    assert person.user_id is not None
    values = {"roles": ["member"], "accepted_at": utc_now()} | columns
    async with system_transaction() as tx:
        tx.session.add(MembershipTable(tenant_id=tenant.tenant_id, user_id=person.user_id, **values))


async def test_another_password_ends_the_other_sign_ins(
    begun: SignIn, other_actor: Actor, set_password: SetPassword, actions_of: ActionsOf
) -> None:
    await set_password(other_actor)
    email = begun.actor.email
    second = await authentication.sign_in(email, PASSWORD)
    stranger = await authentication.sign_in(other_actor.email, PASSWORD)
    assert begun.actor.user_id is not None
    link = await users.new_sign_in_link(get_settings(), begun.actor.user_id)

    ended = await account.change_password(begun.actor, current_password=PASSWORD, new_password=OTHER)

    alive = [await authentication.actor_of_session(each.token) is not None for each in (begun, second, stranger)]
    assert (ended, alive) == (1, [True, False, True])
    assert await one_time_links.look(token_of(link), address=None) is None
    assert (await authentication.sign_in(email, OTHER)).actor.user_id == begun.actor.user_id
    assert (await authentication.sign_in(other_actor.email, PASSWORD)).actor.user_id == other_actor.user_id
    with pytest.raises(NotSignedIn):
        await authentication.sign_in(email, PASSWORD)
    assert "user.password_changed" in await actions_of(begun.actor)


@pytest.mark.parametrize(
    ("current", "new", "param"),
    [
        ("wrong", OTHER, "current_password"),
        ("", OTHER, "current_password"),
        (PASSWORD, "short", "new_password"),
        (PASSWORD, PASSWORD, "new_password"),
        (PASSWORD, "x" * 1_025, "new_password"),
    ],
)
async def test_a_bad_change_changes_nothing(begun: SignIn, current: str, new: str, param: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await account.change_password(begun.actor, current_password=current, new_password=new)

    assert refusal.value.param == param
    assert (await authentication.sign_in(begun.actor.email, PASSWORD)).actor.user_id == begun.actor.user_id


async def test_the_present_password_cannot_be_guessed(begun: SignIn) -> None:
    outcomes = []
    for number in range(8):
        with pytest.raises((InvalidInput, RateLimited)) as refusal:
            await account.change_password(begun.actor, current_password=f"wrong {number}", new_password=OTHER)
        outcomes.append(type(refusal.value))

    assert outcomes == [InvalidInput] * 6 + [RateLimited] * 2


async def test_a_key_changes_nothing_of_its_persons_account(begun: SignIn) -> None:
    by_key = replace(begun.actor, session_id=None, key_id=uuid4())

    for refused in (
        account.change_password(by_key, current_password=PASSWORD, new_password=OTHER),
        account.rename(by_key, name="Taken"),
        account.switch_tenant(by_key, by_key.tenant_id, token=begun.token),
    ):
        with pytest.raises(NotPermitted):
            await refused


async def test_who_has_no_password_changes_none(actor: Actor) -> None:
    with pytest.raises(NotPermitted):
        await account.change_password(replace(actor, session_id=uuid4()), current_password=PASSWORD, new_password=OTHER)


async def test_a_person_names_themselves(begun: SignIn, other_actor: Actor) -> None:
    assert await account.rename(begun.actor, name="  Ada Lovelace ") == "Ada Lovelace"

    assert (await account.describe(begun.actor)).name == "Ada Lovelace"
    assert (await account.describe(other_actor)).name == "Test Person"


async def test_switching_begins_a_session_in_the_other_tenant(
    begun: SignIn, other_actor: Actor, actions_of: ActionsOf
) -> None:
    await join(begun.actor, other_actor, roles=["auditor"])

    switched = await account.switch_tenant(begun.actor, other_actor.tenant_id, token=begun.token, address="10.1.1.1")

    found = await authentication.actor_of_session(switched.token)
    assert found is not None
    assert (found.tenant_id, found.user_id) == (other_actor.tenant_id, begun.actor.user_id)
    assert found.may(Permission.READ_ADMIN)
    assert not found.may(Permission.ADMIN)
    assert await authentication.actor_of_session(begun.token) is None
    assert switched.expires_at == begun.expires_at
    assert await actions_of(other_actor) == ["session.began"]
    own = await account.describe(found)
    assert (own.tenant_id, len(own.tenants)) == (other_actor.tenant_id, 2)


@pytest.mark.parametrize("why", ["no member", "invited", "disabled", "suspended", "no such tenant"])
async def test_where_one_may_not_act_is_not_found(begun: SignIn, other_actor: Actor, why: str) -> None:
    tenant_id = uuid4() if why == "no such tenant" else other_actor.tenant_id
    if why == "invited":
        await join(begun.actor, other_actor, accepted_at=None)
    elif why in {"disabled", "suspended"}:
        await join(begun.actor, other_actor, is_disabled=why == "disabled")
    if why == "suspended":
        async with system_transaction() as tx:
            await tx.session.execute(
                update(TenantTable).where(col(TenantTable.id) == tenant_id).values(is_suspended=True)
            )

    with pytest.raises(NotFound):
        await account.switch_tenant(begun.actor, tenant_id, token=begun.token)

    assert await authentication.actor_of_session(begun.token) is not None
    assert [each.id for each in (await account.describe(begun.actor)).tenants] == [begun.actor.tenant_id]


async def test_a_password_does_not_lead_into_a_tenant_that_takes_none(begun: SignIn, other_actor: Actor) -> None:
    await join(begun.actor, other_actor)
    async with system_transaction() as tx:
        await tx.session.execute(
            update(TenantTable).where(col(TenantTable.id) == other_actor.tenant_id).values(has_password_sign_in=False)
        )

    with pytest.raises(NotPermitted):
        await account.switch_tenant(begun.actor, other_actor.tenant_id, token=begun.token)


async def test_a_sign_in_through_an_identity_provider_stays_in_its_tenant(begun: SignIn, other_actor: Actor) -> None:
    await join(begun.actor, other_actor)
    async with system_transaction() as tx:
        await tx.session.execute(update(SessionTable).values(method="oidc"))
        await tx.session.execute(update(UserTable).values(is_platform_admin=True))
    authentication.forget_cached_actors()
    actor = await authentication.actor_of_session(begun.token)
    assert actor is not None

    assert not actor.may(Permission.PLATFORM)
    assert [each.id for each in (await account.describe(actor)).tenants] == [actor.tenant_id]
    with pytest.raises(NotPermitted, match="identity provider"):
        await account.switch_tenant(actor, other_actor.tenant_id, token=begun.token)


async def test_a_sign_in_through_an_identity_provider_ends_with_the_place(begun: SignIn) -> None:
    async with system_transaction() as tx:
        await tx.session.execute(update(SessionTable).values(method="oidc"))
        await tx.session.execute(update(UserTable).values(is_platform_admin=True))
        await tx.session.execute(update(MembershipTable).values(is_disabled=True))
    authentication.forget_cached_actors()
    assert await authentication.actor_of_session(begun.token) is None


async def test_a_platform_admin_looks_at_any_tenant_and_reads_in_none(
    begun: SignIn, other_actor: Actor, actions_of: ActionsOf
) -> None:
    async with system_transaction() as tx:
        await tx.session.execute(
            update(UserTable).where(col(UserTable.id) == begun.actor.user_id).values(is_platform_admin=True)
        )
        await tx.session.execute(
            update(TenantTable).where(col(TenantTable.id) == other_actor.tenant_id).values(is_suspended=True)
        )

    switched = await account.switch_tenant(begun.actor, other_actor.tenant_id, token=begun.token)

    found = await authentication.actor_of_session(switched.token)
    assert found is not None
    assert found.permissions == {Permission.READ_ADMIN, Permission.ADMIN, Permission.PLATFORM}
    assert (found.roles, found.tenant_id) == ((), other_actor.tenant_id)
    assert await actions_of(other_actor) == ["session.began"]
    assert [(each.roles, each.is_current) for each in (await account.describe(found)).tenants if each.is_current] == [
        ((), True)
    ]
    with pytest.raises(NotFound):
        await account.switch_tenant(found, uuid4(), token=switched.token)


async def test_a_password_the_admin_gave_becomes_ones_own_by_changing_it(
    actor: Actor, other_actor: Actor, make_actor: MakeActor
) -> None:
    await invitations.invite(actor, actor.tenant_id, email="a@example.org", roles=["member"], password=PASSWORD)
    invited = await invitations.invite(other_actor, other_actor.tenant_id, email="a@example.org", roles=["member"])
    begun = await authentication.sign_in("a@example.org", PASSWORD)

    await account.change_password(begun.actor, current_password=PASSWORD, new_password=OTHER)
    joined = await authentication.sign_in("a@example.org", OTHER, link=token_of(invited.invite_link))

    assert joined.actor.tenant_id == other_actor.tenant_id
    async with system_transaction(readonly=True) as tx:
        found = (await tx.session.execute(select(UserTable).where(col(UserTable.email) == "a@example.org"))).scalars()
    assert [(user.id, user.is_password_given) for user in found] == [(begun.actor.user_id, False)]
