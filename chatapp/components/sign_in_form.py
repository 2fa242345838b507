"""The form that signs in, and the one that sets a password with a one-time link."""

from __future__ import annotations

import reflex as rx


class SignInForm(rx.Component):
    """A real form: it posts to `/auth/login` by itself where scripts do not run."""

    library = rx.asset("sign_in_form.jsx", shared=True).importable_path
    tag = "SignInForm"
    lib_dependencies: list[str] = ["lucide-react@1.26.0"]

    min_password_characters: rx.Var[int]
