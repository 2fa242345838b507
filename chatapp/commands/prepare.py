"""`prepare`: the embedding model, once an installation."""

from __future__ import annotations

import argparse
import asyncio

from chatapp.settings import Settings


async def run(_: argparse.Namespace, settings: Settings) -> int:
    """Prepare the model unless it is there. Takes half a minute and loads torch, which nothing else does."""
    from chatapp.retrieval.prepare import prepare_embedding_model

    await asyncio.to_thread(prepare_embedding_model, settings.effective_model_dir)
    return 0
