"""E3: every way a provider fails, before and after the first token, with a healthy fallback, ours and `litellm.Router`.

Both get the same scripts over real sockets, two tries more, three seconds for each wait and one model to fall back to.
What counts is what a reader has at the end: the whole answer once, a part of it with an error, or something worse.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.peers import PeerMissing, install_litellm_proxy
from tests.bench.row import Row
from tests.upstream.faults import FAULTS
from tests.upstream.server import Upstream

_TOKENS = 10
_WHOLE = "".join(f"word{number} " for number in range(1, _TOKENS + 1))
_AFTER = (0, 4)


async def run() -> list[Row]:
    """Ask every case of both, and print the table."""
    upstream = Upstream()
    await upstream.open()
    try:
        cases = [_case(fault, after) for fault in FAULTS for after in _AFTER]
        ours = {_name(case): _outcome(case, *await _ours(upstream.url, case)) for case in cases}
        try:
            theirs = await _theirs(upstream.url, cases)
        except PeerMissing as reason:
            sys.stdout.write(f"litellm.Router: {reason}; there is nothing to compare with.\n")
            theirs = {}
    finally:
        await upstream.close()
    _print(ours, theirs)
    good, their_good = (sum(outcome == "whole" for outcome in each.values()) for each in (ours, theirs))
    ratio = good / their_good if their_good else float("nan")
    title = f"E3 whole answers of {len(ours)} faults with a healthy fallback"
    return [Row(title, good, "", "litellm.Router", their_good, ratio, f"ours {len(ours)}")]


def _case(fault: str, after: int) -> dict[str, Any]:
    first = f"a?tokens={_TOKENS}&fault={fault}&after={after}&retry_after=60"
    return {"fault": fault, "after": after, "first": first, "second": f"b?tokens={_TOKENS}&after={len(fault)}{after}"}


def _name(case: Mapping[str, Any]) -> tuple[str, int]:
    return case["fault"], case["after"]


async def _ours(url: str, case: Mapping[str, Any]) -> tuple[str, str]:
    from chatapp.providers.connections import close_providers, open_providers
    from chatapp.routing import breaker, retries
    from tests.faults.chains import chain, deployment, run

    breaker.forget_breakers()
    retries.forget_budgets()
    open_providers()
    try:
        first = deployment(url, f"{case['first']}&going_on=continue", idle_timeout_seconds=3.0)
        outcome = await run(chain(first, deployment(url, case["second"], "second")))
    finally:
        await close_providers()
    return outcome.text, outcome.error.code if outcome.error else ""


async def _theirs(url: str, cases: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], str]:
    program = (await asyncio.to_thread(install_litellm_proxy)).with_name("python")
    found: dict[tuple[str, int], str] = {}
    child = await asyncio.create_subprocess_exec(
        str(program),
        "tests/bench/litellm_router.py",
        url,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=64_000_000,
    )
    said, _ = await child.communicate(json.dumps(cases).encode())
    for line in said.decode().splitlines():
        if line.startswith('{"fault"'):
            case = json.loads(line)
            found[_name(case)] = _outcome(case, case["text"], case["error"])
    return found


def _outcome(case: Mapping[str, Any], text: str, error: str) -> str:
    if case["fault"] == "huge_event":
        # Five million characters: whole is with all of them, or the other model's answer in their place.
        is_whole = text.count("x") >= 5_000_000 or text == _WHOLE
        return f"error: {error}" if error else "whole" if is_whole else "cut, unsaid"
    if text == _WHOLE and not error:
        return "whole"
    if text.count("word1 ") > 1:
        return "said twice"
    if error:
        return f"part, then {error}" if text else f"error: {error}"
    return "cut, unsaid" if text != _WHOLE else "whole"


def _print(ours: Mapping[tuple[str, int], str], theirs: Mapping[tuple[str, int], str]) -> None:
    sys.stdout.write(f"{'fault':24}{'tokens before':15}{'ours':28}litellm.Router\n")
    for fault, after in ours:
        line = f"{fault:24}{after:<15}{ours[fault, after]:28}{theirs.get((fault, after), '-')}"
        sys.stdout.write(line.rstrip() + "\n")
