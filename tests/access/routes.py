"""What can be asked of an application over HTTP: found in its routes, not in a list of ours."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

_IMPLIED = {"HEAD", "OPTIONS"}
_STREAMS = {"EventStreamResponse", "StreamingResponse", "FileResponse", "EventSourceResponse"}
_ID = re.compile(r"(^|_)(id|ids|uuid)$|^(after|before|collections|groups|subject|parent|documents|users|keys)$")


@dataclass(frozen=True)
class Found:
    """A route of the application."""

    name: str
    """`METHOD /path`."""
    endpoint: Callable[..., Any] | None

    @property
    def is_stream(self) -> bool:
        """Whether it answers little by little: a socket, or a response class that does, however it is reached."""
        return self.name.startswith(("WEBSOCKET", "MOUNT")) or _mentions_stream(self.endpoint, set())


def find(routes: list[BaseRoute], prefix: str = "") -> Iterator[Found]:
    """Every route, those of included routers and mounted applications too."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from find(inner.routes, prefix)
        elif isinstance(route, WebSocketRoute):
            yield Found(f"WEBSOCKET {prefix}{route.path}", route.endpoint)
        elif isinstance(route, Mount):
            if route.routes:
                yield from find(list(route.routes), prefix + route.path)
            else:
                yield Found(f"MOUNT {prefix}{route.path}", None)
        elif isinstance(route, Route):
            methods = (route.methods or {"ANY"}) - _IMPLIED or route.methods or set()
            for method in sorted(methods):
                yield Found(f"{method} {prefix}{route.path}", route.endpoint)
        else:
            yield Found(f"UNKNOWN {type(route).__name__}", None)


def _mentions_stream(function: Any, seen: set[Any]) -> bool:
    function = inspect.unwrap(function) if callable(function) else function
    if not isinstance(function, FunctionType) or function in seen:
        return False
    seen.add(function)
    names = set(function.__code__.co_names)
    if names & _STREAMS:
        return True
    called = (function.__globals__.get(name) for name in names)
    return any(
        _mentions_stream(one, seen)
        for one in called
        if str(getattr(one, "__module__", "")).startswith(("chatapp", "admin", "tests"))
    )


def ids_elsewhere(description: dict[str, Any]) -> set[str]:
    """Places in queries, forms and bodies that look like they take an id, by the API's own description."""
    found = set()
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            route = f"{method.upper()} {path}"
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query" and _is_id(description, parameter["name"], parameter["schema"]):
                    found.add(f"{route} ?{parameter['name']}")
            for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
                kind = "body" if media_type == "application/json" else "form"
                found |= {f"{route} {kind} {name}" for name in _id_fields(description, content["schema"])}
    return found


def _id_fields(description: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    found = set()
    for one in schema_of(description, schema):
        for name, field in one.get("properties", {}).items():
            if _is_id(description, name, field):
                found.add(name)
            for inner in schema_of(description, field):
                items = schema_of(description, inner.get("items", {})) if "items" in inner else [inner]
                for item in items:
                    if "properties" in item:
                        found |= {f"{name}.{deeper}" for deeper in _id_fields(description, item)}
    return found


def _is_id(description: dict[str, Any], name: str, schema: dict[str, Any]) -> bool:
    if _ID.search(name):
        return True
    return any(
        one.get("format") == "uuid" or one.get("items", {}).get("format") == "uuid"
        for one in schema_of(description, schema)
    )


def schema_of(description: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """A schema without references: each of its alternatives."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        schema = description["components"]["schemas"][name]
    options = [*schema.get("anyOf", []), *schema.get("oneOf", []), *schema.get("allOf", [])]
    return [each for option in options for each in schema_of(description, option)] or [schema]
