"""Plain text in any character set, and the decoding every text format uses."""

from __future__ import annotations

import codecs
import re
from typing import ClassVar

from ingest.parsers.base import (
    MAX_TEXT_CHARACTERS,
    ParsedDocument,
    Progress,
    Sample,
    Source,
    TooLargeUnfolded,
    clean,
)

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""UTF-32 before UTF-16: the one's mark begins with the other's."""
_SAMPLE_BYTES = 64 * 1024
_MAX_CONTROL_SHARE = 0.05
"""Control bytes in a text file: logs stay below; packed data has 11 in 100, programs and pictures more."""
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


class TextParser:
    """Text as it stands."""

    media_type: ClassVar[str] = "text/plain"
    kind: ClassVar[str] = "text"

    def recognises(self, sample: Sample) -> bool:
        """Whatever is text at all."""
        return bool(sample.text)

    def parse(self, source: Source, progress: Progress) -> ParsedDocument:
        """Decode it."""
        text = decode(source.read())
        progress(1.0)
        return ParsedDocument("", text, [0])


def decode(data: bytes) -> str:
    """Bytes to text: byte order mark, UTF-8, UTF-16 without a mark, then the likeliest character set.

    Line ends become line feeds, control characters spaces.

    Raises:
        TooLargeUnfolded: longer than any document.
    """
    text = data.decode(guess_encoding(data), errors="replace")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise TooLargeUnfolded
    return clean(text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff"))


def guess_encoding(data: bytes) -> str:
    """The name of the character set the bytes are most likely in."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return name
    sample = data[:_SAMPLE_BYTES]
    wide = _wide_encoding(sample)
    if wide:
        return wide
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start > _SAMPLE_BYTES:
            return "utf-8"  # text with a damaged place, not another character set
    else:
        return "utf-8"
    import charset_normalizer

    best = charset_normalizer.from_bytes(sample).best()
    return best.encoding if best else "cp1252"


def _wide_encoding(sample: bytes) -> str:
    # Western text in UTF-16 has a zero in nearly every second byte; which one tells the order.
    if len(sample) < 4:
        return ""
    half = len(sample) // 2
    even, odd = sample[0 : half * 2 : 2].count(0), sample[1 : half * 2 : 2].count(0)
    if odd > half * 0.4 and even < half * 0.05:
        return "utf-16-le"
    if even > half * 0.4 and odd < half * 0.05:
        return "utf-16-be"
    return ""


def text_sample(head: bytes) -> str:
    """The decoded head of a file, or an empty string when it is not text."""
    if not head:
        return ""
    if any(head.startswith(mark) for mark, _ in _BOMS) or _wide_encoding(head):
        text = head.decode(guess_encoding(head), errors="replace")
        strange = sum(character < " " and character not in "\t\n\r\f\x1b" for character in text)
        return text if strange <= len(text) * _MAX_CONTROL_SHARE else ""
    if len(_CONTROL.findall(head)) > len(head) * _MAX_CONTROL_SHARE:
        return ""
    return head.decode("utf-8", errors="replace")
