"""Sign-in. The page has no State: nobody is signed in yet, so no socket is open to anybody who reads it."""

from __future__ import annotations

import reflex as rx

from chatapp.components.page import Page
from chatapp.components.sign_in_form import SignInForm
from chatapp.services.authentication import MIN_PASSWORD_CHARACTERS
from chatapp.services.oidc_client import PROBLEMS


def sign_in_page() -> rx.Component:
    form = SignInForm.create(
        min_password_characters=MIN_PASSWORD_CHARACTERS,
        problems={f"oidc_{reason}": sentence for reason, sentence in PROBLEMS.items()},
    )
    return rx.el.main(form, class_name="sign-in")


PAGE = Page(route="/sign-in", title="Sign in", component=sign_in_page, base="public")
