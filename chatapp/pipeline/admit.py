"""Who asks, and that the question has a size we accept."""

from __future__ import annotations

from dataclasses import replace

from chatapp.domain import Permission
from chatapp.errors import InvalidInput
from chatapp.pipeline.compose import parts_before_search
from chatapp.pipeline.fitting import require_room
from chatapp.pipeline.turn import Turn


async def admit(turn: Turn) -> Turn:
    """Let the turn in, or refuse it.

    Raises:
        NotPermitted: the actor may not chat.
        InvalidInput: the question is empty or too long.
        PromptTooLong: the model cannot read it with what was said before, and the tenant wants nothing left out.
    """
    turn.actor.require(Permission.CHAT)
    turn = replace(turn, question=valid_question(turn.question, turn.limits.question_characters))
    if turn.route.when_too_long == "refuse" and not turn.deployment.provider.quotes:
        await require_room(parts_before_search(turn), turn.deployment, is_searching=turn.is_searching)
    return turn


def valid_question(question: str, max_characters: int) -> str:
    """The question without blank ends and without characters that no database keeps.

    Args:
        question: as typed.
        max_characters: most characters accepted.

    Raises:
        InvalidInput: it is empty or longer.
    """
    question = question.replace("\x00", "").encode("utf-8", "replace").decode().strip()
    if not question:
        raise InvalidInput("Write a message first.", param="messages")
    if len(question) > max_characters:
        raise InvalidInput(
            f"The message has {len(question):,} characters; at most {max_characters:,} are accepted. Shorten it, "
            "or upload it as a document.",
            param="messages",
        )
    return question
