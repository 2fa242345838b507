from __future__ import annotations

import pytest

from chatapp.store.encryption import AT_REST, SIGN_IN, CannotDecrypt, decrypt, encrypt


def test_what_is_encrypted_comes_back_under_the_same_secret_only() -> None:
    kept = encrypt("secret-one", "sk-1234")
    assert "sk-1234" not in kept
    assert decrypt("secret-one", kept) == "sk-1234"
    with pytest.raises(CannotDecrypt):
        decrypt("secret-two", kept)
    with pytest.raises(CannotDecrypt):
        decrypt("secret-one", kept[:-4] + "AAAA")


def test_a_previous_secret_still_opens_what_was_encrypted_under_it() -> None:
    kept = encrypt("secret-one", "sk-1234")
    assert decrypt("secret-three", kept, previous=("secret-two", "secret-one")) == "sk-1234"
    with pytest.raises(CannotDecrypt):
        decrypt("secret-three", kept, previous=("secret-two",))


def test_what_was_encrypted_for_one_purpose_opens_for_no_other() -> None:
    kept = encrypt("secret", "state", purpose=SIGN_IN)
    assert decrypt("secret", kept, purpose=SIGN_IN) == "state"
    with pytest.raises(CannotDecrypt):
        decrypt("secret", kept, purpose=AT_REST)


def test_what_is_too_old_opens_no_more() -> None:
    kept = encrypt("secret", "state")
    assert decrypt("secret", kept, max_age_seconds=600) == "state"
    with pytest.raises(CannotDecrypt):
        decrypt("secret", kept, max_age_seconds=-1)


def test_nothing_stays_nothing() -> None:
    assert encrypt("secret", "") == ""
    assert decrypt("secret", "") == ""
