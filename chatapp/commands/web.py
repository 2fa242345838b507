"""`web`: only the web process, for installations whose parts run on several machines."""

from __future__ import annotations

import argparse
import os

from chatapp import front_end
from chatapp.commands import processes
from chatapp.errors import Misconfigured
from chatapp.services import installation
from chatapp.settings import Settings


async def run(_: argparse.Namespace, settings: Settings) -> int:
    """Become the web server.

    Raises:
        Misconfigured: Chroma's address is missing, or the pages are not built.
    """
    if not settings.chroma_url:
        raise Misconfigured("Set CHROMA_URL to the Chroma server all processes share; only `serve` starts its own.")
    if not front_end.is_current():
        raise Misconfigured("The pages are not built: run `python -m chatapp build` first.")
    processes.check_workers(settings)
    installation.prepare_data_dir(settings)
    spec = processes.web(settings, settings.chroma_url)
    os.execve(spec.command[0], list(spec.command), {**os.environ, **spec.environment})  # noqa: S606  # our own server
