from __future__ import annotations

import inspect
import re
from pathlib import Path

import chatapp.pipeline
from chatapp.pipeline import answer

README = Path(__file__).parents[3] / "README.md"


def test_the_package_the_code_and_the_readme_give_the_same_order() -> None:
    called = re.findall(r"_timed\((\w+), turn\)|return await (record)\(", inspect.getsource(answer.answer))
    steps = [first or last for first, last in called]
    described = re.findall(r"^(\w+) {2,}\S", chatapp.pipeline.__doc__ or "", re.MULTILINE)
    in_readme = re.findall(r"^\d+\. `(\w+)`", README.read_text(encoding="utf-8"), re.MULTILINE)

    assert steps == described == [step for step in in_readme if step in steps]
    assert all(callable(getattr(answer, step)) for step in steps)
