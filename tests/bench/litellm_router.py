"""`litellm.Router` before the same faults, in an environment of its own: cases in, one outcome a line out, as JSON.

Run by `routing_faults` with the peer's Python; it knows nothing of this project.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
_WAIT_SECONDS = 20.0
_TOGETHER = 26


async def _ask(url: str, case: dict[str, Any]) -> dict[str, Any]:
    from litellm import Router

    def place(group: str, model: str) -> dict[str, Any]:
        where = {
            "model": f"openai/{model}",
            "api_base": url,
            "api_key": "sk-upstream",
            "timeout": 3,
            "stream_timeout": 3,
        }
        return {"model_name": group, "litellm_params": where}

    places = [place("first", case["first"])]
    fallbacks: list[Any] = []
    if case["second"]:
        places.append(place("second", case["second"]))
        fallbacks = [{"first": ["second"]}]
    router = Router(model_list=places, fallbacks=fallbacks, num_retries=2, timeout=3, stream_timeout=3)
    text, error, began = "", "", time.perf_counter()
    try:
        async with asyncio.timeout(_WAIT_SECONDS):
            messages = [{"role": "user", "content": f"Count {case['first']}"}]
            answer = await router.acompletion(model="first", messages=messages, stream=True)
            async for chunk in answer:
                text += chunk.choices[0].delta.content or ""
    except TimeoutError:
        error = "hung"
    except Exception as raised:  # noqa: BLE001  # whatever it is, it is the outcome
        error = type(raised).__name__
    return {**case, "text": text, "error": error, "seconds": time.perf_counter() - began}


async def _main() -> None:
    url, cases = sys.argv[1], json.load(sys.stdin)
    places = asyncio.Semaphore(_TOGETHER)

    async def ask(case: dict[str, Any]) -> None:
        async with places:
            outcome = await _ask(url, case)
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()

    await asyncio.gather(*(ask(case) for case in cases))


asyncio.run(_main())
