from __future__ import annotations

import pytest

from chatapp.components.navigation import item_of
from chatapp.components.onboarding import step_item
from chatapp.services.onboarding import STEPS, OnboardingStep


@pytest.mark.parametrize("adds_models", [True, False])
@pytest.mark.parametrize("name", STEPS)
def test_every_step_leads_to_a_page_that_is_there(name: str, adds_models: bool) -> None:
    item = step_item(OnboardingStep(name, is_done=False, is_skipped=False), adds_models=adds_models)
    assert item["action"]
    assert not item["href"].startswith("/admin") or item_of(item["href"]) is not None


def test_who_may_add_models_is_led_to_the_models() -> None:
    item = step_item(OnboardingStep("model", is_done=False, is_skipped=False), adds_models=True)
    assert item["href"] == "/admin/models"
