"""One mapping from errors to answers: `{"error": {"message", "type", "code", "param"}}`, as OpenAI's API has it."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from chatapp.errors import AppError, InvalidInput, NotFound, RateLimited, TooManyInFlight

_log = structlog.get_logger(__name__)

_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
_SENTENCES: Mapping[int, tuple[str, str]] = {
    400: ("invalid_input", "The request could not be read."),
    404: ("not_found", "There is no such address here."),
    405: ("invalid_input", "This address does not take this method."),
    413: ("too_large", "The request is larger than this installation accepts."),
    415: ("unsupported_media_type", "This kind of content is not accepted here."),
}


def install(app: FastAPI) -> None:
    """Answer every error of the app in the one shape."""
    app.add_exception_handler(AppError, _on_app_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_unexpected)


def error_response(error: AppError) -> JSONResponse:
    """An error of the product's own tree as an answer."""
    return JSONResponse(
        error_body(error.message, code=error.code, status_code=error.status_code, param=error.param),
        status_code=error.status_code,
        headers=_when_to_come_back(error),
    )


def _when_to_come_back(error: AppError) -> dict[str, str]:
    """Headers that say how long to wait, and of what there was too much.

    Source: https://platform.openai.com/docs/guides/rate-limits, "Rate limits in headers".
    """
    if isinstance(error, RateLimited | TooManyInFlight):
        seconds = max(1, math.ceil(error.retry_after_seconds))
        headers = {
            "Retry-After": str(seconds),
            "X-RateLimit-Remaining-Requests": "0",
            "X-RateLimit-Reset-Requests": f"{seconds}s",
        }
        return headers | ({} if error.limit is None else {"X-RateLimit-Limit-Requests": str(error.limit)})
    return {"Retry-After": "1"} if error.retryable and error.status_code in {429, 503} else {}


def error_body(message: str, *, code: str, status_code: int, param: str | None = None) -> dict[str, Any]:
    """The body of an error answer.

    Args:
        message: the sentence for a person.
        code: one of the contract's codes.
        status_code: decides `type`.
        param: the field at fault.
    """
    kind = _TYPES.get(status_code, "invalid_request_error" if status_code < 500 else "api_error")
    return {"error": {"message": message, "type": kind, "code": code, "param": param}}


async def _on_app_error(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, AppError):
        raise error
    if error.status_code >= 500:
        _log.warning("request.failed", code=error.code, reason=error.message)
    return error_response(error)


async def _on_validation_error(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    first = _telling(error.errors())
    if first["type"] == "json_invalid":
        body = error_body("The body is not valid JSON.", code="invalid_input", status_code=400)
        return JSONResponse(body, status_code=400)
    if first["loc"][0] == "path":
        # What is no id is nothing's id.
        return error_response(NotFound())
    # The first part says where: body, query, path, header; it is no name the caller gave. Nor is a branch's.
    place = [part for part in first["loc"][1:] if not _is_branch(part)]
    return error_response(invalid_field(place, first["msg"]))


def _is_branch(part: str | int) -> bool:
    """Whether a part of a place names no field but one of several types that the field may have."""
    return isinstance(part, str) and (part == "str" or "[" in part)


def _telling(found: Sequence[Any]) -> Any:
    """The first thing wrong; where a field may have several types, what is wrong with the one that was sent."""
    place = found[0]["loc"]
    if not _is_branch(place[-1]):
        return found[0]
    others = (each for each in found if each["loc"][: len(place) - 1] == place[:-1])
    return next((each for each in others if not each["type"].endswith("_type")), found[0])


def invalid_field(place: Sequence[str | int], message: str) -> InvalidInput:
    """What pydantic says about a field, as an error of ours.

    Args:
        place: names and indices that lead to the field.
        message: pydantic's sentence.
    """
    param = ".".join(str(part) for part in place) or None
    message = message.removeprefix("Value error, ")
    return InvalidInput(f"{param}: {message}" if param else message, param=param)


async def _on_http_exception(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    code, sentence = _SENTENCES.get(error.status_code, ("invalid_input", "The request was refused."))
    body = error_body(sentence, code=code, status_code=error.status_code)
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


async def _on_disconnect(_: Request, __: Exception) -> Response:
    # Nobody reads it; without it a broken upload would be logged as a crash.
    return Response(status_code=400)


async def _on_unexpected(request: Request, error: Exception) -> JSONResponse:
    incident = incident_id()
    _log.error("request.crashed", incident=incident, method=request.method, path=request.url.path, exc_info=error)
    body = error_body(unexpected_sentence(incident), code="internal_error", status_code=500)
    return JSONResponse(body, status_code=500)


def incident_id() -> str:
    """A short name for something unexpected, in the log line and in what the person reads."""
    return secrets.token_hex(4)


def unexpected_sentence(incident: str) -> str:
    """What a person reads when something unexpected happened."""
    return f"Something went wrong on our side. If it happens again, tell your admin the number {incident}."
