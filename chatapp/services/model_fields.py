"""What may stand in the fields of a model, its prices and its deployments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatapp.errors import InvalidInput
from chatapp.routing.balance import Balance
from chatapp.services.catalog import AUTO
from chatapp.services.names import valid_name
from chatapp.store.catalog import PRICES
from chatapp.store.tables.providers import CAPABILITIES

MAX_NAME_CHARACTERS = 120
MAX_PRICE = 2_000_000_000
"""Two thousand dollars a million tokens: more is a slip of the keyboard."""
MAX_TOKENS = 100_000_000
MAX_WEIGHT = 1_000
TOKENS = ("max_input_tokens", "max_output_tokens")
FIELDS = (
    *("name", "provider_model", *PRICES, *TOKENS, "capabilities", "is_enabled", "is_default"),
    *("balance", "weight", "catalog_name"),
)
"""What of a model is written, beside its provider."""


def valid_fields(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What of `FIELDS` is wanted, put right.

    Raises:
        InvalidInput: a field is not valid; `param` names it.
    """
    valid = {name: wanted[name] for name in FIELDS if name in wanted}
    if "name" in valid:
        valid["name"] = valid_name(valid["name"], what="the model a name", max_characters=MAX_NAME_CHARACTERS)
    if "provider_model" in valid:
        valid["provider_model"] = valid_text(valid["provider_model"], "provider_model")
    if valid.get("name", "").lower() == AUTO:
        raise InvalidInput("“auto” stands for the route. Choose another name.", param="name")
    valid |= valid_prices(valid)
    for name in TOKENS:
        _require_between(valid, name, 1, MAX_TOKENS)
    _require_between(valid, "weight", 0, MAX_WEIGHT)
    if valid.get("balance", Balance.IN_ORDER) not in tuple(Balance):
        raise InvalidInput(f"One of {', '.join(Balance)}.", param="balance")
    if unknown := sorted(set(valid.get("capabilities", ())) - set(CAPABILITIES)):
        known = ", ".join(CAPABILITIES)
        raise InvalidInput(f"Unknown capability {unknown[0]}. There are: {known}.", param="capabilities")
    if "capabilities" in valid:
        valid["capabilities"] = list(dict.fromkeys(valid["capabilities"]))
    return valid


def valid_prices(wanted: Mapping[str, Any]) -> dict[str, int | None]:
    """The prices that are wanted, in micro-dollars for a million tokens; None only for input that was kept.

    Raises:
        InvalidInput: one is out of range; `param` names it.
    """
    prices = {name: wanted[name] for name in PRICES if name in wanted}
    for name, price in prices.items():
        if price is None and name != "cached_input_micro_usd_per_mtok":
            raise InvalidInput("Say what it costs; 0 where it is free.", param=name)
        _require_between(prices, name, 0, MAX_PRICE)
    return prices


def valid_weight(weight: int) -> int:
    """A deployment's share of the work.

    Raises:
        InvalidInput: it is out of range.
    """
    _require_between({"weight": weight}, "weight", 0, MAX_WEIGHT)
    return weight


def valid_text(text: str, param: str) -> str:
    """A name without space around it.

    Raises:
        InvalidInput: it is empty or too long.
    """
    text = text.strip()
    if not text or len(text) > MAX_NAME_CHARACTERS:
        raise InvalidInput(f"1 to {MAX_NAME_CHARACTERS} characters.", param=param)
    return text


def _require_between(values: Mapping[str, Any], name: str, least: int, most: int) -> None:
    if values.get(name) is not None and not least <= values[name] <= most:
        raise InvalidInput(f"A whole number from {least} to {most:,}.", param=name)
