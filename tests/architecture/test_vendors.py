"""Each vendor's package is imported in one place, which is also the only place that knows its errors."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.source import PROJECT, modules

_IMPORTERS = {
    "alembic": ("chatapp/store/schema.py", "chatapp/store/migrations/"),
    "argon2": ("chatapp/services/passwords.py",),
    "authlib": ("chatapp/services/oidc_client.py",),
    "chromadb": ("chatapp/retrieval/vector_index.py",),
    "cryptography": ("chatapp/store/encryption.py",),
    "docx": ("ingest/parsers/docx_parser.py",),
    "granian": (),
    "httpcore": ("chatapp/outbound/",),
    "httpx": ("chatapp/outbound/", "chatapp/providers/", "chatapp/retrieval/vector_index.py", "chatapp/commands/"),
    "huey": ("chatapp/store/job_queue.py",),
    "joserfc": ("chatapp/services/oidc_client.py",),
    "limits": ("chatapp/limits/",),
    "litellm": ("chatapp/providers/litellm_provider.py",),
    "onnxruntime": ("chatapp/retrieval/embedder.py",),
    "openpyxl": ("ingest/parsers/xlsx_parser.py",),
    "pptx": ("ingest/parsers/pptx_parser.py",),
    "prometheus_client": ("chatapp/telemetry/",),
    "presidio_analyzer": ("chatapp/guardrails/pii.py",),
    "puremagic": ("ingest/media_types.py",),
    "py3langid": ("chatapp/routing/languages.py",),
    "pypdfium2": ("ingest/parsers/pdf_parser.py", "ingest/child.py"),
    "redis": ("chatapp/store/redis.py",),
    "selectolax": ("ingest/parsers/html_parser.py",),
    "sentence_transformers": ("chatapp/retrieval/",),
    "sqlalchemy": ("chatapp/store/",),
    "sqlmodel": ("chatapp/store/",),
    "tiktoken": ("chatapp/providers/encodings.py",),
    "tokenizers": ("chatapp/retrieval/embedder.py",),
    "torch": ("chatapp/retrieval/prepare.py",),
    "transformers": ("chatapp/retrieval/",),
}
"""Package: the modules, or folders, that may import it."""

_HEAVY = ("torch", "sentence_transformers", "transformers", "litellm", "chromadb", "presidio_analyzer", "onnxruntime")


@pytest.mark.parametrize("vendor", sorted(_IMPORTERS))
def test_only_its_own_module_imports(vendor: str) -> None:
    allowed = _IMPORTERS[vendor]
    importers = [str(module.path) for module in modules() if vendor in module.imports]
    assert [path for path in importers if not path.startswith(allowed or ("-",))] == []


def test_importing_the_web_process_loads_nothing_heavy() -> None:
    code = f"import sys, chatapp.chatapp; print([name for name in {_HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"
