"""What set-up does where something is missing: with programs of our own in the place of pip, apt and the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture.source import PROJECT

_SETUP = PROJECT / "deploy" / "setup.py"
_GPU_BUILD = ['nvidia-cudnn-cu13==9; platform_system == "Linux"', "triton==3.4", "cuda-bindings>=12,<14", "sympy>=1.13"]
_OTHER_MACHINE = ['nvidia-cudnn-cu13==9; platform_system == "Plan 9"', "sympy>=1.13"]

_PIP = """#!{python}
import json, sys
arguments = sys.argv[1:]
if arguments[:2] != ["-m", "pip"]:
    import os
    os.execv({python!r}, [{python!r}, *arguments])
with open({log!r}, "a") as log:
    log.write(" ".join(arguments[arguments.index("install"):]) + "\\n")
if "--report" in arguments:
    print(json.dumps({{"install": [{{"metadata": {{"name": "torch", "requires_dist": {needs}}}}}]}}))
elif "--index-url" in arguments and not {is_cpu_index_there}:
    sys.exit("ERROR: no route to the index")
"""

MakePip = Callable[..., Path]


def _program(folder: Path, name: str, text: str = "#!/bin/sh\n") -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def make_pip(tmp_path: Path) -> MakePip:
    """A pip that writes down what it is asked and knows torch as one kind of build."""

    def make(needs: list[str], *, is_cpu_index_there: bool = False) -> Path:
        text = _PIP.format(
            python=sys.executable,
            log=str(tmp_path / "asked"),
            needs=json.dumps(needs),
            is_cpu_index_there=is_cpu_index_there,
        )
        return _program(tmp_path, "python", text)

    return make


def _install_torch(python: Path, *, has_gpu: bool = False) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    code = (
        "import sys; from pathlib import Path; import torch_build\n"
        f"torch_build._has_gpu = lambda: {has_gpu}\n"
        "python = Path(sys.argv[1]); torch_build.install(python, [str(python), '-m', 'pip'])"
    )
    command = [sys.executable, "-c", code, str(python)]
    done = subprocess.run(command, cwd=_SETUP.parent, capture_output=True, text=True, timeout=60, check=False)
    asked = (python.parent / "asked").read_text().splitlines()
    return done, [line for line in asked if "--dry-run" not in line]


@pytest.mark.parametrize("needs", [["sympy>=1.13"], _OTHER_MACHINE])
def test_the_build_for_processors_is_taken_where_it_is_at_hand(make_pip: MakePip, needs: list[str]) -> None:
    done, asked = _install_torch(make_pip(needs))
    assert done.returncode == 0, done.stderr
    assert asked == ["install --no-deps torch==2.13.0"]


def test_where_the_index_has_the_build_for_gpus_pytorchs_own_gives_the_other(make_pip: MakePip) -> None:
    done, asked = _install_torch(make_pip(_GPU_BUILD, is_cpu_index_there=True), has_gpu=True)
    assert done.returncode == 0, done.stderr
    assert asked == ["install --no-deps --retries 1 --index-url https://download.pytorch.org/whl/cpu torch==2.13.0"]


def test_without_a_gpu_nothing_of_its_libraries_is_installed(make_pip: MakePip) -> None:
    done, asked = _install_torch(make_pip(_GPU_BUILD))
    assert done.returncode == 1
    assert not [line for line in asked if "nvidia" in line or "triton" in line]
    assert "no route to the index" in done.stderr
    assert "PIP_EXTRA_INDEX_URL" in done.stderr


def test_with_a_gpu_its_build_comes_with_its_libraries_and_nothing_else(make_pip: MakePip) -> None:
    done, asked = _install_torch(make_pip(_GPU_BUILD), has_gpu=True)
    assert done.returncode == 0, done.stderr
    assert asked[-2:] == [
        "install --no-deps torch==2.13.0",
        "install nvidia-cudnn-cu13==9 triton==3.4 cuda-bindings<14,>=12",
    ]


def _provide(folder: Path, *, is_root: bool = True) -> subprocess.CompletedProcess[str]:
    """Ask for the system's parts where nothing but `folder` is in the path."""
    code = (
        "import os; from pathlib import Path; import system_parts\n"
        f"os.geteuid = lambda: {0 if is_root else 1000}\n"
        f"system_parts._ELSEWHERE = Path({str(folder)!r})\n"
        "print('browser missing:', system_parts.provide())"
    )
    environment = {"PATH": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=_SETUP.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


_ALL = ("chromium", "redis-server", "initdb")


def test_nothing_is_installed_where_everything_is_there(tmp_path: Path) -> None:
    for name in _ALL:
        _program(tmp_path, name)
    done = _provide(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "browser missing: False\n"


def test_what_is_missing_comes_from_the_systems_packages(tmp_path: Path) -> None:
    _program(tmp_path, "initdb")
    log = tmp_path / "asked"
    made = " ".join(str(tmp_path / name) for name in ("chromium", "redis-server"))
    _program(tmp_path, "made")
    _program(
        tmp_path,
        "apt-get",
        f'#!/bin/sh\necho "$@" >> {log}\n[ "$1" = update ] || for one in {made}; do '
        f"/bin/cp {tmp_path / 'made'} $one; done\n",
    )
    done = _provide(tmp_path)
    assert done.returncode == 0, done.stderr
    assert log.read_text().splitlines() == [
        "update -q",
        "install -yq --no-install-recommends chromium redis-server",
    ]
    assert "browser missing: False" in done.stdout


def test_what_cannot_be_installed_is_named_with_the_reason(tmp_path: Path) -> None:
    _program(tmp_path, "apt-get", '#!/bin/sh\necho "E: Unable to locate package $5" >&2\nexit 100\n')
    done = _provide(tmp_path)
    assert done.returncode == 1
    assert "E: Unable to locate package" in done.stderr
    assert "Redis (package `redis-server`)" in done.stderr
    assert "PostgreSQL (package `postgresql`)" in done.stderr
    assert "apt-get install chromium redis-server postgresql" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("has_apt", [True, False])
def test_without_the_right_to_install_it_says_what_to_install(tmp_path: Path, has_apt: bool) -> None:
    for name in ("chromium", "initdb", *(["apt-get"] if has_apt else [])):
        _program(tmp_path, name, "#!/bin/sh\nexit 99\n")
    done = _provide(tmp_path, is_root=False)
    assert done.returncode == 1
    assert "The tests need Redis (package `redis-server`)." in done.stderr
    assert ("As root, run `apt-get install redis-server`" in done.stderr) is has_apt


def test_a_missing_browser_alone_is_left_to_playwright(tmp_path: Path) -> None:
    for name in ("redis-server", "initdb"):
        _program(tmp_path, name)
    done = _provide(tmp_path, is_root=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "browser missing: True\n"


def test_a_program_is_quiet_unless_it_fails(tmp_path: Path) -> None:
    talker = _program(tmp_path, "talker", '#!/bin/sh\necho "WARNING: running as root"\necho "Resolved 3"\nexit $1\n')
    code = "import sys; from programs import run; run([sys.argv[1], sys.argv[2]], 'It failed.', shown=('Resolved',))"
    for status in (0, 1):
        done = subprocess.run(
            [sys.executable, "-c", code, str(talker), str(status)],
            cwd=_SETUP.parent,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout == "  Resolved 3\n"
        assert done.returncode == status
        assert ("WARNING: running as root" in done.stderr) is bool(status)
        assert ("It failed." in done.stderr) is bool(status)


def test_a_name_that_make_does_not_know_is_a_sentence() -> None:
    command = [sys.executable, str(_SETUP), "fly"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "There is no `fly`" in done.stderr
