"""The forms of the sign-in page: a password, an identity provider, a one-time link, an invitation."""

from __future__ import annotations

import reflex as rx

from chatapp.components.local_asset import local_asset

for _part in ("sign_in_parts.jsx", "sign_in_links.jsx"):
    local_asset(_part)


class SignInForm(rx.Component):
    """A real form: it posts to `/auth/login` by itself where scripts do not run."""

    library = local_asset("sign_in_form.jsx")
    tag = "SignInForm"
    lib_dependencies: list[str] = ["lucide-react@1.26.0"]

    min_password_characters: rx.Var[int]
    problems: rx.Var[dict[str, str]]
    """What an `error` in the page's address means, beside those the component knows itself."""
