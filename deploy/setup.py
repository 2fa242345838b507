"""Make a fresh machine ready and start what was asked for: `make run`, `make test` and the rest call this.

Standard library only: it runs before anything is installed. Each step leaves a digest of what it was done for in
the virtual environment and is skipped while that is the same.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import system_parts
import torch_build
from programs import SetupFailed, attempt, run

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
_STAMPS = VENV / "setup.json"
_LOCKS = ("requirements-installer.lock", "requirements.lock")
_TEST_LOCK = "requirements-test.lock"

_CHECKS = (
    ("format", ("ruff", "format", "--check", ".")),
    ("lint", ("ruff", "check", ".")),
    ("imports", ("lint-imports",)),
)
_TYPES = ("types", ("pyright",))
"""A minute of one core: it is done beside the tests, in the time these leave over."""
_LOWEST_PRIORITY = 19
_FAST_TESTS = ("pytest", "-q", "-m", "not e2e and not slow", "--ignore=tests/e2e")
_ALL_TESTS = ("pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
"""Two at a time: browsers and databases keep a machine of two cores busy."""


def main(arguments: list[str]) -> None:
    """Do what the first argument names: run, dev, test, check, bench or install."""
    _check_python()
    os.chdir(PROJECT)
    name, *rest = arguments or ["run"]
    actions = {"run": _run, "dev": _dev, "test": _test, "check": _check, "bench": _bench, "install": install}
    if name not in actions:
        raise SetupFailed(f"There is no `{name}`; there are {', '.join(actions)}.")
    try:
        actions[name](*rest)
    except KeyboardInterrupt:
        raise SetupFailed("Stopped.") from None


def _run() -> None:
    install()
    _become("-m", "chatapp", "serve")


def _dev() -> None:
    install()
    _become("-m", "chatapp", "dev")


def _bench(*names: str) -> None:
    install_tests()
    _become("-m", "tests.bench", *names)


def _check() -> None:
    install_tests()
    _run_checks((*_CHECKS, ("tests", _FAST_TESTS)))


def _test() -> None:
    # First what may have to be asked for: minutes of installing come behind it.
    is_browser_missing = system_parts.provide()
    install_tests()
    if is_browser_missing:
        _install_browser()
    _run_checks((*_CHECKS, ("tests", _ALL_TESTS)))


def install() -> None:
    """Install everything the product needs to run."""
    _step("environment", "Making a virtual environment in .venv", _make_environment, sys.version)
    _step("torch", f"Installing {torch_build.VERSION}", _install_torch, torch_build.VERSION)
    for name in _LOCKS:
        what = "Installing the installer" if "installer" in name else "Installing the pinned packages"
        _step(name, what, lambda name=name: _install_lock(name), _digest(name))


def install_tests() -> None:
    """Install the packages that only the checks need, too."""
    install()
    _step(_TEST_LOCK, "Installing the packages for the checks", lambda: _install_lock(_TEST_LOCK), _digest(_TEST_LOCK))


def _check_python() -> None:
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] != (3, 11):
        raise SetupFailed(
            f"This needs Python 3.11 and was started with {found}: install Python 3.11 and say where it is, "
            "as in `make run PYTHON=/usr/local/bin/python3.11`."
        )
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise SetupFailed(
            "This Python cannot make virtual environments: install its venv module "
            "(on Debian and Ubuntu `apt-get install python3.11-venv`) and run the command again."
        )


def _step(name: str, what: str, action, wanted: str) -> None:
    """Do the action unless it was done for the same thing before."""
    done = json.loads(_STAMPS.read_text()) if _STAMPS.exists() else {}
    if done.get(name) == wanted:
        return
    print(f"- {what} ...", flush=True)
    began = time.monotonic()
    action()
    done = json.loads(_STAMPS.read_text()) if _STAMPS.exists() else {}
    _STAMPS.write_text(json.dumps({**done, name: wanted}, indent=1))
    print(f"  done in {time.monotonic() - began:.0f} s", flush=True)


def _digest(name: str) -> str:
    return hashlib.sha256((PROJECT / name).read_bytes()).hexdigest()


def _make_environment() -> None:
    shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(VENV)], "The virtual environment could not be made.")


def _install_torch() -> None:
    torch_build.install(PYTHON, _pip())


def _install_lock(name: str) -> None:
    if "installer" in name:
        command, shown = [*_pip(), "install", "--require-hashes", "--no-deps", "-r", name], ()
    else:
        uv = [str(VENV / "bin" / "uv"), "pip", "install", "--python", str(PYTHON)]
        command = [*uv, "--require-hashes", "--no-deps", "--no-progress", "-r", name]
        shown = ("Resolved", "Prepared", "Installed")
    run(command, "Installing the packages failed. Is the package index reachable from this machine?", shown=shown)


def _pip() -> list[str]:
    # Quiet and without its advice: what it says is shown when it fails.
    return [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", "--no-color", "-q"]


def _install_browser() -> None:
    print("- Installing Playwright's own Chromium ...", flush=True)
    reason = attempt([str(PYTHON), "-m", "playwright", "install", "chromium"])
    if reason is not None:
        system_parts.refuse_without_browser(reason)


def _run_checks(checks) -> None:
    """Run every check, the tests last and the types beside them all; end with 1 when any of them failed."""
    failed = []
    name_of_types, command_of_types = _TYPES
    with _started(command_of_types, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as types:
        os.setpriority(os.PRIO_PROCESS, types.pid, _LOWEST_PRIORITY)
        for name, command in checks:
            print(f"\n== {name}: {' '.join(command)}", flush=True)
            with _started(command) as check:
                if check.wait():
                    failed.append(name)
        print(f"\n== {name_of_types}: {' '.join(command_of_types)}", flush=True)
        print(types.communicate()[0].decode(errors="replace"), end="", flush=True)
        if types.returncode:
            failed.append(name_of_types)
    if failed:
        raise SystemExit(f"\nFailed: {', '.join(failed)}")


def _started(command: tuple[str, ...], **options) -> subprocess.Popen[bytes]:
    program = str(VENV / "bin" / command[0])
    return subprocess.Popen([program, *command[1:]], env=_environment(), stdin=subprocess.DEVNULL, **options)


def _become(*arguments: str) -> None:
    """Go on as the product's own Python, in the same process: signals reach it directly."""
    sys.stdout.flush()
    os.execve(str(PYTHON), [str(PYTHON), *arguments], _environment())


def _environment() -> dict[str, str]:
    # Without bytecode kept from the last time, each process would compile some thousand modules at its start.
    given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **given,
        "PATH": os.pathsep.join((str(VENV / "bin"), os.environ.get("PATH", ""))),
        "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
        # Wherever the data folder is, the prepared model belongs to the installation.
        "CHATAPP_MODEL_DIR": os.environ.get("CHATAPP_MODEL_DIR") or str(PROJECT / ".data" / "models"),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
