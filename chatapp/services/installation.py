"""First start and upkeep of an installation: data folder, secret, first tenant and admin, providers, sample documents.

Everything here may be run again: what is there already stays.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from chatapp.domain import Actor
from chatapp.errors import AppError, InvalidInput, Misconfigured
from chatapp.services import catalog, collections, documents, users
from chatapp.settings import Settings
from chatapp.store import users as user_rows
from chatapp.store.database import system_transaction

_log = structlog.get_logger(__name__)

DATA_FORMAT = 1
"""Version of the data folder's layout; the database's own is alembic's."""
DEFAULT_ADMIN_EMAIL = "admin@localhost"
_FORMAT_FILE = "format"
_MIN_SECRET_CHARACTERS = 32
_KNOWN_SECRETS = ("changeme", "change-me", "change_me", "secret", "password", "example", "default", "your-secret")
_SAMPLE_COLLECTION = "Using this product"
_PROJECT = Path(__file__).parents[2]
SET_UP_MODEL_DIR = _PROJECT / ".data" / "models"
"""Where `make run` keeps the embedding model, wherever the data folder is; as `deploy/setup.py` has it."""


@dataclass(frozen=True, slots=True)
class Installed:
    """How to sign in after a start."""

    admin_email: str
    sign_in_link: str | None
    """One-time link that sets the admin's password; None when the admin has one."""


def prepare_data_dir(settings: Settings) -> None:
    """Make the data folder with its format and secret, and refuse what cannot work.

    Raises:
        Misconfigured: the folder is of a newer version or cannot be written, or the secret is known or short.
    """
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check_format(folder / _FORMAT_FILE)
        if not settings.secret_key.get_secret_value() and not settings.secret_key_path.exists():
            _write_private(settings.secret_key_path, secrets.token_hex(32))
        secret = settings.effective_secret_key
    except (FileExistsError, NotADirectoryError) as error:
        raise Misconfigured(
            f"{folder.absolute()} cannot be the data folder: it is a file, or in one. Set CHATAPP_DATA_DIR to a folder."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a file in it is damaged"
        raise Misconfigured(
            f"The data folder {folder.absolute()} cannot be used ({reason}). Make it writable for this user, or set "
            "CHATAPP_DATA_DIR to another folder."
        ) from error
    if not is_secret_strong(secret):
        raise Misconfigured(
            f"CHATAPP_SECRET_KEY is too short or well known. Set it to at least {_MIN_SECRET_CHARACTERS} random "
            "characters (`openssl rand -hex 32` makes some), or leave it out to have one made."
        )
    if not all(is_secret_strong(previous) for previous in settings.previous_secret_keys):
        # A known one would let anybody write what is then taken for an older line or secret of ours.
        raise Misconfigured(
            "CHATAPP_PREVIOUS_SECRET_KEYS has a secret that is too short or well known. Give the secrets this "
            "installation had, separated by commas, and no other."
        )


def is_secret_strong(secret: str) -> bool:
    """Whether a secret is long, varied and not one of those that stand in examples."""
    lowered = secret.lower()
    # An example's word, repeated or padded, is as known as the word itself.
    rest = lowered
    for known in _KNOWN_SECRETS:
        rest = rest.replace(known, "")
    return len(secret) >= _MIN_SECRET_CHARACTERS and len(set(lowered)) >= 10 and len(rest) >= len(lowered) // 2


async def install(settings: Settings) -> Installed:
    """Bring an installation to where people can sign in. Runs inside the lifespan, after the migrations.

    Raises:
        Misconfigured: the first admin's password in the environment is too short.
    """
    async with system_transaction(readonly=True) as tx:
        is_new = await user_rows.count(tx) == 0
    if is_new:
        # The admin last of what is needed: without one, a start that was cut short begins again from here.
        await catalog.register_from_environment(settings)
        actor = await _create_first_admin(settings)
        if settings.demo:
            await _add_sample_documents(actor)
    return await _how_to_sign_in(settings)


async def _create_first_admin(settings: Settings) -> Actor:
    password = settings.admin_password.get_secret_value() or None
    try:
        actor, _ = await users.create_or_reset_admin(
            settings, settings.admin_email or DEFAULT_ADMIN_EMAIL, password=password
        )
    except InvalidInput as error:
        raise Misconfigured(
            f"The first admin cannot be made: {error.message} Check CHATAPP_ADMIN_EMAIL and CHATAPP_ADMIN_PASSWORD."
        ) from error
    return actor


async def _how_to_sign_in(settings: Settings) -> Installed:
    async with system_transaction(readonly=True) as tx:
        admin = await user_rows.first_admin(tx)
    if admin is None:
        return Installed(admin_email="", sign_in_link=None)
    link = await users.new_sign_in_link(settings, admin.id) if admin.password_hash is None else None
    return Installed(admin_email=admin.email, sign_in_link=link)


async def _add_sample_documents(actor: Actor) -> None:
    paths = [path for path in (_PROJECT / "README.md", *sorted((_PROJECT / "docs").glob("*.md"))) if path.is_file()]
    collection = await collections.ensure(
        actor, name=_SAMPLE_COLLECTION, description="How this product is used and run. Ask it anything about itself."
    )
    for path in paths:
        try:
            await documents.upload(
                actor, filename=path.name, content=_pieces(path.read_bytes()), collection_id=collection.id
            )
        except AppError as error:
            # The sample is a courtesy: an installation without it is complete.
            _log.warning("sample.skipped", filename=path.name, reason=error.message)


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _check_format(path: Path) -> None:
    if not path.exists():
        _write_private(path, str(DATA_FORMAT))
        return
    text = path.read_text(encoding="ascii").strip()
    if not text.isdigit() or int(text) > DATA_FORMAT:
        raise Misconfigured(
            f"The data folder {path.parent.absolute()} was written by a newer version (format {text}, this version "
            f"reads up to {DATA_FORMAT}). Install that version, or set CHATAPP_DATA_DIR to another folder."
        )


def _write_private(path: Path, text: str) -> None:
    # Exclusive and 0600 from the first byte: two starts at once must not make two secrets.
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
