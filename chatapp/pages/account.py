"""The account page: a person's name, password, sign-ins and tenants. It has no State: its routes are under `/auth`."""

from __future__ import annotations

import reflex as rx

from chatapp.components.account_page import AccountPage
from chatapp.components.app_shell import SidebarState, app_shell
from chatapp.components.page import Page
from chatapp.services.passwords import MIN_PASSWORD_CHARACTERS


def account_page() -> rx.Component:
    return app_shell(AccountPage.create(min_password_characters=MIN_PASSWORD_CHARACTERS), active="account")


PAGE = Page(route="/account", title="Account", component=account_page, on_load=[SidebarState.load])
