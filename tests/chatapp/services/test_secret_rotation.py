from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import select

from chatapp.domain import Actor
from chatapp.services import audit, secret_rotation
from chatapp.settings import Settings, get_settings
from chatapp.store import audit as audit_rows
from chatapp.store.database import system_transaction, transaction
from chatapp.store.encrypted_columns import encrypted_columns
from chatapp.store.encryption import decrypt, encrypt
from chatapp.store.tables import IdentityProviderTable, ProviderTable

OLD = "the-secret-before-0123456789-abcdef"
OLDEST = "the-secret-before-that-0123456789-ab"
LOST = "a-secret-nobody-has-any-more-012345"


@pytest.fixture
def rotated(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an installation whose secret was changed twice."""
    monkeypatch.setenv("CHATAPP_PREVIOUS_SECRET_KEYS", f"{OLD}, {OLDEST}")
    get_settings.cache_clear()
    return get_settings()


async def keep(tenant_id, secrets: dict[str, str], client_secret: str = "") -> None:
    async with system_transaction() as tx:
        for name, encrypted in secrets.items():
            tx.session.add(ProviderTable(name=name, kind="openai_compatible", encrypted_api_key=encrypted))
        tx.session.add(
            IdentityProviderTable(
                tenant_id=tenant_id,
                name="Login",
                issuer="https://login.example.org",
                client_id="chat",
                encrypted_client_secret=client_secret,
            )
        )


async def kept() -> dict[str, str]:
    async with system_transaction(readonly=True) as tx:
        rows = (await tx.session.execute(select(ProviderTable))).scalars().all()
        provider = (await tx.session.execute(select(IdentityProviderTable))).scalar_one()
    return {row.name: row.encrypted_api_key for row in rows} | {"Login": provider.encrypted_client_secret}


def test_every_encrypted_column_is_known() -> None:
    assert [str(column) for column in encrypted_columns()] == [
        "identity_providers.encrypted_client_secret",
        "providers.encrypted_api_key",
        "providers.encrypted_options",
    ]


async def test_everything_moves_to_the_present_secret(database: AsyncEngine, rotated: Settings, actor: Actor) -> None:
    present = rotated.effective_secret_key
    before = {"old": encrypt(OLD, "sk-old"), "oldest": encrypt(OLDEST, "sk-oldest"), "new": encrypt(present, "sk-new")}
    await keep(actor.tenant_id, before | {"none": ""}, client_secret=encrypt(OLD, "client"))

    first = await secret_rotation.rotate(rotated)
    after = await kept()
    second = await secret_rotation.rotate(rotated)

    opened = {name: decrypt(present, encrypted) for name, encrypted in after.items()}
    assert opened == {"old": "sk-old", "oldest": "sk-oldest", "new": "sk-new", "none": "", "Login": "client"}
    assert after["new"] == before["new"]
    assert {column.column: (column.total, column.changed) for column in first.columns} == {
        "identity_providers.encrypted_client_secret": (1, 1),
        "providers.encrypted_api_key": (3, 2),
        "providers.encrypted_options": (0, 0),
    }
    assert [column.changed for column in second.columns] == [0, 0, 0]
    assert await kept() == after


async def test_what_no_secret_opens_is_counted_and_left(database: AsyncEngine, rotated: Settings, actor: Actor) -> None:
    lost = encrypt(LOST, "sk-lost")
    await keep(actor.tenant_id, {"lost": lost, "old": encrypt(OLD, "sk-old")})

    rotation = await secret_rotation.rotate(rotated)

    assert rotation.unreadable == 1
    after = await kept()
    assert after["lost"] == lost
    assert decrypt(rotated.effective_secret_key, after["old"]) == "sk-old"


async def test_the_audit_log_is_intact_across_a_change_of_the_secret(
    database: AsyncEngine, settings: Settings, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def note(action: str) -> None:
        async with transaction(actor) as tx:
            await audit_rows.write(tx, action, actor.user_id)

    old = settings.effective_secret_key
    await note("collection.created")
    monkeypatch.setenv("CHATAPP_SECRET_KEY", "another-secret-for-tests-0123456789")
    get_settings.cache_clear()
    await note("collection.renamed")

    without = await audit.verify(actor, actor.tenant_id)
    monkeypatch.setenv("CHATAPP_PREVIOUS_SECRET_KEYS", old)
    get_settings.cache_clear()
    with_it = await audit.verify(actor, actor.tenant_id)

    assert (without.is_intact, with_it.is_intact) == (False, True)
    assert with_it.lines == 2
