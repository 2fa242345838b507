from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlmodel import col, select, update

from chatapp.domain import Actor, Permission, Role, utc_now
from chatapp.errors import Conflict, InvalidInput, NotFound, NotPermitted, NotSignedIn
from chatapp.services import account, authentication, groups, invitations, keys, memberships, one_time_links
from chatapp.store.database import system_transaction
from chatapp.store.tables import MembershipTable, OneTimeLinkTable, SessionTable, TenantTable, UserTable
from tests.fixtures.people import MakeActor
from tests.fixtures.sign_in import PASSWORD, ActionsOf, SetPassword, token_of

MEMBER = {Permission.CHAT}
OTHERS = "another-horse-battery"

pytestmark = pytest.mark.usefixtures("sign_in_counted")


async def look(link: str | None) -> str | None:
    view = await one_time_links.look(token_of(link), address=None)
    return view.kind if view is not None else None


async def change(table: type, user_id: UUID | None, **values: object) -> None:
    async with system_transaction() as tx:
        column = table.id if table is UserTable else table.user_id  # pyright: ignore[reportAttributeAccessIssue]
        await tx.session.execute(update(table).where(col(column) == user_id).values(**values))


async def test_an_invited_person_sets_a_password_and_is_in(actor: Actor, actions_of: ActionsOf) -> None:
    invited = await invitations.invite(
        actor, actor.tenant_id, email="New@Example.org", roles=["reviewer", "member"], name="New Person"
    )
    before = (await memberships.get_user(actor, actor.tenant_id, invited.id)).user

    begun = await authentication.redeem_link(token_of(invited.invite_link), PASSWORD)

    after = (await memberships.get_user(actor, actor.tenant_id, invited.id)).user
    assert (invited.email, invited.status, invited.roles) == ("new@example.org", "invited", ("member", "reviewer"))
    assert (before.status, before.name, after.status, after.name) == ("invited", "", "active", "New Person")
    assert (begun.actor.tenant_id, begun.actor.roles) == (actor.tenant_id, (Role.MEMBER, Role.REVIEWER))
    assert (await authentication.sign_in("new@example.org", PASSWORD)).actor.user_id == invited.id
    assert await look(invited.invite_link) is None
    assert "user.invited" in await actions_of(actor)


async def test_a_person_added_with_a_password_signs_in_at_once(actor: Actor) -> None:
    added = await invitations.invite(
        actor, actor.tenant_id, email="a@example.org", roles=["content_owner"], password=PASSWORD
    )

    begun = await authentication.sign_in("a@example.org", PASSWORD)

    assert (added.status, added.invite_link) == ("active", None)
    assert begun.actor.may(Permission.WRITE_DOCUMENTS)


async def test_an_invitation_opens_once_for_a_week(actor: Actor) -> None:
    invited = await invitations.invite(actor, actor.tenant_id, email="a@example.org", roles=["member"])
    async with system_transaction(readonly=True) as tx:
        row = (await tx.session.execute(select(OneTimeLinkTable))).scalar_one()
    assert row.token_hash not in token_of(invited.invite_link)
    assert timedelta(days=6, hours=23) < row.expires_at - utc_now() <= timedelta(days=7)

    await change(OneTimeLinkTable, invited.id, expires_at=utc_now() - timedelta(seconds=1))
    assert await look(invited.invite_link) is None
    with pytest.raises(NotSignedIn):
        await authentication.redeem_link(token_of(invited.invite_link), PASSWORD)

    await change(OneTimeLinkTable, invited.id, expires_at=utc_now() + timedelta(days=1))
    await authentication.redeem_link(token_of(invited.invite_link), PASSWORD)
    with pytest.raises(NotSignedIn):
        await authentication.redeem_link(token_of(invited.invite_link), OTHERS)


async def test_a_new_link_ends_the_one_before_in_this_tenant_only(actor: Actor, other_actor: Actor) -> None:
    first = await invitations.invite(actor, actor.tenant_id, email="a@example.org", roles=["member"])
    elsewhere = await invitations.invite(other_actor, other_actor.tenant_id, email="a@example.org", roles=["member"])

    second = await invitations.renew(actor, actor.tenant_id, first.id)

    assert first.id != elsewhere.id
    assert [await look(link) for link in (first.invite_link, second, elsewhere.invite_link)] == [
        None,
        "invite",
        "invite",
    ]


async def test_a_withdrawn_invitation_opens_nothing(actor: Actor) -> None:
    invited = await invitations.invite(actor, actor.tenant_id, email="a@example.org", roles=["admin"])
    await memberships.remove_user(actor, actor.tenant_id, invited.id)

    assert await look(invited.invite_link) is None
    with pytest.raises(NotSignedIn):
        await authentication.redeem_link(token_of(invited.invite_link), PASSWORD)


async def test_somebody_with_an_account_joins_by_signing_in(
    actor: Actor, other_actor: Actor, set_password: SetPassword, actions_of: ActionsOf
) -> None:
    await set_password(other_actor)
    invited = await invitations.invite(actor, actor.tenant_id, email=other_actor.email, roles=["reviewer"], name="X")
    token = token_of(invited.invite_link)

    assert (await authentication.sign_in(other_actor.email, PASSWORD)).actor.tenant_id == other_actor.tenant_id
    with pytest.raises(NotSignedIn):
        await authentication.sign_in(other_actor.email, OTHERS, link=token)
    begun = await authentication.sign_in(other_actor.email, PASSWORD, link=token)

    own = await account.describe(begun.actor)
    assert (begun.actor.tenant_id, begun.actor.roles) == (actor.tenant_id, (Role.REVIEWER,))
    assert {each.id: each.is_current for each in own.tenants} == {actor.tenant_id: True, other_actor.tenant_id: False}
    assert own.name == "Test Person"
    assert "invitation.accepted" in await actions_of(actor)
    with pytest.raises(NotSignedIn):
        await authentication.sign_in(other_actor.email, PASSWORD, link=token)


async def test_a_link_is_for_one_person(actor: Actor, other_actor: Actor, set_password: SetPassword) -> None:
    await set_password(other_actor)
    invited = await invitations.invite(actor, actor.tenant_id, email="a@example.org", roles=["admin"])

    with pytest.raises(NotSignedIn):
        await authentication.sign_in(other_actor.email, PASSWORD, link=token_of(invited.invite_link))

    assert await look(invited.invite_link) == "invite"


async def test_a_link_does_not_help_a_wrong_password(
    actor: Actor, other_actor: Actor, set_password: SetPassword
) -> None:
    await set_password(other_actor)
    invited = await invitations.invite(actor, actor.tenant_id, email=other_actor.email, roles=["member"])
    sentences = set()

    for email, link in (
        (other_actor.email, token_of(invited.invite_link)),
        (other_actor.email, "no such link"),
        ("nobody@example.org", token_of(invited.invite_link)),
        ("nobody@example.org", None),
    ):
        with pytest.raises(NotSignedIn) as refusal:
            await authentication.sign_in(email, "wrong", link=link)
        sentences.add(refusal.value.message)

    assert len(sentences) == 1


async def test_an_account_one_tenants_admin_made_does_not_open_another(actor: Actor, other_actor: Actor) -> None:
    """The pre-hijack: whoever makes an account for somebody knows its password before they do."""
    made = await invitations.invite(
        actor, actor.tenant_id, email="victim@example.org", roles=["member"], password=PASSWORD
    )
    invited = await invitations.invite(other_actor, other_actor.tenant_id, email="victim@example.org", roles=["admin"])
    token = token_of(invited.invite_link)
    assert made.id != invited.id

    begun = await authentication.sign_in("victim@example.org", PASSWORD)
    with pytest.raises(NotFound):
        await account.switch_tenant(begun.actor, other_actor.tenant_id, token=begun.token)
    with pytest.raises(InvalidInput) as refusal:
        await authentication.sign_in("victim@example.org", PASSWORD, link=token)
    assert refusal.value.param == "new_password"

    joined = await authentication.sign_in("victim@example.org", PASSWORD, link=token, new_password=OTHERS)

    assert joined.actor.tenant_id == other_actor.tenant_id
    assert await authentication.actor_of_session(begun.token) is None
    with pytest.raises(NotSignedIn):
        await authentication.sign_in("victim@example.org", PASSWORD)


async def test_an_address_held_in_one_tenant_is_free_in_another(actor: Actor, other_actor: Actor) -> None:
    """The squatter: an admin invites an address and opens the invitation, so that nobody else can use the address."""
    mine = await invitations.invite(actor, actor.tenant_id, email="victim@example.org", roles=["member"])
    theirs = await invitations.invite(other_actor, other_actor.tenant_id, email="victim@example.org", roles=["admin"])
    squatter = await authentication.redeem_link(token_of(mine.invite_link), PASSWORD)

    assert await look(theirs.invite_link) == "invite"
    victim = await authentication.redeem_link(token_of(theirs.invite_link), OTHERS)

    assert victim.actor.user_id != squatter.actor.user_id
    for begun, there in ((squatter, other_actor), (victim, actor)):
        with pytest.raises(NotFound):
            await account.switch_tenant(begun.actor, there.tenant_id, token=begun.token)
    for password, tenant_id in ((PASSWORD, actor.tenant_id), (OTHERS, other_actor.tenant_id)):
        again = await authentication.sign_in("victim@example.org", password)
        assert again.actor.tenant_id == tenant_id
    async with system_transaction(readonly=True) as tx:
        places = (await tx.session.execute(select(MembershipTable.tenant_id, MembershipTable.user_id))).all()
    assert (other_actor.tenant_id, squatter.actor.user_id) not in places
    assert (actor.tenant_id, victim.actor.user_id) not in places


async def test_who_gives_the_password_they_have_joins_with_it(
    actor: Actor, other_actor: Actor, set_password: SetPassword
) -> None:
    await set_password(other_actor)
    invited = await invitations.invite(actor, actor.tenant_id, email=other_actor.email, roles=["member"])

    begun = await authentication.redeem_link(token_of(invited.invite_link), PASSWORD)

    own = await account.describe(begun.actor)
    assert (begun.actor.user_id, begun.actor.tenant_id) == (other_actor.user_id, actor.tenant_id)
    assert {each.id for each in own.tenants} == {actor.tenant_id, other_actor.tenant_id}


async def test_links_are_no_way_to_guess_passwords(actor: Actor, other_actor: Actor, set_password: SetPassword) -> None:
    """Whoever may invite can make as many links as they like, and open them."""
    await set_password(other_actor, OTHERS)
    for number in range(7):
        guess = OTHERS if number == 6 else f"a wrong password, number {number}"
        invited = await invitations.invite(actor, actor.tenant_id, email=other_actor.email, roles=["member"])
        begun = await authentication.redeem_link(token_of(invited.invite_link), guess)
        assert begun.actor.user_id == invited.id
        await memberships.remove_user(actor, actor.tenant_id, invited.id)


async def test_what_an_invited_place_was_given_goes_to_who_joins_with_it(
    actor: Actor, other_actor: Actor, set_password: SetPassword
) -> None:
    await set_password(other_actor)
    invited = await invitations.invite(actor, actor.tenant_id, email=other_actor.email, roles=["content_owner"])
    group = await groups.create(actor, name="Editors", description="")
    await groups.add_members(actor, group.id, [invited.id])
    key = await keys.create(actor, name="Theirs", scopes=["use:chat"], user_id=invited.id)

    await authentication.sign_in(other_actor.email, PASSWORD, link=token_of(invited.invite_link))

    assert other_actor.user_id is not None
    found = await memberships.get_user(actor, actor.tenant_id, other_actor.user_id)
    assert ([each.name for each in found.groups], found.key_count) == (["Editors"], 1)
    assert found.user.roles == ("content_owner",)
    acting = await authentication.actor_of_key(key.key)
    assert acting is not None
    assert (acting.user_id, acting.tenant_id) == (other_actor.user_id, actor.tenant_id)
    with pytest.raises(NotFound):
        await memberships.get_user(actor, actor.tenant_id, invited.id)
    async with system_transaction(readonly=True) as tx:
        assert await tx.session.get(UserTable, invited.id) is None


@pytest.mark.parametrize("password", [None, OTHERS])
@pytest.mark.parametrize("email", ["known@example.org", "unknown@example.org"])
async def test_an_admin_is_told_the_same_of_who_has_an_account_and_who_has_none(
    actor: Actor,
    other_actor: Actor,
    make_actor: MakeActor,
    set_password: SetPassword,
    email: str,
    password: str | None,
) -> None:
    known = await make_actor(MEMBER, tenant=other_actor.tenant_id, email="known@example.org")
    await set_password(known)

    invited = await invitations.invite(
        actor, actor.tenant_id, email=email, roles=["member"], name="Somebody", password=password
    )
    seen = (await memberships.get_user(actor, actor.tenant_id, invited.id)).user

    status, name = ("active", "Somebody") if password else ("invited", "")
    assert (invited.status, invited.roles, bool(invited.invite_link)) == (status, ("member",), password is None)
    assert (seen.name, seen.status, seen.last_seen_at, seen.is_platform_admin) == (name, status, None, False)
    assert await look(invited.invite_link) == "invite" if invited.invite_link else password
    assert (await memberships.list_users(actor, actor.tenant_id, {"name.has": "Test Person", "q": email})).items == []
    assert (await authentication.sign_in("known@example.org", PASSWORD)).actor.user_id == known.user_id
    if password:
        assert (await authentication.sign_in(email, password)).actor.tenant_id == actor.tenant_id


async def test_nobody_is_invited_twice(actor: Actor, make_actor: MakeActor) -> None:
    colleague = await make_actor(MEMBER, tenant=actor.tenant_id)
    await invitations.invite(actor, actor.tenant_id, email="a@example.org", roles=["member"])

    for email in (colleague.email, "A@example.org "):
        with pytest.raises(Conflict):
            await invitations.invite(actor, actor.tenant_id, email=email, roles=["admin"])
    with pytest.raises(Conflict):
        await invitations.renew(actor, actor.tenant_id, colleague.user_id or UUID(int=0))


async def test_an_admin_resets_the_password_of_their_own_people(
    actor: Actor, make_actor: MakeActor, set_password: SetPassword, actions_of: ActionsOf
) -> None:
    person = await make_actor(MEMBER, tenant=actor.tenant_id)
    await set_password(person)
    before = await authentication.sign_in(person.email, PASSWORD)
    assert person.user_id is not None

    link = await invitations.reset_link(actor, actor.tenant_id, person.user_id)
    begun = await authentication.redeem_link(token_of(link), OTHERS)

    assert begun.actor.user_id == person.user_id
    assert await authentication.actor_of_session(before.token) is None
    assert "user.reset_link_made" in await actions_of(actor)


async def test_a_person_of_two_tenants_is_reset_by_a_platform_admin_only(
    actor: Actor, other_actor: Actor, operator: Actor, make_actor: MakeActor
) -> None:
    person = await make_actor(MEMBER, tenant=actor.tenant_id)
    assert person.user_id is not None
    assert operator.user_id is not None
    async with system_transaction() as tx:
        tx.session.add(
            MembershipTable(
                tenant_id=other_actor.tenant_id, user_id=person.user_id, roles=["member"], accepted_at=utc_now()
            )
        )
        tx.session.add(
            MembershipTable(
                tenant_id=actor.tenant_id, user_id=operator.user_id, roles=["member"], accepted_at=utc_now()
            )
        )

    for user_id in (person.user_id, operator.user_id):
        with pytest.raises(NotPermitted):
            await invitations.reset_link(actor, actor.tenant_id, user_id)
    with pytest.raises(NotPermitted):
        await invitations.reset_link_of_anyone(actor, person.user_id)

    link = await invitations.reset_link(operator, actor.tenant_id, person.user_id)
    assert (await authentication.redeem_link(token_of(link), PASSWORD)).actor.user_id == person.user_id


@pytest.mark.parametrize("since", ["joined another tenant", "became a platform admin"])
async def test_a_reset_made_before_does_not_open_what_came_after(
    actor: Actor, other_actor: Actor, make_actor: MakeActor, since: str
) -> None:
    person = await make_actor(MEMBER, tenant=actor.tenant_id)
    assert person.user_id is not None
    link = await invitations.reset_link(actor, actor.tenant_id, person.user_id)
    if since == "became a platform admin":
        await change(UserTable, person.user_id, is_platform_admin=True)
    else:
        async with system_transaction() as tx:
            tx.session.add(
                MembershipTable(
                    tenant_id=other_actor.tenant_id, user_id=person.user_id, roles=["admin"], accepted_at=utc_now()
                )
            )

    assert await look(link) is None
    with pytest.raises(NotSignedIn):
        await authentication.redeem_link(token_of(link), PASSWORD)


async def test_ones_own_password_is_not_reset_but_changed(actor: Actor, operator: Actor) -> None:
    assert actor.user_id is not None
    assert operator.user_id is not None
    with pytest.raises(NotPermitted):
        await invitations.reset_link(actor, actor.tenant_id, actor.user_id)
    with pytest.raises(NotPermitted):
        await invitations.reset_link_of_anyone(operator, operator.user_id)


async def test_where_passwords_are_switched_off_the_right_one_is_told_where_to_go(
    actor: Actor, make_actor: MakeActor, set_password: SetPassword
) -> None:
    person = await make_actor(MEMBER, tenant=actor.tenant_id)
    await set_password(person)
    async with system_transaction() as tx:
        await tx.session.execute(update(TenantTable).values(has_password_sign_in=False))
    invited = await invitations.invite(actor, actor.tenant_id, email="a@example.org", roles=["member"])

    with pytest.raises(NotSignedIn) as right:
        await authentication.sign_in(person.email, PASSWORD)
    with pytest.raises(NotSignedIn) as wrong:
        await authentication.sign_in(person.email, "wrong")
    with pytest.raises(NotSignedIn) as nobody:
        await authentication.sign_in("nobody@example.org", "wrong")
    with pytest.raises(NotSignedIn):
        await authentication.redeem_link(token_of(invited.invite_link), PASSWORD)

    assert "identity provider" in right.value.message
    assert wrong.value.message == nobody.value.message
    assert await look(invited.invite_link) == "invite"


async def test_a_platform_admin_signs_in_with_a_password_everywhere(operator: Actor, set_password: SetPassword) -> None:
    await set_password(operator)
    async with system_transaction() as tx:
        await tx.session.execute(update(TenantTable).values(has_password_sign_in=False))
    assert (await authentication.sign_in(operator.email, PASSWORD)).actor.may(Permission.CHAT)

    async with system_transaction() as tx:
        await tx.session.delete((await tx.session.execute(select(MembershipTable))).scalar_one())
    begun = await authentication.sign_in(operator.email, PASSWORD)

    found = await authentication.actor_of_session(begun.token)
    assert found is not None
    assert found.permissions == {Permission.READ_ADMIN, Permission.ADMIN, Permission.PLATFORM}


async def test_a_platform_admin_joins_with_a_password_where_others_may_not(
    actor: Actor, other_actor: Actor, operator: Actor, set_password: SetPassword
) -> None:
    for person in (operator, other_actor):
        await set_password(person)
    async with system_transaction() as tx:
        await tx.session.execute(update(TenantTable).values(has_password_sign_in=False))
    links = {
        person.email: await invitations.invite(actor, actor.tenant_id, email=person.email, roles=["member"])
        for person in (operator, other_actor)
    }

    joined = await authentication.sign_in(operator.email, PASSWORD, link=token_of(links[operator.email].invite_link))
    with pytest.raises(NotSignedIn):
        await authentication.sign_in(other_actor.email, PASSWORD, link=token_of(links[other_actor.email].invite_link))

    assert joined.actor.tenant_id == actor.tenant_id


async def test_a_session_of_a_person_no_longer_platform_admin_ends(operator: Actor, set_password: SetPassword) -> None:
    await set_password(operator)
    async with system_transaction() as tx:
        await tx.session.delete((await tx.session.execute(select(MembershipTable))).scalar_one())
    begun = await authentication.sign_in(operator.email, PASSWORD)
    await change(UserTable, operator.user_id, is_platform_admin=False)

    assert await authentication.actor_of_session(begun.token) is None
    async with system_transaction(readonly=True) as tx:
        assert (await tx.session.execute(select(SessionTable))).scalar_one().revoked_at is None


async def test_a_person_begins_where_they_were_last(
    actor: Actor, other_actor: Actor, set_password: SetPassword
) -> None:
    await set_password(actor)
    async with system_transaction() as tx:
        assert actor.user_id is not None
        tx.session.add(
            MembershipTable(
                tenant_id=other_actor.tenant_id, user_id=actor.user_id, roles=["member"], accepted_at=utc_now()
            )
        )
    first = await authentication.sign_in(actor.email, PASSWORD)
    await account.switch_tenant(replace(first.actor), other_actor.tenant_id, token=first.token)

    again = await authentication.sign_in(actor.email, PASSWORD)

    assert (first.actor.tenant_id, again.actor.tenant_id) == (actor.tenant_id, other_actor.tenant_id)


@pytest.mark.parametrize("end", [{"roles": ["member"]}, {"is_disabled": True}, "removed"])
async def test_a_link_ends_with_the_rights_of_who_made_it(
    actor: Actor, make_actor: MakeActor, set_password: SetPassword, end: dict[str, object] | str
) -> None:
    maker = await make_actor(tenant=actor.tenant_id)
    person = await make_actor(MEMBER, tenant=actor.tenant_id)
    await set_password(person)
    assert maker.user_id is not None
    assert person.user_id is not None
    reset = await invitations.reset_link(maker, actor.tenant_id, person.user_id)
    invited = await invitations.invite(maker, actor.tenant_id, email="friend@example.org", roles=["admin"])
    assert [await look(reset), await look(invited.invite_link)] == ["reset", "invite"]

    if isinstance(end, str):
        await memberships.remove_user(actor, actor.tenant_id, maker.user_id)
    else:
        await change(MembershipTable, maker.user_id, **end)

    assert [await look(reset), await look(invited.invite_link)] == [None, None]
    with pytest.raises(NotSignedIn):
        await authentication.redeem_link(token_of(reset), OTHERS)


async def test_setting_a_password_with_a_link_leaves_a_line(actor: Actor, actions_of: ActionsOf) -> None:
    invited = await invitations.invite(actor, actor.tenant_id, email="new@example.org", roles=["member"])
    await authentication.redeem_link(token_of(invited.invite_link), PASSWORD)
    assert {"invitation.accepted", "password.set"} <= set(await actions_of(actor))
