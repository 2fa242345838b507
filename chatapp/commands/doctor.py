"""`doctor`: every setting and dependency, and what to do about the ones that fail."""

from __future__ import annotations

import argparse
import shutil
import socket
import sys
from pathlib import Path

import httpx

from chatapp import front_end
from chatapp.errors import Misconfigured
from chatapp.services import doctor, installation, lifespan
from chatapp.services.doctor import Finding
from chatapp.settings import Settings

_MARKS = {"ok": "ok      ", "warning": "warning ", "wrong": "WRONG   "}


async def run(_: argparse.Namespace, settings: Settings) -> int:
    """Print every finding; the status is 1 when something keeps the product from working."""
    findings = [_python(), _programs(), _pages(), await _port(settings)]
    try:
        installation.prepare_data_dir(settings)
        async with lifespan.running(settings, role="command"):
            findings += await doctor.examine(settings)
    except Misconfigured as error:
        findings.append(Finding("data folder", "wrong", error.message))
    for finding in findings:
        print(f"{_MARKS[finding.level]} {finding.subject}: {finding.text}")
        if finding.advice:
            print(f"{'':9}{finding.advice}")
    return 1 if any(finding.level == "wrong" for finding in findings) else 0


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] == (3, 11):
        return Finding("Python", "ok", version)
    return Finding("Python", "wrong", version, "Use Python 3.11: the pinned packages are for it.")


def _programs() -> Finding:
    folder = Path(sys.executable).parent
    missing = [name for name in ("node", "npm", "chroma") if shutil.which(name, path=str(folder)) is None]
    if missing:
        return Finding("programs", "wrong", f"missing in {folder}: {', '.join(missing)}", "Run `make run` once.")
    return Finding("programs", "ok", "Node, npm and Chroma are installed")


def _pages() -> Finding:
    if front_end.is_current():
        return Finding("pages", "ok", "built from the sources as they are")
    return Finding("pages", "warning", "not built", "Run `python -m chatapp build`; `serve` does it too.")


async def _port(settings: Settings) -> Finding:
    place = f"{settings.host} port {settings.port}"
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            if await _is_ours(settings):
                return Finding("port", "ok", f"{place}: this product is running there")
            advice = "Stop the program that uses it, or set PORT (and HOST) to something else."
            return Finding("port", "wrong", f"{place}: {error.strerror}", advice)
    return Finding("port", "ok", f"{place} is free")


async def _is_ours(settings: Settings) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=2.0) as client:
            answer = await client.get(f"http://{settings.host}:{settings.port}/healthz")
    except httpx.HTTPError:
        return False
    return answer.text.replace(" ", "") == '{"status":"ok"}'
