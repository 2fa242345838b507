"""What is done with models, in the list of them and on the page of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from admin.components.specs import Tone
from chatapp.domain import Actor
from chatapp.errors import NotFound
from chatapp.services import models_served
from chatapp.services.models_served import ModelRemoval, ServedModelView

CAPABILITIES = {
    "streaming": "Streaming",
    "json": "JSON by a schema",
    "tools": "Tools",
    "vision": "Pictures",
    "reasoning": "Reasoning",
    "prompt_caching": "Prompt caching",
}
STATES = {"default": "Default", "in_use": "In use", "off": "Off"}
TONES: dict[str, Tone] = {"default": "info", "in_use": "good", "off": "quiet"}
_FIELDS = {"make_default": {"is_default": True}, "switch_on": {"is_enabled": True}, "switch_off": {"is_enabled": False}}


def state_of(view: ServedModelView) -> str:
    """One of `STATES`."""
    if not view.is_enabled:
        return "off"
    return "default" if view.is_default else "in_use"


async def question_about(actor: Actor, action: str, ids: Sequence[UUID]) -> dict[str, Any]:
    """What is asked before an action, with what it hits; for `ConfirmState._ask`.

    Raises:
        NotFound: there is no such action, or no such model.
        NotPermitted: the actor is no platform admin.
    """
    if action not in _QUESTIONS or not ids:
        raise NotFound
    hit = await models_served.removal_of(actor, list(ids))
    title, text, word = _QUESTIONS[action]
    what = hit.names[0] if len(hit.names) == 1 else f"{len(hit.names)} models"
    return {
        "title": title.format(what),
        "text": text + (_WITHOUT_DEFAULT if action != "make_default" and hit.is_default else ""),
        "hits": {} if action == "make_default" else {"Routes that name it" if len(ids) == 1 else _MANY: hit.routes},
        "names": _named(hit),
        "word": word,
    }


async def switch(actor: Actor, action: str, ids: Sequence[UUID]) -> None:
    """Do an action with models.

    Raises:
        NotFound: there is no such action, or no such model.
        NotPermitted: the actor is no platform admin.
    """
    for model_id in ids:
        if action == "delete":
            await models_served.delete(actor, model_id)
        elif action in _FIELDS:
            await models_served.change(actor, model_id, _FIELDS[action])
        else:
            raise NotFound


def _named(hit: ModelRemoval) -> list[str]:
    return list(hit.names) if len(hit.names) > 1 else []


_MANY = "Routes that name one of them"
_WITHOUT_DEFAULT = " It is the default: the oldest model in use takes its place until another is made the default."
_QUESTIONS = {
    "make_default": (
        "Make {} the default?",
        "From the next question on it answers wherever a tenant has no route of its own.",
        "Make it the default",
    ),
    "switch_off": (
        "Switch {} off?",
        "It answers nothing until it is switched on again. Routes go on to the next model they name.",
        "Switch off",
    ),
    "delete": (
        "Delete {}?",
        "Its prices and places are removed. Answers it gave keep its name and their cost. Routes go on to the next "
        "model they name.",
        "Delete",
    ),
}
