"""The declared rows: what is expected of each route, by noun."""

from __future__ import annotations

from dataclasses import replace

from tests.access.expected import (
    ADMIN_OWN,
    ADMIN_READ,
    ADMIN_WRITE,
    CHAT,
    DRY_RUN,
    METRICS,
    OWN,
    OWN_CHAT,
    OWN_PERSON,
    PERSON,
    PLATFORM,
    PLATFORM_ONE,
    READ,
    READ_AND_TRACES,
    READ_ONE,
    SIGNED_IN,
    TENANT_CHOICE,
    TRACE,
    WRITE,
    WRITE_ONE,
    Elsewhere,
    Row,
)

FILE = {"file": ("other.txt", b"Some other text.")}
ASK = {"messages": [{"role": "user", "content": "Hello?"}], "collections": []}
PUBLIC = Row(None)
FALLBACK = ("GET", "POST", "PUT", "PATCH", "DELETE")

_HEALTH = {
    "GET /healthz": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /openapi.json": Row(ADMIN_OWN),
    "GET /metrics": Row(METRICS),
}
_NOTHING_HERE = {
    f"{method} {path}": PUBLIC
    for method in FALLBACK
    for path in ("/v1", "/v1/{rest:path}", "/auth", "/auth/{rest:path}")
}
"""404 for every address nobody declared, in the API's shape."""
_SIGN_IN = {
    "POST /auth/login": PUBLIC,
    "POST /auth/link": PUBLIC,
    "GET /auth/link": PUBLIC,
    "POST /auth/link/about": PUBLIC,
    "POST /auth/logout": PUBLIC,
    "GET /auth/methods": PUBLIC,
    "GET /auth/oidc/{provider_id}/start": PUBLIC,
    "GET /auth/oidc/callback": PUBLIC,
    "POST /auth/oidc/prove": PUBLIC,
    "GET /auth/me": Row(SIGNED_IN),
    "PATCH /auth/me": Row(PERSON, json={"name": "Somebody"}),
    # Who came in without a password has none to change, and is told so.
    "POST /auth/password": Row(
        replace(PERSON, other="403"), json={"current_password": "x" * 12, "new_password": "y" * 12}
    ),
    "GET /auth/sessions": Row(PERSON),
    "DELETE /auth/sessions": Row(PERSON, query={"keep_this_one": "true"}),
    "DELETE /auth/sessions/{session_id}": Row(OWN_PERSON),
    "POST /auth/tenant": Row(TENANT_CHOICE, json={"tenant_id": "<tenant>"}),
}
_CHAT = {
    "GET /v1/models": Row(CHAT),
    "GET /v1/models/{name:path}": Row(CHAT),
    "POST /v1/chat/completions": Row(CHAT, json=ASK, is_stream=True),
    "GET /v1/turns/{turn_id}": Row(OWN),
    "GET /v1/turns/{turn_id}/events": Row(OWN, is_stream=True),
    "POST /v1/turns/{turn_id}/cancel": Row(OWN),
    "POST /v1/embeddings": Row(CHAT, json={"model": "all-MiniLM-L6-v2", "input": "Hello"}),
    "POST /v1/feedback": Row(OWN_CHAT, json={"trace_id": "<turn>", "rating": "up"}),
    "GET /v1/traces/{trace_id}": Row(TRACE),
}
_FILES = {
    "GET /v1/files": Row(READ),
    "POST /v1/files": Row(WRITE, files=FILE),
    "GET /v1/files/{file_id}": Row(READ_ONE),
    "PUT /v1/files/{file_id}": Row(WRITE_ONE, files=FILE),
    "DELETE /v1/files/{file_id}": Row(WRITE_ONE),
    "GET /v1/files/{file_id}/content": Row(READ_ONE, is_stream=True),
    "GET /v1/files/{file_id}/preview": Row(READ_ONE),
    "GET /v1/files/{file_id}/passage": Row(READ_ONE, query={"start": "0", "end": "5"}),
    "GET /v1/files/{file_id}/chunks": Row(READ_ONE),
    "GET /v1/files/{file_id}/versions": Row(READ_ONE),
    "GET /v1/files/{file_id}/questions": Row(READ_AND_TRACES),
    "POST /v1/files/{file_id}/cancel": Row(WRITE_ONE),
    "POST /v1/files/{file_id}/retry": Row(WRITE_ONE),
}
_STORE = "/v1/vector_stores/{vector_store_id}"
_VECTOR_STORES = {
    "GET /v1/vector_stores": Row(READ),
    "POST /v1/vector_stores": Row(WRITE, json={"name": "New"}),
    f"GET {_STORE}": Row(READ_ONE),
    f"POST {_STORE}": Row(WRITE_ONE, json={"name": "Renamed"}),
    f"DELETE {_STORE}": Row(WRITE_ONE),
    f"GET {_STORE}/files": Row(READ_ONE),
    f"POST {_STORE}/files": Row(WRITE_ONE, json={"file_id": "<file>"}),
    f"GET {_STORE}/files/{{file_id}}": Row(READ_ONE),
    f"DELETE {_STORE}/files/{{file_id}}": Row(WRITE_ONE),
    f"GET {_STORE}/files/{{file_id}}/content": Row(READ_ONE),
    f"POST {_STORE}/file_batches": Row(WRITE_ONE, json={"file_ids": ["<file>"]}),
    f"GET {_STORE}/file_batches/{{batch_id}}": Row(READ_ONE),
    f"GET {_STORE}/file_batches/{{batch_id}}/files": Row(READ_ONE),
    f"POST {_STORE}/file_batches/{{batch_id}}/cancel": Row(WRITE_ONE),
    f"POST {_STORE}/search": Row(READ_ONE, json={"query": "text"}),
}
_TENANT = "/v1/admin/tenants/{tenant_id}"
_TENANTS = {
    "GET /v1/admin/tenants": Row(ADMIN_OWN),
    "GET /v1/admin/tenants.csv": Row(ADMIN_OWN, is_stream=True),
    "POST /v1/admin/tenants": Row(PLATFORM, json={"name": "Newcomers"}),
    f"GET {_TENANT}": Row(ADMIN_READ),
    f"PATCH {_TENANT}": Row(ADMIN_WRITE, json={"name": "Renamed"}),
    f"DELETE {_TENANT}": Row(PLATFORM_ONE, json={"name": "Renamed"}),
}
_AUDIT = {
    f"GET {_TENANT}/audit": Row(ADMIN_READ),
    f"GET {_TENANT}/audit.csv": Row(ADMIN_READ, is_stream=True),
    f"GET {_TENANT}/audit.json": Row(ADMIN_READ, is_stream=True),
    f"GET {_TENANT}/audit/verify": Row(ADMIN_READ),
    f"GET {_TENANT}/audit/{{entry_id}}": Row(ADMIN_READ),
    f"GET {_TENANT}/overview": Row(ADMIN_READ),
    f"GET {_TENANT}/limits": Row(ADMIN_READ),
    f"PUT {_TENANT}/limits": Row(ADMIN_WRITE, json={"concurrent_turns": 5}),
}
_KEYS = {
    f"GET {_TENANT}/keys": Row(ADMIN_READ),
    f"GET {_TENANT}/keys.csv": Row(ADMIN_READ, is_stream=True),
    f"POST {_TENANT}/keys": Row(ADMIN_WRITE, json={"name": "New", "scopes": ["use:chat"]}),
    f"GET {_TENANT}/keys/{{key_id}}": Row(ADMIN_READ),
    f"PATCH {_TENANT}/keys/{{key_id}}": Row(ADMIN_WRITE, json={"name": "Renamed"}),
    f"DELETE {_TENANT}/keys/{{key_id}}": Row(ADMIN_WRITE),
    f"POST {_TENANT}/keys/{{key_id}}/rotate": Row(ADMIN_WRITE, json={"grace_hours": 1}),
}
_USERS = {
    f"GET {_TENANT}/users": Row(ADMIN_READ),
    f"GET {_TENANT}/users.csv": Row(ADMIN_READ, is_stream=True),
    f"POST {_TENANT}/users": Row(ADMIN_WRITE, json={"email": "new@example.org", "roles": ["member"]}),
    f"GET {_TENANT}/users/{{user_id}}": Row(ADMIN_READ),
    f"PATCH {_TENANT}/users/{{user_id}}": Row(ADMIN_WRITE, json={"roles": ["auditor"]}),
    f"DELETE {_TENANT}/users/{{user_id}}": Row(ADMIN_WRITE),
    f"POST {_TENANT}/users/{{user_id}}/invite": Row(ADMIN_WRITE),
    f"POST {_TENANT}/users/{{user_id}}/reset-link": Row(ADMIN_WRITE),
    f"POST {_TENANT}/users/{{user_id}}/sign-out": Row(ADMIN_WRITE),
    "GET /v1/admin/users/{user_id}": Row(PLATFORM),
    "PATCH /v1/admin/users/{user_id}": Row(PLATFORM, json={"is_disabled": True}),
    "POST /v1/admin/users/{user_id}/reset-link": Row(PLATFORM),
    "POST /v1/admin/users/{user_id}/sign-out": Row(PLATFORM),
}
_GRANTS = {
    f"GET {_TENANT}/collections": Row(ADMIN_READ),
    f"GET {_TENANT}/collections.csv": Row(ADMIN_READ, is_stream=True),
    f"GET {_TENANT}/collections/{{collection_id}}": Row(ADMIN_READ),
    f"PUT {_TENANT}/collections/{{collection_id}}/grants": Row(ADMIN_WRITE, json={"grants": []}),
    f"POST {_TENANT}/collections/{{collection_id}}/grants/preview": Row(ADMIN_WRITE, json={"grants": []}),
    f"GET {_TENANT}/collections/{{collection_id}}/readers": Row(ADMIN_READ),
    f"GET {_TENANT}/users/{{user_id}}/collections": Row(ADMIN_READ),
}
_MEMBERS = f"{_TENANT}/groups/{{group_id}}/members"
_GROUPS = {
    f"GET {_TENANT}/groups": Row(ADMIN_READ),
    f"GET {_TENANT}/groups.csv": Row(ADMIN_READ, is_stream=True),
    f"POST {_TENANT}/groups": Row(ADMIN_WRITE, json={"name": "New"}),
    f"GET {_TENANT}/groups/{{group_id}}": Row(ADMIN_READ),
    f"PATCH {_TENANT}/groups/{{group_id}}": Row(ADMIN_WRITE, json={"name": "Renamed"}),
    f"DELETE {_TENANT}/groups/{{group_id}}": Row(ADMIN_WRITE),
    f"GET {_MEMBERS}": Row(ADMIN_READ),
    f"GET {_MEMBERS}.csv": Row(ADMIN_READ, is_stream=True),
    f"POST {_MEMBERS}": Row(ADMIN_WRITE, json={"user_ids": ["<user>"]}),
    f"POST {_MEMBERS}/remove": Row(ADMIN_WRITE, json={"user_ids": ["<user>"]}),
    f"DELETE {_MEMBERS}/{{user_id}}": Row(ADMIN_WRITE),
}
_PROVIDERS = f"{_TENANT}/identity-providers"
_PROVIDER = {"name": "New", "issuer": "https://id.example.org", "client_id": "x"}
_SIGN_IN_SETTINGS = {
    f"GET {_TENANT}/sign-in": Row(ADMIN_READ),
    f"PUT {_TENANT}/sign-in": Row(ADMIN_WRITE, json={"has_password_sign_in": False}),
    f"GET {_PROVIDERS}": Row(ADMIN_READ),
    f"GET {_PROVIDERS}.csv": Row(ADMIN_READ, is_stream=True),
    f"POST {_PROVIDERS}": Row(ADMIN_WRITE, json=_PROVIDER),
    f"GET {_PROVIDERS}/{{provider_id}}": Row(ADMIN_READ),
    f"PATCH {_PROVIDERS}/{{provider_id}}": Row(ADMIN_WRITE, json={"name": "Renamed"}),
    f"DELETE {_PROVIDERS}/{{provider_id}}": Row(ADMIN_WRITE),
    f"POST {_PROVIDERS}/{{provider_id}}/test": Row(ADMIN_WRITE),
}
_BREAKERS = {
    "GET /v1/admin/breakers": Row(ADMIN_OWN),
    "GET /v1/admin/breakers.csv": Row(ADMIN_OWN, is_stream=True),
    "GET /v1/admin/breakers/{deployment:path}/drill": Row(ADMIN_OWN),
    "POST /v1/admin/breakers/{deployment:path}/drill": Row(PLATFORM, json={"minutes": 1}),
    "DELETE /v1/admin/breakers/{deployment:path}/drill": Row(PLATFORM),
}
_MODEL = {"name": "New", "provider": "nobody", "provider_model": "x"}
_PRICE = {"input_micro_usd_per_mtok": 1, "output_micro_usd_per_mtok": 1}
_SERVED = {
    **{f"GET /v1/admin/{noun}": Row(ADMIN_OWN) for noun in ("providers", "models")},
    **{f"GET /v1/admin/{noun}.csv": Row(ADMIN_OWN, is_stream=True) for noun in ("providers", "models")},
    "POST /v1/admin/providers": Row(PLATFORM, json={"name": "New", "kind": "extractive"}),
    "GET /v1/admin/providers/{model_provider_id}": Row(ADMIN_OWN),
    "PATCH /v1/admin/providers/{model_provider_id}": Row(PLATFORM, json={"is_enabled": True}),
    "DELETE /v1/admin/providers/{model_provider_id}": Row(PLATFORM),
    "POST /v1/admin/providers/{model_provider_id}/test": Row(PLATFORM),
    "POST /v1/admin/models": Row(PLATFORM, json=_MODEL),
    "GET /v1/admin/models/{model_id}": Row(ADMIN_OWN),
    "PATCH /v1/admin/models/{model_id}": Row(PLATFORM, json={"is_enabled": True}),
    "DELETE /v1/admin/models/{model_id}": Row(PLATFORM),
    "GET /v1/admin/models/changes": Row(ADMIN_OWN),
    "POST /v1/admin/models/{model_id}/changes/accept": Row(PLATFORM),
    "POST /v1/admin/models/{model_id}/changes/dismiss": Row(PLATFORM),
    "GET /v1/admin/models/{model_id}/prices": Row(ADMIN_OWN),
    "POST /v1/admin/models/{model_id}/prices": Row(PLATFORM, json=_PRICE),
    "DELETE /v1/admin/models/{model_id}/prices/{price_id}": Row(PLATFORM),
    "GET /v1/admin/models/{model_id}/deployments": Row(ADMIN_OWN),
    "POST /v1/admin/models/{model_id}/deployments": Row(PLATFORM, json={"provider": "nobody", "provider_model": "x"}),
    "PATCH /v1/admin/models/{model_id}/deployments/{deployment_id}": Row(PLATFORM, json={"weight": 2}),
    "DELETE /v1/admin/models/{model_id}/deployments/{deployment_id}": Row(PLATFORM),
    "GET /v1/admin/catalog": Row(ADMIN_OWN),
    f"GET {_TENANT}/route": Row(ADMIN_READ),
    f"PUT {_TENANT}/route": Row(ADMIN_WRITE, json={"default": "extractive"}),
    f"DELETE {_TENANT}/route": Row(ADMIN_WRITE),
    f"POST {_TENANT}/route/dry-run": Row(DRY_RUN, json={"route": {"default": "extractive"}}),
    f"GET {_TENANT}/intents": Row(ADMIN_READ),
    f"GET {_TENANT}/intents.csv": Row(ADMIN_READ, is_stream=True),
    f"POST {_TENANT}/intents": Row(ADMIN_WRITE, json={"examples": [{"intent": "refunds", "text": "Money back?"}]}),
    f"POST {_TENANT}/intents/try": Row(ADMIN_READ, json={"text": "Where is my money?"}),
    f"GET {_TENANT}/intents/{{example_id}}": Row(ADMIN_READ),
    f"PATCH {_TENANT}/intents/{{example_id}}": Row(ADMIN_WRITE, json={"intent": "Renamed"}),
    f"DELETE {_TENANT}/intents/{{example_id}}": Row(ADMIN_WRITE),
}

ROWS: dict[str, Row] = {
    **_HEALTH,
    **_NOTHING_HERE,
    **_SIGN_IN,
    **_CHAT,
    **_FILES,
    **_VECTOR_STORES,
    **_TENANTS,
    **_AUDIT,
    **_KEYS,
    **_USERS,
    **_GRANTS,
    **_GROUPS,
    **_SIGN_IN_SETTINGS,
    **_SERVED,
    **_BREAKERS,
}
"""Every route the product has, as `METHOD /path`."""

PARAMETERS = {
    "file_id": "file",
    "vector_store_id": "store",
    "turn_id": "turn",
    "trace_id": "turn",
    "tenant_id": "tenant",
    "user_id": "user",
    "key_id": "key",
    "session_id": "session",
    "entry_id": "entry",
    "group_id": "group",
    "collection_id": "store",
    "batch_id": "batch",
    "provider_id": "provider",
    "model_provider_id": "model_provider",
    "model_id": "model",
    "price_id": "price",
    "deployment_id": "deployment",
    "example_id": "example",
}
"""The kind of object that a parameter in an address names."""

NAMES = {"deployment": "built-in/extractive"}
"""What a parameter that is no id is tried with; `auto` where it is not here."""

_ASK = {"model": "extractive", "messages": ASK["messages"]}
ELSEWHERE: dict[str, Elsewhere] = {
    "GET /v1/files ?after": Elsewhere("file", query={"after": "<file>"}),
    "GET /v1/files ?collection_id": Elsewhere("store", query={"collection_id": "<store>"}),
    "GET /v1/files ?ids": Elsewhere("file", query={"ids": "<file>"}),
    "POST /v1/files form collection_id": Elsewhere("store", form={"collection_id": "<store>"}),
    "GET /v1/vector_stores ?after": Elsewhere("store", query={"after": "<store>"}),
    f"GET {_STORE}/files ?after": Elsewhere("file", query={"after": "<file>"}),
    f"POST {_STORE}/files body file_id": Elsewhere("file", json={"file_id": "<file>"}),
    f"POST {_STORE}/file_batches body file_ids": Elsewhere("file", json={"file_ids": ["<file>"]}),
    f"POST {_STORE}/file_batches body files.file_id": Elsewhere("file", json={"files": [{"file_id": "<file>"}]}),
    f"GET {_STORE}/file_batches/{{batch_id}}/files ?after": Elsewhere("file", query={"after": "<file>"}),
    "POST /v1/vector_stores body file_ids": Elsewhere("file", json={"name": "New", "file_ids": ["<file>"]}),
    "POST /v1/chat/completions body collections": Elsewhere("store", json=_ASK | {"collections": ["<store>"]}),
    "POST /v1/chat/completions body conversation_id": Elsewhere(
        "conversation", json=_ASK | {"conversation_id": "<conversation>"}
    ),
    "POST /v1/feedback body trace_id": Elsewhere("turn", json={"trace_id": "<turn>", "rating": "up"}),
    "POST /auth/tenant body tenant_id": Elsewhere("tenant", json={"tenant_id": "<tenant>"}),
    f"POST {_TENANT}/keys body user_id": Elsewhere(
        "user", json={"name": "New", "scopes": ["use:chat"], "user_id": "<user>"}
    ),
    f"POST {_TENANT}/groups body user_ids": Elsewhere("user", json={"name": "New", "user_ids": ["<user>"]}),
    f"POST {_MEMBERS} body user_ids": Elsewhere("user", json={"user_ids": ["<user>"]}),
    f"POST {_MEMBERS}/remove body user_ids": Elsewhere("user", json={"user_ids": ["<user>"]}),
    **{
        f"{route} body grants.subject": Elsewhere(
            "user",
            json=body | {"grants": [{"subject_kind": "user", "subject": "<user>"}]},
            further=(
                ("group", body | {"grants": [{"subject_kind": "group", "subject": "<group>"}]}),
                ("key", body | {"grants": [{"subject_kind": "key", "subject": "<key>"}]}),
            ),
        )
        for route, body in (
            ("POST /v1/vector_stores", {"name": "New"}),
            (f"PUT {_TENANT}/collections/{{collection_id}}/grants", {}),
            (f"POST {_TENANT}/collections/{{collection_id}}/grants/preview", {}),
        )
    },
    **{
        f"{route} body mappings.groups": Elsewhere(
            "group", json=body | {"mappings": [{"group": "staff", "roles": ["member"], "groups": ["<group>"]}]}
        )
        for route, body in ((f"POST {_PROVIDERS}", _PROVIDER), (f"PATCH {_PROVIDERS}/{{provider_id}}", {}))
    },
}
"""Ids in queries, forms and bodies: a request with each."""

NO_IDS = {
    f"POST {_PROVIDERS} body client_id": "the provider's name of us",
    f"PATCH {_PROVIDERS}/{{provider_id}} body client_id": "the provider's name of us",
    "POST /v1/admin/providers body access_key_id": "the provider's name of us",
    "PATCH /v1/admin/providers/{model_provider_id} body access_key_id": "the provider's name of us",
    "PUT /v1/files/{file_id} form collection_id": "a file that is replaced stays where it is",
    "DELETE /v1/admin/tenants/{tenant_id}/users/{user_id} ?keys": "which kinds of keys end with somebody",
    "PATCH /v1/admin/tenants/{tenant_id}/users/{user_id} body keys": "which kinds of keys end with somebody",
    "PATCH /v1/admin/users/{user_id} body keys": "which kinds of keys end with somebody",
}
"""What looks like an id of ours and is none, or is not looked at."""

ANSWERED_ALIKE = {
    f"POST {_MEMBERS}/remove": "somebody who is not in a group is out of it already, whoever they are",
    f"DELETE {_MEMBERS}/{{user_id}}": "somebody who is not in a group is out of it already, whoever they are",
    f"POST {_STORE}/file_batches": "a file that is not there counts as failed in the batch",
}
"""Routes that take an id of nothing for no error, and why; another's id must be to them what an id of nothing is."""
