"""Where the page says that another model went on: behind a word, and never where a mark would break the markup."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_SEAMS = Path(__file__).parents[3] / "chatapp/components/seams.js"
_NODE = Path(sys.executable).parent / "node"
_SCRIPT = f"""
import {{ seamPlaces }} from "{_SEAMS.as_uri()}";
const cases = JSON.parse(process.argv[1]);
const parts = (start) => [{{ start: 0, model: "a" }}, {{ start, model: "b" }}];
console.log(JSON.stringify(cases.map(([text, start]) => seamPlaces(text, parts(start)))));
"""
_CODE = "See\n```py\nprint(1)\n```\nafter it"

_CASES = {
    "between two words": ("one two three", 4, "one| two three"),
    "in a word": ("one two three", 5, "one two| three"),
    "at the end so far": ("one tw", 6, "one tw|"),
    "behind the end": ("one", 9, "one|"),
    "in a citation of two": ("Paid [1, 2] now", 8, "Paid [1, 2]| now"),
    "behind the mark of a list item": ("one\n- two more", 6, "one\n- two| more"),
    "in the mark of a heading": ("## Head line", 1, "## Head| line"),
    "in the line below a table's head": ("| a | b |\n|:--|--:|\n| 1 | 2 |", 13, "| a | b |\n|:--|--:|\n| 1| | 2 |"),
    "in code": (_CODE, 12, "See\n```py\nprint(1)\n```\n\n|\n\n\nafter it"),
    "before code": (_CODE, 4, "See|\n```py\nprint(1)\n```\nafter it"),
    "behind code": (_CODE, 24, "See\n```py\nprint(1)\n```\nafter| it"),
    "in code that is still open": ("See\n```py\nprint", 12, "See\n```py\nprint"),
    "behind characters of two units": ("😀😀 word more", 3, "😀😀 word| more"),
}


@pytest.fixture(scope="module")
def placed() -> dict[str, list[dict[str, object]]]:
    cases = json.dumps([[text, start] for text, start, _ in _CASES.values()])
    command = [str(_NODE), "--no-warnings", "--input-type=module", "--eval", _SCRIPT, cases]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return dict(zip(_CASES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("case", _CASES)
def test_a_mark_stands_behind_the_word_it_falls_into(case: str, placed: dict[str, list[dict[str, object]]]) -> None:
    text, _, wanted = _CASES[case]
    units = text.encode("utf-16-le")
    shown = text
    for place in placed[case]:
        at = int(str(place["at"])) * 2
        mark = str(place["mark"]).replace("\ue0021\ue003", "|")
        shown = units[:at].decode("utf-16-le") + mark + units[at:].decode("utf-16-le")
    assert shown == wanted
