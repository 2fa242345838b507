"""What an admin may write into the fields of an identity provider."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from chatapp.domain import Role
from chatapp.errors import InvalidInput

MAX_NAME_CHARACTERS = 60
MAX_MAPPINGS = 200
MAX_DOMAINS = 50
MAX_SCOPES = 20
_MAX_CLIENT_ID_CHARACTERS = 300
_MAX_SECRET_CHARACTERS = 4_096
_MAX_GROUP_CHARACTERS = 300
_MAX_CLAIM_CHARACTERS = 120
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")
"""Source: RFC 6749, section 3.3."""


def valid_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as they are kept.

    Args:
        given: some or all fields, by name; `issuer` is checked where it is asked.

    Raises:
        InvalidInput: one is not valid; `param` names it.
    """
    return {name: _CHECKS[name](value, name) if name in _CHECKS else value for name, value in given.items()}


def _text(value: Any, param: str, *, max_characters: int, what: str) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not 0 < len(text) <= max_characters or not text.isprintable():
        raise InvalidInput(f"{what} has 1 to {max_characters} characters that can be printed.", param=param)
    return text


def _secret(value: Any, param: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_SECRET_CHARACTERS or not value.isprintable():
        raise InvalidInput(f"A client secret has at most {_MAX_SECRET_CHARACTERS} characters.", param=param)
    return value.strip()


def _domains(value: Any, param: str) -> list[str]:
    domains = list(dict.fromkeys(str(each).strip().lower().removeprefix("@") for each in _list(value, param)))
    if len(domains) > MAX_DOMAINS:
        raise InvalidInput(f"At most {MAX_DOMAINS} domains.", param=param)
    for domain in domains:
        if not _DOMAIN.fullmatch(domain):
            raise InvalidInput(f"“{domain[:100]}” is no domain. One looks like example.org.", param=param)
    return domains


def _scopes(value: Any, param: str) -> list[str]:
    scopes = [each for each in dict.fromkeys(map(str, _list(value, param))) if each != "openid"]
    if len(scopes) > MAX_SCOPES or not all(_SCOPE.fullmatch(scope) for scope in scopes):
        raise InvalidInput(f"At most {MAX_SCOPES} scopes, each a word such as email or profile.", param=param)
    return scopes


def _default_roles(value: Any, param: str) -> list[str]:
    roles = _roles(value, param)
    if Role.ADMIN in roles:
        raise InvalidInput("Not everybody can be an admin: map a group to that role instead.", param=param)
    return roles


def _roles(value: Any, param: str) -> list[str]:
    given, known = set(map(str, _list(value, param))), [role.value for role in Role]
    if unknown := sorted(given - set(known)):
        raise InvalidInput(f"There is no role {', '.join(unknown)[:100]}. There are: {', '.join(known)}.", param=param)
    return [role for role in known if role in given]


def _mappings(value: Any, param: str) -> list[dict[str, Any]]:
    given = _list(value, param)
    if len(given) > MAX_MAPPINGS:
        raise InvalidInput(f"At most {MAX_MAPPINGS} mappings.", param=param)
    mappings = [_mapping(each, f"{param}.{place}") for place, each in enumerate(given)]
    names = [mapping["group"] for mapping in mappings]
    if len(set(names)) != len(names):
        raise InvalidInput("A group of the provider is mapped twice: put its roles and groups together.", param=param)
    return mappings


def _mapping(value: Any, param: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInput("A mapping has a group, roles and groups.", param=param)
    group = _text(value.get("group"), f"{param}.group", max_characters=_MAX_GROUP_CHARACTERS, what="A group's name")
    roles = _roles(value.get("roles") or [], f"{param}.roles")
    groups = [_id(each, f"{param}.groups") for each in _list(value.get("groups") or [], f"{param}.groups")]
    if not roles and not groups:
        raise InvalidInput("A mapping gives at least one role or one group.", param=param)
    return {"group": group, "roles": roles, "groups": list(dict.fromkeys(groups))}


def _id(value: Any, param: str) -> str:
    try:
        return str(UUID(str(value)))
    except ValueError as error:
        raise InvalidInput("There is no such group.", param=param) from error


def _list(value: Any, param: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise InvalidInput("This is a list.", param=param)
    return list(value)


_CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "name": lambda value, param: _text(value, param, max_characters=MAX_NAME_CHARACTERS, what="A name"),
    "client_id": lambda value, param: _text(value, param, max_characters=_MAX_CLIENT_ID_CHARACTERS, what="A client id"),
    "client_secret": _secret,
    "scopes": _scopes,
    "email_domains": _domains,
    "groups_claim": lambda value, param: _text(
        value, param, max_characters=_MAX_CLAIM_CHARACTERS, what="A claim's name"
    ),
    "mappings": _mappings,
    "default_roles": _default_roles,
}
