"""The error tree: every failure a person or a program can be told about.

```
AppError
+- NotSignedIn 401   NotPermitted 403   NotFound 404   Conflict 409   InvalidInput 422
+- LimitError 429
|  +- RateLimited   BudgetExceeded   TooManyInFlight   UploadTooLarge 413
+- IngestError 422
|  +- UnsupportedMediaType 415   ParseFailed   EmptyDocument
+- UpstreamError 502
   +- ProviderTimeout 504   ProviderRejected 502 (PromptTooLong 400)
   +- ProviderUnavailable 503 (ProviderOverloaded, AnswerUnusable, OutputInvalid 502)
   +- VectorIndexUnavailable 503   DatabaseUnavailable 503   RedisUnavailable 503
+- SwitchedOff 503
+- Misconfigured 500
```

The first line of a class's docstring is the sentence a person reads when the raiser gives none.
A blocked message is not an error: it is a `Verdict` in the answer.
"""

from __future__ import annotations

from typing import ClassVar


class AppError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "internal_error"
    status_code: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str | None = None, *, param: str | None = None) -> None:
        """Keep the sentence for the person and, where one is at fault, the parameter.

        Args:
            message: what was wrong and what to do; the class's own sentence when left out.
            param: name of the request field at fault, as the HTTP error body gives it.
        """
        super().__init__(message or self.sentence())
        self.param = param

    @property
    def message(self) -> str:
        """The sentence a person reads."""
        return str(self)

    @classmethod
    def sentence(cls) -> str:
        """The class's own sentence: the first line of its docstring."""
        return (cls.__doc__ or "").strip().splitlines()[0]


class NotSignedIn(AppError):
    """Sign in to go on."""

    code = "not_signed_in"
    status_code = 401


class NotPermitted(AppError):
    """You do not have the right to do this. Ask an admin of your organisation."""

    code = "not_permitted"
    status_code = 403


class NotFound(AppError):
    """There is nothing here, or it is not yours to see."""

    code = "not_found"
    status_code = 404


class Conflict(AppError):
    """This was changed or exists already. Reload and try again."""

    code = "conflict"
    status_code = 409


class InvalidInput(AppError):
    """Something in what was sent is not valid."""

    code = "invalid_input"
    status_code = 422


class SwitchedOff(AppError):
    """This is switched off at the moment."""

    code = "switched_off"
    status_code = 503


class Misconfigured(AppError):
    """A setting of this installation is missing or wrong."""

    code = "misconfigured"


class LimitError(AppError):
    """A limit was reached."""

    code = "limit_reached"
    status_code = 429
    retryable = True


class RateLimited(LimitError):
    """Too many requests. Wait a moment and try again."""

    code = "rate_limited"

    def __init__(
        self, message: str | None = None, *, retry_after_seconds: float = 1.0, limit: int | None = None
    ) -> None:
        """Keep how long to wait, and for what.

        Args:
            message: the sentence for the person.
            retry_after_seconds: seconds until a request can succeed, more than 0.
            limit: how many there may be in the time; None: not told.
        """
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.limit = limit


class BudgetExceeded(LimitError):
    """The budget for this period is used up."""

    code = "budget_exceeded"
    retryable = False


class TooManyInFlight(LimitError):
    """Too many answers are being written at once. Wait for one to finish."""

    code = "too_many_in_flight"

    def __init__(
        self, message: str | None = None, *, retry_after_seconds: float = 1.0, limit: int | None = None
    ) -> None:
        """Keep how long to wait, and for what.

        Args:
            message: the sentence for the person.
            retry_after_seconds: seconds until a question is likely to be taken, more than 0.
            limit: how many there may be at once; None: not told.
        """
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.limit = limit


class UploadTooLarge(LimitError):
    """The file is larger than this installation accepts."""

    code = "too_large"
    status_code = 413
    retryable = False


class IngestError(AppError):
    """The document could not be read."""

    code = "ingest_failed"
    status_code = 422


class UnsupportedMediaType(IngestError):
    """This kind of file cannot be read."""

    code = "unsupported_media_type"
    status_code = 415


class ParseFailed(IngestError):
    """The file is damaged or protected and could not be read."""

    code = "parse_failed"


class EmptyDocument(IngestError):
    """The file holds no text. A scan needs text recognition first."""

    code = "empty_document"


class UpstreamError(AppError):
    """A service this product depends on failed."""

    code = "upstream_failed"
    status_code = 502
    retryable = True


class ProviderTimeout(UpstreamError):
    """The model did not answer in time. Try again."""

    code = "provider_timeout"
    status_code = 504


class ProviderUnavailable(UpstreamError):
    """The model cannot be reached at the moment. Try again."""

    code = "provider_unavailable"
    status_code = 503


class ProviderOverloaded(ProviderUnavailable):
    """The model's provider has too much to do, or its quota is used up. Try again later."""

    def __init__(
        self, message: str | None = None, *, retry_after_seconds: float | None = None, param: str | None = None
    ) -> None:
        """Say why, and how long the provider asks to be left alone."""
        super().__init__(message, param=param)
        self.retry_after_seconds = retry_after_seconds


class AnswerUnusable(ProviderUnavailable):
    """The model's answer was empty or in a form that cannot be read. Try again."""


class OutputInvalid(AnswerUnusable):
    """The model did not answer in the form asked for. Try again, or ask another model."""

    code = "invalid_output"
    status_code = 502


class ProviderRejected(UpstreamError):
    """The model's provider refused the request."""

    code = "provider_rejected"
    retryable = False


class PromptTooLong(ProviderRejected):
    """The question with what was said before is longer than the model can read. Ask a shorter one, or begin anew."""

    # What OpenAI answers then, so that its clients know that they have to shorten.
    code = "context_length_exceeded"
    status_code = 400


class VectorIndexUnavailable(UpstreamError):
    """The document index cannot be reached at the moment. Try again."""

    code = "vector_index_unavailable"
    status_code = 503


class DatabaseUnavailable(UpstreamError):
    """The database cannot be reached at the moment. Try again."""

    code = "database_unavailable"
    status_code = 503


class RedisUnavailable(UpstreamError):
    """The service that web processes share cannot be reached at the moment. Try again."""

    code = "redis_unavailable"
    status_code = 503
