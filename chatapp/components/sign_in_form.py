"""The form that signs in, and the one that sets a password with a one-time link."""

from __future__ import annotations

import reflex as rx

from chatapp.components.local_asset import local_asset


class SignInForm(rx.Component):
    """A real form: it posts to `/auth/login` by itself where scripts do not run."""

    library = local_asset("sign_in_form.jsx")
    tag = "SignInForm"
    lib_dependencies: list[str] = ["lucide-react@1.26.0"]

    min_password_characters: rx.Var[int]
