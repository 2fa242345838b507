from __future__ import annotations

import pytest
from argon2 import Type

from chatapp.errors import InvalidInput
from chatapp.services import passwords

# Taken before any fixture puts a quick one in its place.
_REAL = passwords._hasher


def test_a_password_is_kept_as_the_standard_recommends() -> None:
    real = _REAL()
    # RFC 9106, section 4, second recommendation: 64 MiB, 3 passes, 4 lanes.
    assert (real.type, real.memory_cost, real.time_cost, real.parallelism) == (Type.ID, 65_536, 3, 4)


async def test_the_right_password_is_right_and_no_other() -> None:
    kept = await passwords.hash_password("correct-horse-battery")
    assert await passwords.is_right(kept, "correct-horse-battery")
    assert not await passwords.is_right(kept, "correct-horse-batterz")
    assert not await passwords.is_right(None, "correct-horse-battery")
    assert not await passwords.is_right("not a hash", "correct-horse-battery")


@pytest.mark.parametrize("length", [0, passwords.MIN_PASSWORD_CHARACTERS - 1, passwords.MAX_PASSWORD_CHARACTERS + 1])
async def test_a_password_too_short_or_too_long_is_refused(length: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        await passwords.hash_password("x" * length, param="new_password")
    assert refused.value.param == "new_password"
