from __future__ import annotations

import pytest

from chatapp.store.encryption import CannotDecrypt, decrypt, encrypt


def test_what_is_encrypted_comes_back_under_the_same_secret_only() -> None:
    kept = encrypt("secret-one", "sk-1234")
    assert "sk-1234" not in kept
    assert decrypt("secret-one", kept) == "sk-1234"
    with pytest.raises(CannotDecrypt):
        decrypt("secret-two", kept)
    with pytest.raises(CannotDecrypt):
        decrypt("secret-one", kept[:-4] + "AAAA")


def test_nothing_stays_nothing() -> None:
    assert encrypt("secret", "") == ""
    assert decrypt("secret", "") == ""
