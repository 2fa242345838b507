"""`worker`: only a worker, for installations whose parts run on several machines."""

from __future__ import annotations

import argparse

from chatapp import worker
from chatapp.errors import Misconfigured
from chatapp.services import installation
from chatapp.settings import Settings
from chatapp.telemetry.log import configure_logging


async def run(_: argparse.Namespace, settings: Settings) -> int:
    """Work until told to stop.

    Raises:
        Misconfigured: Chroma's address is missing.
    """
    if not settings.chroma_url:
        raise Misconfigured("Set CHROMA_URL to the Chroma server all processes share; only `serve` starts its own.")
    installation.prepare_data_dir(settings)
    configure_logging(settings.log_level)
    await worker.run(settings)
    return 0
