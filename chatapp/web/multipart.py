"""Reading an upload as it arrives: the form's fields first, then the file piece by piece, never the whole of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from chatapp.errors import InvalidInput

_MAX_FIELD_BYTES = 64 * 1024
_MAX_FIELDS = 32
_ESCAPES = (("%22", '"'), ("%0D", "\r"), ("%0d", "\r"), ("%0A", "\n"), ("%0a", "\n"))
"""What browsers escape in a part's name by the HTML standard: these three characters, and not the percent sign."""


@dataclass(frozen=True, slots=True)
class IncomingUpload:
    """A file on its way in, and the fields that came before it."""

    filename: str
    content: AsyncIterator[bytes]
    fields: dict[str, str]


@dataclass(slots=True)
class _Part:
    """One part of the form, as far as it has come."""

    name: str = ""
    filename: str | None = None
    is_complete: bool = False


@dataclass(slots=True)
class _Reader:
    """The parser's callbacks, gathered into pieces: `(part, bytes)` in the order they came."""

    pieces: list[tuple[_Part, bytes]] = field(default_factory=list)
    _part: _Part = field(default_factory=_Part)
    _header: bytes = b""
    _value: bytes = b""

    def begin(self) -> None:
        self._part = _Part()

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._part.name = _text(options.get(b"name", b""))
            if b"filename" in options:
                self._part.filename = _unescaped(_text(options[b"filename"]))
        self._header = self._value = b""

    def headers_finished(self) -> None:
        # An empty file has no data: its part must be seen all the same.
        self.pieces.append((self._part, b""))

    def data(self, data: bytes, start: int, end: int) -> None:
        self.pieces.append((self._part, data[start:end]))

    def end(self) -> None:
        self._part.is_complete = True


async def read_upload(request: Request) -> IncomingUpload:
    """Read up to the file; its bytes follow as the service asks for them. What comes after it is read and dropped.

    Raises:
        InvalidInput: the body is no multipart form, or has no part `file`, or its fields are too many or too long.
    """
    parts = _parts(request)
    values: dict[str, bytes] = {}
    async for part, data in parts:
        if part.filename is not None and part.name == "file":
            fields = {name: value.decode("utf-8", "replace") for name, value in values.items()}
            return IncomingUpload(part.filename, _content(part, parts), fields)
        values[part.name] = values.get(part.name, b"") + data
        if len(values) > _MAX_FIELDS or len(values[part.name]) > _MAX_FIELD_BYTES:
            raise InvalidInput("The form has too many or too long fields before the file.", param="file")
    raise InvalidInput("There is no file in the request.", param="file")


async def _content(file: _Part, parts: AsyncIterator[tuple[_Part, bytes]]) -> AsyncIterator[bytes]:
    async for part, data in parts:
        if part is file and data:
            yield data
    if not file.is_complete:
        raise InvalidInput("The upload broke off before the file was complete. Send it again.", param="file")


async def _parts(request: Request) -> AsyncIterator[tuple[_Part, bytes]]:
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise InvalidInput("Send the file as a multipart form with a part named file.", param="file")
    reader = _Reader()
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": reader.begin,
            "on_header_field": reader.header_field,
            "on_header_value": reader.header_value,
            "on_header_end": reader.header_end,
            "on_headers_finished": reader.headers_finished,
            "on_part_data": reader.data,
            "on_part_end": reader.end,
        },
    )
    try:
        async for chunk in request.stream():
            parser.write(chunk)
            pieces, reader.pieces = reader.pieces, []
            for piece in pieces:
                yield piece
    except FormParserError as error:
        raise InvalidInput("The multipart form is damaged.", param="file") from error


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _unescaped(name: str) -> str:
    for escape, character in _ESCAPES:
        name = name.replace(escape, character)
    return name
