"""The command line: `python -m chatapp --help`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from importlib import import_module
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from chatapp.errors import AppError
from chatapp.settings import Settings, get_settings
from chatapp.telemetry.log import configure_logging

Run = Callable[[argparse.Namespace, Settings], Coroutine[Any, Any, int]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. What goes wrong is told in a sentence."""
    chosen = _parser().parse_args(arguments)
    try:
        settings = get_settings()
    except ValidationError as error:
        print(_wrong_settings(error), file=sys.stderr)
        return 2
    # Commands that keep running set their own level.
    configure_logging("warning")
    try:
        return asyncio.run(_run_of(chosen.command)(chosen, settings))
    except AppError as error:
        print(error.message, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run_of(command: str) -> Run:
    # Imported when chosen: `--help` and `doctor` must not wait for, or fail with, what another command needs.
    return import_module(f"chatapp.commands.{command.replace('-', '_')}").run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chatapp", description="Chat over an organisation's documents.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    commands.add_parser("serve", help="start web, worker and, without CHROMA_URL, a Chroma server; stop with Ctrl-C")
    commands.add_parser("dev", help="the same, reloading when a file changes")
    commands.add_parser("web", help="only the web process")
    commands.add_parser("worker", help="only a worker, which ingests documents and cleans up")
    commands.add_parser("build", help="build the pages if their sources changed")
    commands.add_parser("prepare", help="prepare the embedding model if it is missing")

    migrate = commands.add_parser("migrate", help="bring the database's schema up to date")
    migrate.add_argument("--make", metavar="SENTENCE", help="write a new revision for what changed in the tables")

    _add_admin(commands)

    ingest = commands.add_parser("ingest", help="upload files and folders, as the documents page does")
    ingest.add_argument("paths", nargs="+", metavar="PATH")
    ingest.add_argument("--collection", default="Documents", help="name of the collection; made if there is none")
    ingest.add_argument("--email", help="in whose name; left out: the first admin's")

    commands.add_parser("rotate-secrets", help="move everything kept encrypted to the present CHATAPP_SECRET_KEY")
    audit = commands.add_parser("audit", help="check that nobody changed the audit log")
    verify = audit.add_subparsers(dest="action", required=True, metavar="ACTION").add_parser(
        "verify", help="follow its chain from the first line to the last; 1 when it is broken"
    )
    verify.add_argument("--tenant", type=UUID, metavar="ID", help="only this tenant's; left out: every tenant's")
    verify.add_argument(
        "--since", default="", metavar="END", help="a last line noted earlier, which must still be there"
    )

    commands.add_parser("doctor", help="check every setting and dependency, and say what to do")
    return parser


def _add_admin(commands: Any) -> None:
    admin = commands.add_parser("admin", help="make an admin, reset a password; tenants and API keys")
    actions = admin.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, what in (("create", "make an admin"), ("reset", "give an admin a new password; their sessions end")):
        action = actions.add_parser(name, help=what)
        action.add_argument("--email", required=True)
        action.add_argument("--password", help="left out: a one-time link is printed that sets it")
    tenant = actions.add_parser("tenant", help="list tenants, or make one")
    tenant.add_argument("what", choices=("list", "create"), help="what to do")
    tenant.add_argument("name", nargs="?", help="of the tenant to make")
    tenant.add_argument("--email", help="its first admin, for whom a link is printed")
    key = actions.add_parser("key", help="make an API key, which is shown once; list, rotate or revoke keys")
    key.add_argument("what", nargs="?", choices=("make", "list", "rotate", "revoke"), default="make")
    key.add_argument("id", nargs="?", help="of the key to rotate or revoke, as `list` gives it")
    key.add_argument("--tenant", help="name or id; left out: the owner's, for a service's key the first one")
    key.add_argument("--email", help="whose key it is; left out: a service's")
    key.add_argument("--name", default="command line", help="what it is for")
    key.add_argument("--scopes", default="use:chat,write:documents,read:traces", help="separated by commas")
    key.add_argument("--days", type=int, help="how long it is valid; left out: until it is revoked")
    key.add_argument("--grace-hours", type=float, default=0.0, help="how long the old key opens too after a rotation")


def _wrong_settings(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        name = str(problem["loc"][0])
        # A field without an alias of its own is reported by its name in the class.
        variable = name if name.isupper() else f"CHATAPP_{name.upper()}"
        value = os.environ.get(variable, "")
        shown = "" if any(word in variable for word in ("KEY", "PASSWORD", "URL")) else f" (it is {value!r})"
        wanted = _wanted(name, problem["type"]) or problem["msg"].removeprefix("Value error, ")
        lines.append(f"{variable} {wanted}{shown}.")
    return "The environment has a setting that cannot be used:\n  " + "\n  ".join(lines)


def _wanted(name: str, problem: str) -> str:
    """What a number or a switch has to be; empty for other settings, whose checks say it themselves."""
    if problem.startswith("bool_"):
        return "has to be 1 for yes or 0 for no"
    if not problem.startswith(("int_", "float_", "finite_", "greater_", "less_")):
        return ""
    field = next(field for known, field in Settings.model_fields.items() if name in (known, field.validation_alias))
    limits = {key: getattr(limit, key) for limit in field.metadata for key in ("ge", "le") if hasattr(limit, key)}
    if "le" in limits:
        return f"has to be a number from {limits['ge']} to {limits['le']}"
    return f"has to be a number, {limits['ge']} or more" if "ge" in limits else "has to be a number above 0"


if __name__ == "__main__":
    sys.exit(main())
