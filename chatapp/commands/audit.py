"""`audit verify`: whether the audit logs are as they were written."""

from __future__ import annotations

import argparse

from chatapp.services import audit, installation, lifespan
from chatapp.settings import Settings
from chatapp.store import schema


async def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Follow the chain of every tenant's log, or one's; 1 when one is broken."""
    installation.prepare_data_dir(settings)
    async with lifespan.running(settings, role="command"):
        await schema.migrate()
        reports = await audit.verify_all(arguments.tenant, since=arguments.since)
    for report in reports:
        print(f"{report.tenant_id}  {'intact' if report.is_intact else 'BROKEN'}  {report.message}")
        if report.is_intact and report.lines:
            print(f"  Noted elsewhere, this proves later that the log still has its last line: {report.end}")
    return 0 if all(report.is_intact for report in reports) else 1
