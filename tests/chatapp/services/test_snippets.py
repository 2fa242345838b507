from __future__ import annotations

from chatapp.services.snippets import snippet


def test_the_place_with_most_of_the_words_is_shown() -> None:
    far = f"one {'x ' * 100}one two here"
    assert snippet([far], ["one", "two"]).endswith("one two here")
    assert snippet(["nothing"], ["one"]) == ""
    assert snippet(["one"], []) == snippet([], ["one"]) == ""


def test_words_are_words_and_no_patterns() -> None:
    assert snippet(["What? (a.b) c"], ["(a.b)"]) == "What? (a.b) c"
    assert snippet(["axb"], ["a.b"]) == ""


def test_a_text_without_blanks_is_cut_too() -> None:
    assert 100 < len(snippet(["y" * 500 + "x" + "y" * 500], ["x"])) < 160
