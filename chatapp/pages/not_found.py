"""What an address shows that leads nowhere."""

from __future__ import annotations

import reflex as rx

from chatapp.components.page import Page


def not_found_page() -> rx.Component:
    return rx.el.main(
        rx.el.div(
            rx.el.span(class_name="brand-mark large", aria_hidden="true"),
            rx.el.h1("There is no such page"),
            rx.el.p("The address may be mistyped, or what it showed was removed.", class_name="quiet"),
            rx.el.a("Back to the chat", href="/", class_name="button primary wide"),
            class_name="sign-in-card",
        ),
        class_name="sign-in",
    )


PAGE = Page(route="404", title="Not found", component=not_found_page, base="public")
