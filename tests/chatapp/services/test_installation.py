from __future__ import annotations

import stat
from pathlib import Path

import pytest

from chatapp.errors import Misconfigured
from chatapp.services import authentication, collections, documents, installation, one_time_links, users
from chatapp.settings import Settings, get_settings

PASSWORD = "correct-horse-battery"


@pytest.fixture
def fresh(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder that is not there yet, and no secret in the environment."""
    monkeypatch.setenv("CHATAPP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("CHATAPP_SECRET_KEY")
    get_settings.cache_clear()
    return tmp_path / "data"


def test_the_first_start_makes_a_private_folder_and_a_secret(fresh: Path) -> None:
    installation.prepare_data_dir(get_settings())
    secret = get_settings().effective_secret_key
    installation.prepare_data_dir(get_settings())

    assert len(secret) == 64
    assert get_settings().effective_secret_key == secret
    assert stat.S_IMODE((fresh / "secret_key").stat().st_mode) == 0o600
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "secret",
    ["short", "changeme" * 8, "secret" * 10, "a" * 64, "0123456789" * 2, "change-me-change-me-change-me-1234"],
)
def test_a_known_or_short_secret_is_refused(fresh: Path, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATAPP_SECRET_KEY", secret)
    get_settings.cache_clear()

    with pytest.raises(Misconfigured, match="CHATAPP_SECRET_KEY"):
        installation.prepare_data_dir(get_settings())


@pytest.mark.parametrize("previous", ["short", "changeme" * 8, f"{'0123456789abcdefghijklmnopqrstuvwxyz'},{'a' * 64}"])
def test_a_known_or_short_previous_secret_is_refused(
    fresh: Path, previous: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATAPP_PREVIOUS_SECRET_KEYS", previous)
    get_settings.cache_clear()

    with pytest.raises(Misconfigured, match="CHATAPP_PREVIOUS_SECRET_KEYS"):
        installation.prepare_data_dir(get_settings())


@pytest.mark.parametrize("found", ["2", "99", "x"])
def test_a_newer_versions_folder_is_refused(fresh: Path, found: str) -> None:
    fresh.mkdir()
    (fresh / "format").write_text(found)

    with pytest.raises(Misconfigured, match="newer version"):
        installation.prepare_data_dir(get_settings())


def test_a_folder_that_cannot_be_made_is_a_sentence(fresh: Path) -> None:
    fresh.write_text("a file stands here")

    with pytest.raises(Misconfigured, match="CHATAPP_DATA_DIR"):
        installation.prepare_data_dir(get_settings())


@pytest.mark.usefixtures("parts")
async def test_a_start_without_a_password_gives_a_link_each_time_until_there_is_one(settings: Settings) -> None:
    first = await installation.install(settings)
    second = await installation.install(settings)

    assert first.admin_email == second.admin_email == "admin@localhost"
    assert first.sign_in_link is not None
    assert second.sign_in_link is not None
    assert await one_time_links.look(first.sign_in_link.partition("token=")[2], address=None) is None
    await authentication.redeem_link(second.sign_in_link.partition("token=")[2], PASSWORD)
    assert (await installation.install(settings)).sign_in_link is None


@pytest.mark.usefixtures("parts")
async def test_the_environment_names_the_first_admin(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATAPP_ADMIN_EMAIL", "ada@example.org")
    monkeypatch.setenv("CHATAPP_ADMIN_PASSWORD", PASSWORD)
    get_settings.cache_clear()

    installed = await installation.install(get_settings())

    assert (installed.admin_email, installed.sign_in_link) == ("ada@example.org", None)
    assert (await authentication.sign_in("ada@example.org", PASSWORD)).actor.email == "ada@example.org"


@pytest.mark.usefixtures("parts")
async def test_a_weak_first_password_is_a_sentence(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATAPP_ADMIN_PASSWORD", "admin")
    get_settings.cache_clear()

    with pytest.raises(Misconfigured, match="CHATAPP_ADMIN_PASSWORD"):
        await installation.install(get_settings())


@pytest.mark.usefixtures("parts")
async def test_the_sample_is_this_projects_own_guide_and_comes_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATAPP_DEMO", "1")
    get_settings.cache_clear()

    await installation.install(get_settings())
    await installation.install(get_settings())

    actor = await users.admin_actor()
    (collection,) = await collections.list_readable(actor)
    page = await documents.list_documents(actor, collection_id=collection.id)
    assert "guide.md" in [view.filename for view in page.items]
    assert page.total == len({view.filename for view in page.items})
