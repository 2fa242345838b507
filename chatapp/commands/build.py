"""`build`: the pages' front end, when its sources changed."""

from __future__ import annotations

import argparse
import asyncio

from chatapp import front_end
from chatapp.settings import Settings


async def run(_: argparse.Namespace, __: Settings) -> int:
    """Build unless what is built is current."""
    await asyncio.to_thread(front_end.build)
    return 0
