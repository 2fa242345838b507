"""What is installed on a fresh machine is pinned, hashed, and says nothing about where it comes from."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

from tests.architecture.source import PROJECT

_LOCKS = ("requirements.lock", "requirements-test.lock", "requirements-installer.lock")


def _pins(name: str) -> dict[str, str]:
    text = (PROJECT / name).read_text()
    return {match[1].lower().replace("_", "-"): match[2] for match in re.finditer(r"(?m)^([\w.-]+)==([^\s;]+)", text)}


@pytest.mark.parametrize("name", _LOCKS)
def test_every_package_is_pinned_with_hashes(name: str) -> None:
    blocks = re.findall(r"(?m)^[a-zA-Z]\S*.*(?:\n[ \t].*)*", (PROJECT / name).read_text())
    assert blocks
    assert [block.partition(" ")[0] for block in blocks if "--hash=sha256:" not in block or "==" not in block] == []


@pytest.mark.parametrize("name", _LOCKS)
def test_no_lock_names_a_registry_or_the_builds_for_gpus(name: str) -> None:
    text = (PROJECT / name).read_text()
    assert re.findall(r"(?m)^(?:torch|triton|nvidia\S*|cuda\S*)==|https?://|--index-url|--find-links", text) == []


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["test"]]
    pins = _pins("requirements-test.lock") | _pins("requirements.lock")
    wrong = []
    for requirement in asked:
        name, _, version = requirement.partition("==")
        name = name.partition("[")[0].lower().replace("_", "-")
        if name != "torch" and (name not in pins or (version and pins[name] != version)):
            wrong.append(requirement)
    assert wrong == []


def test_the_torch_that_is_installed_is_the_one_asked_for() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    torch = next(name for name in project["project"]["dependencies"] if name.startswith("torch=="))
    assert f'"{torch}"' in (PROJECT / "deploy" / "torch_build.py").read_text()


def test_the_lock_of_the_pages_names_no_registry() -> None:
    lock = json.loads((PROJECT / "reflex.lock" / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [
        name for name, package in packages.items() if "integrity" not in package and not package.get("inBundle")
    ] == []
