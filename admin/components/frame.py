"""The frame of every admin page: navigation, breadcrumb, title, one sentence, actions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import reflex as rx

from chatapp.components.app_shell import ShellState, SidebarState, app_shell
from chatapp.components.navigation import item_of
from chatapp.components.page import Page


def frame(
    *content: rx.Component,
    at: str,
    title: rx.Var[str] | str = "",
    sentence: rx.Var[str] | str = "",
    actions: Sequence[rx.Component] = (),
    crumbs: Sequence[tuple[rx.Var[str] | str, str]] = (),
    badge: rx.Component | None = None,
) -> rx.Component:
    """An admin page.

    Args:
        *content: what stands under the head.
        at: address of the page's entry in `chatapp.components.navigation`.
        title: the heading; empty: the entry's label.
        sentence: under it, what this is for.
        actions: at the right; the last is the primary one.
        crumbs: of a detail page, label and address below the entry's; the last one's address is not read.
        badge: the state of what is shown, beside the heading.
    """
    entry = item_of(at)
    label = entry.label if entry else ""
    steps: list[tuple[Any, str]] = [("Admin", "/admin")]
    if entry and entry.href != "/admin":
        steps.append((label, entry.href))
    steps += crumbs
    return app_shell(
        rx.el.div(
            _breadcrumb(steps),
            rx.el.header(
                rx.el.div(
                    rx.el.div(
                        rx.el.h1(title if _is_given(title) else label), badge or rx.fragment(), class_name="admin-title"
                    ),
                    rx.el.p(sentence, class_name="quiet") if _is_given(sentence) else rx.fragment(),
                ),
                rx.el.div(*actions, class_name="admin-actions") if actions else rx.fragment(),
                class_name="page-head",
            ),
            *content,
            class_name="admin-page",
        ),
        active="admin",
    )


def _is_given(words: rx.Var[str] | str) -> bool:
    return isinstance(words, rx.Var) or bool(words)


def _breadcrumb(steps: Sequence[tuple[Any, str]]) -> rx.Component:
    *before, (last, _) = steps
    return rx.el.nav(
        rx.el.ol(
            *(rx.el.li(rx.link(label, href=href)) for label, href in before),
            rx.el.li(last, aria_current="page"),
        ),
        aria_label="Breadcrumb",
        class_name="breadcrumb",
    )


def action_button(
    label: rx.Var[str] | str, on_click: Any, *, is_primary: bool = True, shown: rx.Var[bool] | bool = True
) -> rx.Component:
    """A button for the head of a page.

    Args:
        label: its words.
        on_click: handler.
        is_primary: the page's main action.
        shown: whether the person is offered it.
    """
    button = rx.el.button(
        label, type="button", class_name="button primary" if is_primary else "button", on_click=on_click
    )
    return rx.cond(shown, button, rx.fragment()) if isinstance(shown, rx.Var) else button


def admin_page(route: str, title: str, component: Callable[[], rx.Component], *on_load: Any) -> Page:
    """A page of the admin section, for `admin.pages.PAGES`.

    Args:
        route: begins with `/admin`.
        title: of the browser's tab.
        component: builds the page.
        *on_load: the page's own handlers, fired after the shell's.
    """
    return Page(
        route=route,
        title=f"{title} · Admin · Chatapp",
        component=component,
        on_load=[SidebarState.load, ShellState.load, *on_load],
        base="admin",
    )
