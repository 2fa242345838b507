"""Sign-in settings: whether passwords are taken, and the identity providers people come through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal
from uuid import UUID

import reflex as rx
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from admin.components.confirm_dialog import ConfirmState, confirm_dialog
from admin.components.data_table import TableState, data_table
from admin.components.frame import action_button, admin_page, frame
from admin.components.ids import id_of
from admin.components.mapping_text import mappings_text, read_mappings
from admin.components.model_form import FormState, model_form
from admin.components.specs import Action, Column, Empty, Filter
from chatapp.components.state_bases import AdminState, current_actor
from chatapp.domain import Actor, Permission
from chatapp.errors import AppError, InvalidInput
from chatapp.services import groups, identity_providers, oidc
from chatapp.services.identity_provider_fields import MAX_NAME_CHARACTERS
from chatapp.services.identity_providers import ProviderReport, ProviderView
from chatapp.services.list_page import ListPage

ADDRESS = "/admin/sign-in"
_ROLES = {
    "member": "Member",
    "content_owner": "Content owner",
    "reviewer": "Reviewer",
    "auditor": "Auditor",
}
_MAX_GROUPS = "1000"
_GAP = {"margin_top": "12px"}


class ProviderFields(BaseModel):
    """What of an identity provider can be written."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        min_length=1,
        max_length=MAX_NAME_CHARACTERS,
        title="Name",
        description="The button says “Continue with …”.",
        json_schema_extra={"placeholder": "Example Login"},
    )
    issuer: str = Field(
        min_length=1,
        max_length=2_000,
        title="Issuer",
        description="The provider's address, exactly as it stands in its tokens.",
        json_schema_extra={"placeholder": "https://login.example.org"},
    )
    client_id: str = Field(min_length=1, max_length=300, title="Client id")
    client_secret: SecretStr | None = Field(None, max_length=4_096, title="Client secret")
    is_public: bool = Field(
        default=False, title="The provider gave no secret", description="A public client, which PKCE alone protects."
    )
    email_domains: list[str] = Field(
        default_factory=list,
        title="Domains",
        description="Only people with such addresses are let in, and the sign-in page leads them here. "
        "Admins of the whole installation alone add some.",
        json_schema_extra={"placeholder": "example.org"},
    )
    mappings: str = Field(
        "",
        max_length=40_000,
        title="Groups of the provider",
        description="One line each: their group = roles and @groups here, as in “staff = member, @Sales”. Followed at "
        "each sign-in.",
        json_schema_extra={"kind": "long_text", "placeholder": "staff = member, @Sales"},
    )
    default_roles: list[Literal["member", "content_owner", "reviewer", "auditor"]] = Field(
        default_factory=lambda: ["member"],
        title="Roles of everybody else",
        description="None: who is in no group above is not let in.",
        json_schema_extra={"labels": {**_ROLES}},
    )
    groups_claim: str = Field(
        "groups", min_length=1, max_length=120, title="Claim with the groups", json_schema_extra={"kind": "text"}
    )
    scopes: list[str] = Field(
        default_factory=lambda: list(identity_providers.DEFAULT_SCOPES),
        title="Scopes",
        description="Asked for beside openid.",
    )
    creates_users: bool = Field(
        default=True, title="New people become users", description="Off: only people who were invited before."
    )
    is_enabled: bool = Field(default=True, title="In use")


class ProvidersState(TableState, rx.State):
    """The list of identity providers."""

    csv_address: str = ""

    async def _list(self, actor: Actor, wanted: Mapping[str, str]) -> ListPage[ProviderView]:
        self.csv_address = f"/v1/admin/tenants/{actor.tenant_id}/identity-providers.csv"
        return await identity_providers.list_providers(actor, wanted)

    def _row(self, item: ProviderView) -> dict[str, Any]:
        return {**super()._row(item), "state": "in_use" if item.is_enabled else "off"}


class PasswordState(AdminState, rx.State):
    """Whether passwords are taken."""

    has_password_sign_in: bool = True
    enabled_providers: int = 0
    redirect_uri: str = ""

    @rx.event
    async def load(self) -> None:
        """Read it."""
        found = await identity_providers.sign_in_settings(current_actor())
        self.has_password_sign_in, self.enabled_providers = found.has_password_sign_in, found.enabled_providers
        self.redirect_uri = oidc.redirect_uri()


class ProviderFormState(FormState, rx.State):
    """The form that adds an identity provider, or changes one."""

    form_model: ClassVar[type[BaseModel]] = ProviderFields

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:
        if not subject:
            return {**_NEW}
        found = await identity_providers.get(actor, id_of(subject))
        return {
            **{name: getattr(found, name) for name in ("name", "issuer", "client_id", "groups_claim")},
            **{name: list(getattr(found, name)) for name in ("email_domains", "scopes", "default_roles")},
            "client_secret": found.has_client_secret,
            "is_public": not found.has_client_secret,
            "mappings": mappings_text(found.mappings, await _group_names(actor)),
            "creates_users": found.creates_users,
            "is_enabled": found.is_enabled,
        }

    async def _save(self, actor: Actor, subject: str, entered: ProviderFields) -> Any:
        given = entered.model_dump(exclude={"client_secret", "is_public", "mappings"})
        given |= _secret(entered, is_new=not subject)
        given["mappings"] = read_mappings(entered.mappings, await _group_names(actor))
        if subject:
            await identity_providers.update(actor, id_of(subject), given)
        else:
            await identity_providers.create(actor, given)
        return [ProvidersState.load, PasswordState.load, rx.toast.success("Saved.")]


_NEW = {
    **{"name": "", "issuer": "", "client_id": "", "client_secret": False, "is_public": False},
    **{"email_domains": [], "mappings": "", "default_roles": ["member"], "groups_claim": "groups"},
    **{"scopes": list(identity_providers.DEFAULT_SCOPES), "creates_users": True, "is_enabled": True},
}


def _secret(entered: ProviderFields, *, is_new: bool) -> dict[str, str]:
    if entered.is_public:
        return {"client_secret": ""}
    if entered.client_secret is not None:
        return {"client_secret": entered.client_secret.get_secret_value()}
    if is_new:
        raise InvalidInput("Give the secret, or say below that there is none.", param="client_secret")
    return {}


async def _group_names(actor: Actor) -> dict[UUID, str]:
    page = await groups.list_groups(actor, {"limit": _MAX_GROUPS})
    return {group.id: group.name for group in page.items}


class SignInActsState(ConfirmState, rx.State):
    """What is done with passwords and identity providers."""

    permission: ClassVar[Permission | None] = Permission.ADMIN

    @rx.event
    async def act(self, name: str, ids: list[str]) -> Any:
        """Do an action of the list, or ask about it first."""
        if name == "change":
            return ProviderFormState.open_form(ids[0])
        if name == "test":
            return await _tried(current_actor(), id_of(ids[0]))
        found = await identity_providers.get(current_actor(), id_of(ids[0]))
        self._ask(
            "remove",
            [str(found.id)],
            title=f"Remove {found.name}?",
            text="People who came through it are signed out. Their accounts and what they wrote stay.",
            hits={"people who came through it": found.people},
            typed=found.name,
            word="Remove",
        )
        return None

    @rx.event
    async def ask_passwords_off(self) -> None:
        """Ask before passwords are switched off."""
        self._ask(
            "passwords_off",
            [],
            title="Switch passwords off?",
            text="From the next sign-in on, people of this tenant come through an identity provider only. Whoever is "
            "signed in stays so. Admins of the whole installation can use their password always.",
            word="Switch off",
        )

    @rx.event
    async def switch_passwords_on(self) -> Any:
        """Take passwords again."""
        await identity_providers.set_password_sign_in(current_actor(), is_on=True)
        return [PasswordState.load, rx.toast.success("Passwords are taken again.")]

    @rx.event
    async def confirm(self, action: str, ids: list[str], typed: str, reason: str) -> Any:  # noqa: ARG002
        """Do what was asked about."""
        actor = current_actor()
        if action == "passwords_off":
            change = identity_providers.set_password_sign_in(actor, is_on=False)
        elif action == "remove" and ids:
            change = identity_providers.delete(actor, id_of(ids[0]))
        else:
            return None
        if not await self._confirm(change):
            return None
        return [ProvidersState.load, PasswordState.load, rx.toast.success("Done.")]


async def _tried(actor: Actor, provider_id: UUID) -> Any:
    try:
        report = await identity_providers.try_out(actor, provider_id)
    except AppError as error:
        return rx.toast.error("It does not work", description=error.message, duration=20_000)
    return rx.toast.success("It answers", description=_report_words(report), duration=20_000)


def _report_words(report: ProviderReport) -> str:
    keys = "1 key" if report.keys == 1 else f"{report.keys} keys"
    return " ".join((f"{keys}, signs with {', '.join(report.algorithms)}.", *report.advice))


_COLUMNS = (
    Column("name", "Name", "title", sort="name", note="issuer"),
    Column(
        "state", "State", "badge", labels={"in_use": "In use", "off": "Off"}, tones={"in_use": "good", "off": "quiet"}
    ),
    Column("email_domains", "Domains", "list"),
    Column("default_roles", "Roles of everybody else", "list", labels=_ROLES),
    Column("people", "People", "number"),
    Column("creates_users", "New people", "yes_no"),
    Column("client_id", "Client id", is_shown=False),
    Column("has_client_secret", "Has a secret", "yes_no", is_shown=False),
    Column("redirect_uri", "Address to register", is_shown=False),
    Column("start_path", "Link that leads straight there", is_shown=False),
    Column("created_at", "Added", "moment", sort="created_at"),
)
_ACTIONS = (
    Action("test", "Test", is_bulk=False),
    Action("change", "Change", is_bulk=False),
    Action("remove", "Remove", "danger", is_bulk=False),
)


def _passwords() -> rx.Component:
    on = PasswordState.has_password_sign_in
    return rx.el.section(
        rx.el.h2("Passwords"),
        rx.el.p(
            rx.cond(
                on,
                "People of this tenant may sign in with a password.",
                "Passwords are switched off: people of this tenant come through an identity provider.",
            ),
            class_name="quiet",
        ),
        rx.cond(
            ProvidersState.can_change,
            rx.el.div(
                rx.cond(
                    on,
                    action_button("Switch passwords off", SignInActsState.ask_passwords_off, is_primary=False),
                    action_button("Take passwords again", SignInActsState.switch_passwords_on, is_primary=False),
                ),
                style=_GAP,
            ),
            rx.fragment(),
        ),
        class_name="admin-section",
    )


def sign_in_settings_page() -> rx.Component:
    return frame(
        _passwords(),
        rx.el.section(
            rx.el.h2("Identity providers"),
            rx.el.p(
                "Register this address with each: ",
                rx.el.code(PasswordState.redirect_uri),
                class_name="quiet",
                style={"margin_bottom": "12px"},
            ),
            data_table(
                ProvidersState,
                name="identity-providers",
                noun=("identity provider", "identity providers"),
                columns=_COLUMNS,
                filters=(
                    Filter("is_enabled", "In use", "yes_no"),
                    Filter("issuer", "Issuer"),
                    Filter("created_at", "Added", "moment"),
                ),
                actions=_ACTIONS,
                on_act=SignInActsState.act,
                order="name",
                csv_href=ProvidersState.csv_address,  # pyright: ignore[reportArgumentType]
                empty=Empty(
                    "No identity providers yet",
                    "With one, people sign in with the account they have in your organisation.",
                    label="Add a provider",
                ),
                on_empty=ProviderFormState.open_form(""),
            ),
            class_name="admin-section",
        ),
        model_form(
            ProviderFormState,
            title="Identity provider",
            text="Any provider that speaks OpenID Connect.",
            in_dialog=True,
            is_reviewing=True,
        ),
        confirm_dialog(SignInActsState, on_confirm=SignInActsState.confirm),
        at=ADDRESS,
        sentence="How people of this tenant prove who they are.",
        actions=(action_button("Add a provider", ProviderFormState.open_form(""), shown=ProvidersState.can_change),),
    )


PAGE = admin_page(ADDRESS, "Sign-in", sign_in_settings_page, ProvidersState.load, PasswordState.load)
