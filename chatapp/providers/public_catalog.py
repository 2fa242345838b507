"""What models there are in the world and what they cost, as litellm's public catalogue lists them.

litellm ships the catalogue as a JSON file of 3 MB. The file is read, not the library: importing that costs seconds and
165 MB. What is kept is small: models that chat, and of each what this product has a use for.

Source: https://github.com/BerriAI/litellm, `model_prices_and_context_window_backup.json`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_FILE = "model_prices_and_context_window_backup.json"
_MICRO_USD_PER_MTOK = Decimal(10) ** 12
"""A dollar for one token, in micro-dollars for a million."""
_CAPABILITIES = {
    "json": "supports_response_schema",
    "tools": "supports_function_calling",
    "vision": "supports_vision",
    "reasoning": "supports_reasoning",
    "prompt_caching": "supports_prompt_caching",
}
"""Our word for what a model can do, and the catalogue's."""


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One model as the catalogue lists it. None: it does not say."""

    name: str
    """The catalogue's name, which is litellm's: `gpt-4.1-mini`, `gemini/gemini-2.5-pro`."""
    provider: str
    """litellm's name of who serves it: `openai`, `anthropic`, `bedrock` ..."""
    input_micro_usd_per_mtok: int | None
    output_micro_usd_per_mtok: int | None
    cached_input_micro_usd_per_mtok: int | None
    max_input_tokens: int | None
    max_output_tokens: int | None
    capabilities: tuple[str, ...]
    retired_on: str
    """The day its provider takes it away, as `2026-11-30`; empty: none was named."""

    def as_json(self) -> dict[str, Any]:
        """What it says beside its names, to be kept and compared with what it says later."""
        said = asdict(self)
        del said["name"], said["provider"]
        return said | {"capabilities": list(self.capabilities)}

    def columns(self) -> dict[str, Any]:
        """What it says of what a model's row keeps, under the row's names; what it does not say is left out."""
        said = self.as_json()
        del said["retired_on"]
        return {name: value for name, value in said.items() if value is not None}


async def load() -> Mapping[str, CatalogEntry]:
    """The catalogue by name, in its own order; read once a process, in a thread. Empty without litellm."""
    return await asyncio.to_thread(_read)


@cache
def _read() -> dict[str, CatalogEntry]:
    path = catalog_path()
    return read_catalog(path.read_text(encoding="utf-8")) if path is not None and path.is_file() else {}


def catalog_path() -> Path | None:
    """Where the installed litellm keeps the file; None: it is not installed."""
    spec = find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0], _FILE)


def read_catalog(text: str) -> dict[str, CatalogEntry]:
    """The catalogue's file as entries: those of models that chat.

    Args:
        text: JSON, an object by name. What of an entry cannot be read counts as not said.
    """
    # Read as decimals: as floats, prices would come with dust in their last places.
    listed: dict[str, dict[str, Any]] = json.loads(text, parse_float=Decimal)
    return {
        name: _entry(name, said)
        for name, said in listed.items()
        if isinstance(said, dict) and said.get("mode") == "chat" and name != "sample_spec"
    }


def _entry(name: str, said: Mapping[str, Any]) -> CatalogEntry:
    can = [ours for ours, theirs in _CAPABILITIES.items() if said.get(theirs) is True]
    streams = [] if said.get("supports_native_streaming") is False else ["streaming"]
    return CatalogEntry(
        name=name,
        provider=str(said.get("litellm_provider", "")),
        input_micro_usd_per_mtok=_price(said.get("input_cost_per_token")),
        output_micro_usd_per_mtok=_price(said.get("output_cost_per_token")),
        cached_input_micro_usd_per_mtok=_price(said.get("cache_read_input_token_cost")),
        max_input_tokens=_count(said.get("max_input_tokens") or said.get("max_tokens")),
        max_output_tokens=_count(said.get("max_output_tokens") or said.get("max_tokens")),
        capabilities=(*streams, *can),
        retired_on=str(said.get("deprecation_date") or ""),
    )


def _price(dollars_per_token: Any) -> int | None:
    if isinstance(dollars_per_token, bool) or not isinstance(dollars_per_token, int | Decimal) or dollars_per_token < 0:
        return None
    # Some prices were floats before they were written down: 1.5000000000000002e-07.
    return int((dollars_per_token * _MICRO_USD_PER_MTOK).quantize(Decimal(1), ROUND_HALF_EVEN))


def _count(tokens: Any) -> int | None:
    if isinstance(tokens, bool) or not isinstance(tokens, int | Decimal) or tokens < 1:
        return None
    return int(tokens)
