"""What people change of their own account. Passwords go to their route and through no State."""

from __future__ import annotations

import reflex as rx

from chatapp.components.local_asset import local_asset
from chatapp.components.uploads import PACKAGES


class AccountPage(rx.Component):
    """Name, password, sign-ins and tenants of who is signed in, from the routes under `/auth`."""

    library = local_asset("account_page.jsx")
    tag = "AccountPage"
    lib_dependencies: list[str] = [*PACKAGES]

    min_password_characters: rx.Var[int]
