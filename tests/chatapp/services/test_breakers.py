from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import select

from chatapp.domain import Actor, Permission, utc_now
from chatapp.errors import InvalidInput, NotFound, NotPermitted
from chatapp.routing import retries
from chatapp.routing.breaker import BreakerState, all_breakers, breaker_of
from chatapp.services import audit, breaker_watch, breakers, turns
from chatapp.services.breaker_watch import BreakerWatch
from chatapp.store.database import system_transaction
from chatapp.store.tables import BreakerDrillTable, BreakerTable
from tests.fixtures.people import MakeActor
from tests.fixtures.providers import AddModel
from tests.upstream.server import Upstream

pytestmark = pytest.mark.usefixtures("parts")
FAILING, WORKING = "scripted?fault=server_error", "scripted?tokens=3"
FAILING_KEY, WORKING_KEY = (f"scripted: {script}/{script}" for script in (FAILING, WORKING))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_WAIT_SECONDS", 0.01)


@pytest.fixture(autouse=True)
async def _one_watch(parts: None) -> None:
    """The tests' own: the process must not say everything twice."""
    await breaker_watch.close_breaker_watch()


@pytest.fixture
async def platform(make_actor: MakeActor) -> Actor:
    return await make_actor(list(Permission))


async def _ask(actor: Actor, model: str) -> turns.TurnView:
    turn = await turns.start(actor, question="Count", model=model, collection_ids=[])
    return await turns.wait(actor, turn.id)


async def _views(actor: Actor, **wanted: str) -> dict[str, breakers.BreakerView]:
    return {view.id: view for view in (await breakers.list_breakers(actor, wanted)).items}


async def test_each_deployment_shows_what_its_processes_say(actor: Actor, add_model: AddModel) -> None:
    await add_model(FAILING)
    await add_model(WORKING, default=True)
    # Who asks for the failing one is answered by the other.
    for _ in range(3):
        await _ask(actor, FAILING)
        await _ask(actor, WORKING)
    await BreakerWatch().look()
    other = BreakerTable(
        process="elsewhere:1:x", deployment=WORKING_KEY, state=BreakerState.HALF_OPEN, requests=4, retries=1
    )
    async with system_transaction() as tx:
        tx.session.add(other)
    views = await _views(actor)

    failing, working = views[FAILING_KEY], views[WORKING_KEY]
    assert (failing.state, failing.models, failing.opened) == ("open", (FAILING,), 1)
    assert failing.failures >= 5
    assert "HTTP 500" in failing.reason
    assert failing.next_probe_at is not None
    assert failing.attempts == failing.requests + failing.retries
    assert failing.requests + failing.skipped == 3
    assert (working.state, working.requests, working.attempts) == ("half_open", 10, 11)
    assert {each.process for each in working.processes} > {"elsewhere:1:x"}


async def test_who_has_not_been_asked_and_who_has_gone_are_told_apart(actor: Actor, add_model: AddModel) -> None:
    await add_model(WORKING)
    long_ago = utc_now() - timedelta(minutes=5)
    async with system_transaction() as tx:
        tx.session.add(BreakerTable(process="gone", deployment=WORKING_KEY, state="open", seen_at=long_ago))
    view = (await _views(actor))[WORKING_KEY]
    assert (view.state, view.processes, view.requests) == ("unasked", (), 0)


async def test_a_drill_sends_people_to_the_next_model_at_once_and_is_ended(
    platform: Actor, other_actor: Actor, provider: Upstream, add_model: AddModel, built_in_model: str
) -> None:
    await add_model(WORKING, default=True)
    drill = await breakers.start_drill(platform, WORKING_KEY, minutes=5, reason="Practice")
    assert drill.until > utc_now() + timedelta(minutes=4)
    held = await _ask(other_actor, WORKING)
    assert (held.error_code, provider.calls) == ("provider_unavailable", [])
    view = (await _views(platform))[WORKING_KEY]
    assert (view.state, view.drill_until, view.next_probe_at) == ("drill", drill.until, drill.until)

    await breakers.end_drill(platform, WORKING_KEY)
    assert (await _ask(other_actor, WORKING)).answer == "word1 word2 word3 "
    with pytest.raises(NotFound):
        await breakers.end_drill(platform, WORKING_KEY)
    lines = (await audit.list_entries(platform, platform.tenant_id, {"q": "breaker"})).items
    assert [line.action for line in lines] == ["breaker.drill_ended", "breaker.drill_started"]
    assert (lines[1].reason, lines[1].details) == ("Practice", {"minutes": 5})
    assert lines[1].after is not None
    assert lines[1].after["deployment"] == WORKING_KEY


async def test_every_other_process_obeys_at_its_next_look_and_lets_go_by_itself(
    platform: Actor, add_model: AddModel
) -> None:
    await add_model(WORKING)
    async with system_transaction() as tx:
        tx.session.add(BreakerDrillTable(deployment=WORKING_KEY, until=utc_now() + timedelta(minutes=5)))
    watch = BreakerWatch()
    await watch.look()
    assert breaker_of(WORKING_KEY).state is BreakerState.OPEN
    async with system_transaction() as tx:
        row = (await tx.session.execute(select(BreakerDrillTable))).scalar_one()
        row.until = utc_now() - timedelta(seconds=1)
    await watch.look()
    assert breaker_of(WORKING_KEY).state is BreakerState.CLOSED
    assert (await _views(platform))[WORKING_KEY].drill_until is None


async def test_a_process_takes_back_what_it_said_when_it_ends(actor: Actor, add_model: AddModel) -> None:
    await add_model(WORKING)
    await _ask(actor, WORKING)
    watch = BreakerWatch()
    await watch.look()
    assert watch.process in {each.process for each in (await _views(actor))[WORKING_KEY].processes}
    await watch.close()
    assert watch.process not in {each.process for each in (await _views(actor))[WORKING_KEY].processes}


async def test_nothing_is_written_while_nothing_changes(actor: Actor, add_model: AddModel) -> None:
    await add_model(WORKING)
    await _ask(actor, WORKING)
    watch = BreakerWatch()
    await watch.look()
    first = (await _views(actor))[WORKING_KEY].processes
    all_breakers()[WORKING_KEY].counts.requests += 1
    await watch.look()
    again = (await _views(actor))[WORKING_KEY].processes
    assert [each for each in again if each.process == watch.process] == [
        each for each in first if each.process == watch.process
    ]


async def test_what_a_drill_would_do_is_said_before(platform: Actor, add_model: AddModel, built_in_model: str) -> None:
    await add_model(WORKING, default=True)
    await add_model(FAILING)
    effect = await breakers.effect_of_drill(platform, WORKING_KEY)
    assert effect.models == (WORKING,)
    assert "extractive answers, by quoting" in effect.sentences[0]
    assert effect.sentences[1].startswith(f"Who asks for {WORKING} by name:")
    assert "nothing changes" in (await breakers.effect_of_drill(platform, FAILING_KEY)).sentences[0]


async def test_only_platform_admins_hold_breakers_and_members_see_none(
    actor: Actor, other_actor: Actor, platform: Actor, make_actor: MakeActor, add_model: AddModel
) -> None:
    await add_model(WORKING)
    for stranger in (actor, other_actor):
        with pytest.raises(NotPermitted):
            await breakers.start_drill(stranger, WORKING_KEY, minutes=5)
        with pytest.raises(NotPermitted):
            await breakers.end_drill(stranger, WORKING_KEY)
        assert (await _views(stranger))[WORKING_KEY].drill_until is None
    member = await make_actor([Permission.CHAT], tenant=actor.tenant_id)
    with pytest.raises(NotPermitted):
        await breakers.list_breakers(member, {})
    with pytest.raises(NotPermitted):
        await breakers.effect_of_drill(member, WORKING_KEY)
    for attempt in (
        breakers.start_drill(platform, "nobody/nothing", minutes=5),
        breakers.effect_of_drill(platform, "nobody/nothing"),
    ):
        with pytest.raises(NotFound):
            await attempt
    for minutes in (0, 61):
        with pytest.raises(InvalidInput) as raised:
            await breakers.start_drill(platform, WORKING_KEY, minutes=minutes)
        assert raised.value.param == "minutes"


async def test_the_list_is_narrowed_sorted_and_paged(actor: Actor, add_model: AddModel) -> None:
    for name in ("scripted?tokens=1", "scripted?tokens=2", "scripted?tokens=3"):
        await add_model(name)
    await _ask(actor, "scripted?tokens=2")
    await BreakerWatch().look()
    asked = "scripted: scripted?tokens=2/scripted?tokens=2"
    assert set(await _views(actor, state="closed,open")) == {asked}
    assert set(await _views(actor, q="TOKENS=2")) == {asked}
    assert set(await _views(actor, id=asked)) == {asked}
    assert next(iter(await _views(actor, order="-requests"))) == asked
    first = await breakers.list_breakers(actor, {"limit": "2"})
    rest = await breakers.list_breakers(actor, {"limit": "2", "after": first.next_cursor or ""})
    assert [len(first.items), len(rest.items), first.total, rest.next_cursor] == [2, 1, 3, None]
    for wanted in ({"colour": "red"}, {"order": "colour"}, {"limit": "0"}, {"limit": "many"}):
        with pytest.raises(InvalidInput):
            await breakers.list_breakers(actor, wanted)
