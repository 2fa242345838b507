from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update

from chatapp.domain import Actor, DocumentStatus, Permission, TurnStatus
from chatapp.errors import InvalidInput, NotPermitted
from chatapp.services import onboarding, routes
from chatapp.services.onboarding import OnboardingView
from chatapp.services.routes import RouteSettings
from chatapp.store.database import system_transaction, transaction
from chatapp.store.tables import DocumentTable, TurnTable
from tests.fixtures.ingestion import Upload
from tests.fixtures.people import MakeActor
from tests.fixtures.providers import AddModel


def open_steps(view: OnboardingView) -> list[str]:
    return [step.name for step in view.steps if step.is_open]


async def test_steps_are_done_by_what_is_there(
    actor: Actor, other_actor: Actor, make_actor: MakeActor, upload: Upload, add_model: AddModel
) -> None:
    assert open_steps(await onboarding.get(actor)) == ["people", "documents", "model", "question"]

    await make_actor({Permission.CHAT}, tenant=actor.tenant_id)
    assert open_steps(await onboarding.get(actor)) == ["documents", "model", "question"]
    await upload("report.txt", b"Net sales were 12 million.")
    assert open_steps(await onboarding.get(actor)) == ["documents", "model", "question"]
    async with system_transaction() as tx:
        await tx.session.execute(update(DocumentTable).values(status=DocumentStatus.COMPLETED))
    assert open_steps(await onboarding.get(actor)) == ["model", "question"]
    async with transaction(actor) as tx:
        tx.session.add(TurnTable(tenant_id=actor.tenant_id, question="?", status=TurnStatus.COMPLETED))
    assert open_steps(await onboarding.get(actor)) == ["model"]
    assert open_steps(await onboarding.get(other_actor)) == ["people", "documents", "model", "question"]

    await add_model("scripted?tokens=1", default=True)
    assert (await onboarding.get(actor)).is_finished


@pytest.mark.usefixtures("built_in_model")
async def test_the_built_in_model_is_no_choice_yet(actor: Actor) -> None:
    assert "model" in open_steps(await onboarding.get(actor))
    assert "model" not in open_steps(await onboarding.skip(actor, "model"))


async def test_steps_are_left_out_and_taken_up_in_one_tenant_only(actor: Actor, other_actor: Actor) -> None:
    assert open_steps(await onboarding.skip(actor, "people")) == ["documents", "model", "question"]
    assert open_steps(await onboarding.skip(actor, "question")) == ["documents", "model"]
    assert open_steps(await onboarding.skip(actor, "people", is_skipped=False)) == ["people", "documents", "model"]
    assert open_steps(await onboarding.get(other_actor)) == ["people", "documents", "model", "question"]


async def test_the_whole_is_put_away_and_brought_back(actor: Actor, other_actor: Actor) -> None:
    await onboarding.skip(actor, "people")

    assert (await onboarding.dismiss(actor)).is_dismissed
    assert (await onboarding.get(actor)).is_dismissed
    assert not (await onboarding.get(other_actor)).is_dismissed
    back = await onboarding.dismiss(actor, is_dismissed=False)
    assert not back.is_dismissed
    assert open_steps(back) == ["people", "documents", "model", "question"]


@pytest.mark.usefixtures("built_in_model")
async def test_a_route_of_its_own_is_a_tenants_choice(actor: Actor, other_actor: Actor, add_model: AddModel) -> None:
    name = await add_model("scripted?tokens=1")
    await routes.put(actor, RouteSettings(default=name))
    assert "model" not in open_steps(await onboarding.get(actor))
    await routes.put(actor, RouteSettings(default="extractive"))
    for who in (actor, other_actor):
        assert "model" in open_steps(await onboarding.get(who))


async def test_an_unknown_step_is_refused(actor: Actor) -> None:
    with pytest.raises(InvalidInput) as caught:
        await onboarding.skip(actor, "everything")
    assert caught.value.param == "step"


async def test_only_admins_are_guided(actor: Actor) -> None:
    for permissions in (Permission.CHAT, Permission.READ_ADMIN):
        other = replace(actor, permissions=frozenset({permissions}))
        for call in (onboarding.get(other), onboarding.skip(other, "people"), onboarding.dismiss(other)):
            with pytest.raises(NotPermitted):
                await call
