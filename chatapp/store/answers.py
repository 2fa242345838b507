"""Waiting for what will come in any case: a cancellation waits for it too, and is delivered behind it."""

from __future__ import annotations

import asyncio
from typing import Any


class Answer(asyncio.Future[Any]):
    """What somebody will say. Not to be cancelled: whoever is, while they wait for it, is so once it is there."""

    def cancel(self, msg: Any = None) -> bool:  # noqa: ARG002
        """Refuse."""
        return False


async def answered(answer: Answer) -> Any:
    """The answer. Who is cancelled meanwhile still gets it, and is cancelled where they wait next."""
    try:
        return await answer
    except asyncio.CancelledError as cancelled:
        _cancel_later(cancelled)
        return answer.result()


def _cancel_later(cancelled: asyncio.CancelledError) -> None:
    """Have the present task cancelled where it waits next, with the same words: some tell by them who did it."""
    task = asyncio.current_task()
    if task is not None:
        task.cancel(*cancelled.args)
        # It has been counted already.
        task.uncancel()
