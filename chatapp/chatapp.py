"""The only place that wires the web process: both sections' pages, the HTTP routes, the lifespan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import reflex as rx

from admin.pages import PAGES as ADMIN_PAGES
from chatapp.components.theme import HTML_ATTRIBUTES, STYLESHEETS
from chatapp.pages import PAGES
from chatapp.services.lifespan import running, settle_memory, warm_up
from chatapp.settings import get_settings
from chatapp.telemetry.log import configure_logging
from chatapp.web.app import create_api, edge
from chatapp.web.event_errors import toast_of
from chatapp.web.guard import Guard


@asynccontextmanager
async def _lifespan() -> AsyncIterator[None]:
    settings = get_settings()
    configure_logging(settings.log_level)
    async with running(settings, role="web"):
        settle_memory()
        # Beside the first requests: most ask for a page, and a question that is sooner waits for the rest of it.
        warming = asyncio.create_task(warm_up())
        yield
        warming.cancel()
        await asyncio.gather(warming, return_exceptions=True)


def _create_app() -> rx.App:
    app = rx.App(
        enable_state=True,
        html_lang="en",
        html_custom_attrs=HTML_ATTRIBUTES,
        stylesheets=list(STYLESHEETS),
        head_components=[rx.el.link(rel="icon", type="image/svg+xml", href="/favicon.svg")],
        toaster=rx.toast.provider(position="top-center", theme=rx.color_mode),
        # Reflex's own says "cannot connect" on the sign-in page too; the shell says it in its own words.
        extra_app_wraps={(5, "Overlay"): lambda _: rx.fragment()},
        backend_exception_handler=toast_of,
        api_transformer=[create_api(), edge],
    )
    # First of all: nothing of Reflex's own may run before the guard has said yes.
    app.add_middleware(Guard(), index=0)
    app.register_lifespan_task(_lifespan)
    for page in (*PAGES, *ADMIN_PAGES):
        app.add_page(page.component, route=page.route, title=page.title, on_load=page.on_load)
    return app


app = _create_app()
