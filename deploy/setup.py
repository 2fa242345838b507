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

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
_STAMPS = VENV / "setup.json"
_TORCH = "torch==2.13.0"
_LOCKS = ("requirements-installer.lock", "requirements.lock")
_TEST_LOCK = "requirements-test.lock"

_SYSTEM_PARTS = {
    "chromium": ("a Chromium browser", ("chromium", "chromium-browser", "google-chrome")),
    "redis-server": ("Redis", ("redis-server",)),
    "postgresql": ("PostgreSQL", ("initdb",)),
}
"""Package: what it is, and the programs of which any one will do."""

_CHECKS = (
    ("format", ("ruff", "format", "--check", ".")),
    ("lint", ("ruff", "check", ".")),
    ("types", ("pyright",)),
    ("imports", ("lint-imports",)),
)
_FAST_TESTS = ("pytest", "-q", "-m", "not e2e and not slow", "--ignore=tests/e2e")
_ALL_TESTS = ("pytest", "-n", "2", "--dist", "loadfile")
"""Two at a time: browsers and databases keep a machine of two cores busy."""


class SetupFailed(SystemExit):
    """Ends the program with one sentence that says what to do."""

    def __init__(self, sentence: str) -> None:
        """Keep the sentence; the interpreter prints it and exits with 1."""
        super().__init__(f"\n{sentence}")


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
    install_tests()
    _install_system_parts()
    _run_checks((*_CHECKS, ("tests", _ALL_TESTS)))


def install() -> None:
    """Install everything the product needs to run."""
    _step("environment", "Making a virtual environment in .venv", _make_environment, sys.version)
    _step("torch", f"Installing {_TORCH}", _install_torch, _TORCH)
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
    _do([sys.executable, "-m", "venv", str(VENV)], "The virtual environment could not be made.")


def _install_torch() -> None:
    # With pip, which reads where this machine keeps builds of its own: a CPU build is taken where one is at hand.
    # Without dependencies: those of the build for GPUs are gigabytes that nothing here uses.
    _pip("install", "--no-deps", _TORCH)


def _install_lock(name: str) -> None:
    if "installer" in name:
        _pip("install", "--require-hashes", "--no-deps", "-r", name)
        return
    uv = str(VENV / "bin" / "uv")
    command = [uv, "pip", "install", "--python", str(PYTHON), "--require-hashes", "--no-deps", "-r", name]
    _do([*command, "--no-progress"], _no_packages("the packages"), drop=(" + ", " - ", " ~ "))
    if name == "requirements.lock":
        _complete_torch()


def _complete_torch() -> None:
    """Install the libraries a build for GPUs names, when it cannot be imported without them."""
    if subprocess.run([str(PYTHON), "-c", "import torch"], capture_output=True, check=False).returncode == 0:
        return
    code = (
        "from importlib.metadata import requires; from packaging.requirements import Requirement as R\n"
        "wanted = [R(r) for r in requires('torch')]\n"
        "print(*(f'{r.name}{r.specifier}' for r in wanted if r.name.startswith(('nvidia', 'cuda', 'triton'))\n"
        "        and (r.marker is None or r.marker.evaluate({'extra': ''}))), sep='\\n')"
    )
    names = subprocess.run([str(PYTHON), "-c", code], capture_output=True, text=True, check=True).stdout.split()
    print(f"  torch came as a build for GPUs, which needs {len(names)} more packages", flush=True)
    _pip("install", *names)


def _pip(*arguments: str) -> None:
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", "-q", *arguments]
    _do(command, _no_packages("a package"))


def _no_packages(what: str) -> str:
    return f"Installing {what} failed; the lines above say why. Is the package index reachable from this machine?"


def _do(command: list[str], sentence: str, drop: tuple[str, ...] = ()) -> None:
    """Run a program to its end; lines it prints that begin with one of `drop` are not shown."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, **options) as process:
        for line in process.stdout:
            if not line.startswith(drop or "\0"):
                print(f"  {line}", end="", flush=True)
    if process.returncode:
        raise SetupFailed(sentence)


def _install_system_parts() -> None:
    """Have a browser, Redis and PostgreSQL for the tests, from the system's packages where they may be installed."""
    missing = [package for package, (_, programs) in _SYSTEM_PARTS.items() if not any(map(_find_program, programs))]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"- Installing {', '.join(missing)} for the tests ...", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["apt-get", "update", "-q"],
            ["apt-get", "install", "-yq", "--no-install-recommends", *missing],
        ):
            subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
        missing = [package for package in missing if not any(map(_find_program, _SYSTEM_PARTS[package][1]))]
    if "chromium" in missing and _install_playwright_browser():
        missing.remove("chromium")
    if missing:
        wanted = ", ".join(f"{_SYSTEM_PARTS[package][0]} (package `{package}`)" for package in missing)
        raise SetupFailed(f"The tests need {wanted}: install from your system's packages and run the command again.")


def _find_program(name: str) -> bool:
    # Debian keeps PostgreSQL's programs out of the path.
    return shutil.which(name) is not None or any(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))


def _install_playwright_browser() -> bool:
    print("- Installing Playwright's own Chromium ...", flush=True)
    command = [str(PYTHON), "-m", "playwright", "install", "chromium"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == 0


def _run_checks(checks) -> None:
    """Run every check, the tests last; end with 1 when any of them failed."""
    failed = []
    for name, command in checks:
        print(f"\n== {name}: {' '.join(command)}", flush=True)
        program = str(VENV / "bin" / command[0])
        code = subprocess.run(
            [program, *command[1:]], env=_environment(), stdin=subprocess.DEVNULL, check=False
        ).returncode
        if code:
            failed.append(name)
    if failed:
        raise SystemExit(f"\nFailed: {', '.join(failed)}")


def _become(*arguments: str) -> None:
    """Go on as the product's own Python, in the same process: signals reach it directly."""
    sys.stdout.flush()
    os.execve(str(PYTHON), [str(PYTHON), *arguments], _environment())


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "PATH": os.pathsep.join((str(VENV / "bin"), os.environ.get("PATH", ""))),
        "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
        # Wherever the data folder is, the prepared model belongs to the installation.
        "CHATAPP_MODEL_DIR": os.environ.get("CHATAPP_MODEL_DIR") or str(PROJECT / ".data" / "models"),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
