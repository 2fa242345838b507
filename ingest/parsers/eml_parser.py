"""E-mail as files: headers, body, and the attachments another parser can read."""

from __future__ import annotations

import re
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import ClassVar

from chatapp.errors import IngestError
from ingest.filenames import display_name, extension
from ingest.parsers.base import MAX_DEPTH, ParsedDocument, Progress, Sample, Source, TextBuilder
from ingest.parsers.html_parser import parse_html

_HEADER = re.compile(
    r"^(from|to|subject|date|message-id|mime-version|received|return-path|delivered-to|content-type):\s", re.IGNORECASE
)
_HEADER_LINE = re.compile(r"^([A-Za-z0-9-]+:\s|[ \t]\S|From )")
_SHOWN = ("From", "To", "Cc", "Date")
_MAX_PARTS = 200
_MAX_ATTACHMENTS = 50


class EmlParser:
    """Headers as lines, the plain body or else the HTML one, then each attachment under its name."""

    media_type: ClassVar[str] = "message/rfc822"
    kind: ClassVar[str] = "e-mail"

    def recognises(self, sample: Sample) -> bool:
        """By header lines at the very beginning, two known ones at least, one with the file's name to help."""
        lines = sample.text[:8_000].lstrip("\n").splitlines()
        known = 0
        for line in lines:
            if not line or not _HEADER_LINE.match(line):
                break
            known += bool(_HEADER.match(line))
        return known >= (1 if extension(sample.filename) == "eml" else 3)

    def parse(self, source: Source, progress: Progress) -> ParsedDocument:
        """Read the message and what is attached to it."""
        message = BytesParser(policy=_POLICY).parsebytes(source.read())
        builder = TextBuilder()
        subject = _header(message, "Subject")
        if subject:
            builder.add(subject, kind="heading", level=1)
        builder.add("\n".join(f"{name}: {_header(message, name)}" for name in _SHOWN if _header(message, name)))
        attachments = _add_body(message, builder)
        names = [_attachment_name(part, number) for number, part in enumerate(attachments, 1)]
        if names:
            builder.add("Attachments: " + ", ".join(names))
        progress(0.5)
        for name, part in zip(names[:_MAX_ATTACHMENTS], attachments, strict=False):
            _add_attachment(builder, name, part, source)
        return builder.build(subject)


_POLICY = policy.default.clone(raise_on_defect=False)


def _header(message: EmailMessage, name: str) -> str:
    # The library raises all sorts of errors on malformed headers, only when they are read.
    try:
        return " ".join(str(message.get(name, "")).split())
    except (ValueError, IndexError, AttributeError, LookupError, TypeError):
        return ""


def _add_body(message: EmailMessage, builder: TextBuilder) -> list[EmailMessage]:
    """Append the body; returns the parts that are attachments."""
    plain: list[str] = []
    html: list[str] = []
    attachments: list[EmailMessage] = []
    for part in _leaves(message):
        content_type = part.get_content_type()
        if part.get_content_disposition() == "attachment" or content_type == "message/rfc822":
            attachments.append(part)
        elif content_type == "text/plain":
            plain.append(_text(part))
        elif content_type == "text/html":
            html.append(_text(part))
        elif part.get_filename():
            attachments.append(part)
    if any(text.strip() for text in plain):
        for paragraph in re.split(r"\n\s*\n", "\n".join(plain)):
            builder.add(paragraph)
    else:
        for page in html:
            builder.add_document(parse_html(page))
    return attachments


def _leaves(message: EmailMessage) -> list[EmailMessage]:
    leaves: list[EmailMessage] = []
    waiting: list[EmailMessage] = [message]
    while waiting and len(leaves) < _MAX_PARTS:
        part = waiting.pop()
        if part.is_multipart() and part.get_content_type() != "message/rfc822":
            waiting.extend(reversed([p for p in part.get_payload() if isinstance(p, EmailMessage)]))  # pyright: ignore
        else:
            leaves.append(part)
    return leaves


def _text(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    try:
        return data.decode(part.get_content_charset("utf-8"), errors="replace").replace("\r\n", "\n")
    except LookupError:
        return data.decode("utf-8", errors="replace").replace("\r\n", "\n")


def _attachment_name(part: EmailMessage, number: int) -> str:
    name = part.get_filename()
    return display_name(name) if name else f"attachment {number}"


def _add_attachment(builder: TextBuilder, name: str, part: EmailMessage, source: Source) -> None:
    from ingest.media_types import parser_for

    if source.depth + 1 > MAX_DEPTH:
        return
    inner = Source(name, data=_bytes(part), depth=source.depth + 1)
    try:
        parsed = parser_for(inner).parse(inner, lambda _: None)
    except IngestError:
        return  # a picture, or damaged: its name stands in the text already
    if parsed.text.strip():
        builder.add(f"Attachment: {name}", kind="heading", level=1)
        builder.add_document(parsed)


def _bytes(part: EmailMessage) -> bytes:
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload()
        first = inner[0] if isinstance(inner, list) and inner else None
        return first.as_bytes() if isinstance(first, EmailMessage) else b""
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""
