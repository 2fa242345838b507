"""The HTTP API of a web process on the production server, without pages: `python -m tests.faults.web_process PORT`."""

from __future__ import annotations

import asyncio
import sys

from granian.constants import Interfaces
from granian.server.embed import Server

from chatapp.services.lifespan import running
from chatapp.settings import get_settings
from chatapp.web.app import create_api, edge


async def _serve(port: int) -> None:
    async with running(get_settings(), role="web"):
        await Server(edge(create_api()), port=port, interface=Interfaces.ASGINL, log_enabled=False).serve()


asyncio.run(_serve(int(sys.argv[1])))
