"""Moving everything the installation keeps encrypted to its present secret, after the secret was changed.

Called from the command line in nobody's name: the secret belongs to the installation.
"""

from __future__ import annotations

from dataclasses import dataclass

from chatapp.settings import Settings
from chatapp.store import encrypted_columns
from chatapp.store.database import system_transaction
from chatapp.store.encrypted_columns import Rewritten
from chatapp.store.encryption import CannotDecrypt, decrypt, encrypt


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was done."""

    columns: tuple[Rewritten, ...]

    @property
    def unreadable(self) -> int:
        """Secrets that no known key opens; they have to be typed in again."""
        return sum(column.unreadable for column in self.columns)


async def rotate(settings: Settings) -> Rotation:
    """Encrypt under the present secret whatever is still under a previous one. May be run again at any time.

    Args:
        settings: the present secret and the previous ones.
    """
    secret_key, previous = settings.effective_secret_key, settings.previous_secret_keys

    def renew(encrypted: str) -> str:
        try:
            decrypt(secret_key, encrypted)
        except CannotDecrypt:
            return encrypt(secret_key, decrypt(secret_key, encrypted, previous=previous))
        return encrypted

    async with system_transaction() as tx:
        found = [await encrypted_columns.rewrite(tx, column, renew) for column in encrypted_columns.encrypted_columns()]
    return Rotation(tuple(found))
