"""`dev`: serve, and start anew whatever a changed file belongs to."""

from __future__ import annotations

import argparse

from chatapp import front_end
from chatapp.commands import processes, serve
from chatapp.settings import Settings


async def run(_: argparse.Namespace, settings: Settings) -> int:
    """Serve with reloading until told to stop."""
    try:
        return await serve.supervise(settings, web=processes.reloading_web, worker=processes.reloading_worker)
    finally:
        front_end.forget()
