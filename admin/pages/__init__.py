"""The admin section's pages; PAGES lists them."""

from __future__ import annotations

from admin.pages import (
    audit,
    breakers,
    grants,
    groups,
    keys,
    model_detail,
    model_list,
    overview,
    providers,
    routes,
    sign_in,
    tenants,
    users,
)
from chatapp.components.page import Page

PAGES: tuple[Page, ...] = (
    overview.PAGE,
    tenants.PAGE,
    users.PAGE,
    groups.PAGE,
    groups.DETAIL_PAGE,
    grants.PAGE,
    keys.PAGE,
    sign_in.PAGE,
    providers.PAGE,
    model_list.PAGE,
    model_detail.PAGE,
    routes.PAGE,
    breakers.PAGE,
    audit.PAGE,
)
