"""What the parsers of Office files share: a look at the archive before anything unfolds it."""

from __future__ import annotations

import re
import struct
import zipfile
from typing import BinaryIO

from ingest.parsers.base import Damaged, ParseFailed, Source, TooLargeUnfolded

_MAX_ENTRIES = 20_000
_MAX_UNFOLDED_BYTES = 300 * 1024 * 1024
_MAX_XML_BYTES = 120 * 1024 * 1024
"""XML is held as a tree, several times its size, in a child with 512 MiB."""
_MAX_RATIO = 250
"""Deflate ends at 1,032 to 1; sheets of equal numbers were seen at up to 120."""
_RATIO_FROM_BYTES = 20 * 1024 * 1024
_END_RECORD = struct.Struct("<4sHHHHIIH")
_END_SIGNATURE = b"PK\x05\x06"
_MAX_DIRECTORY_BYTES = 4 * 1024 * 1024
_DECLARATION = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


class DeclaresEntities(ParseFailed):
    """The file declares XML entities, which Office files never do. Save it again in its program and upload that."""


def zip_names(file: BinaryIO) -> frozenset[str]:
    """Names in an archive, or nothing when it is damaged or its directory is larger than any document's.

    Args:
        file: open for reading; its position is lost.
    """
    size = file.seek(0, 2)
    tail_bytes = min(size, 65_536 + _END_RECORD.size)
    file.seek(size - tail_bytes)
    tail = file.read(tail_bytes)
    position = tail.rfind(_END_SIGNATURE)
    if position < 0 or len(tail) - position < _END_RECORD.size:
        return frozenset()
    _, _, _, _, entries, directory_bytes, _, _ = _END_RECORD.unpack_from(tail, position)
    if entries > _MAX_ENTRIES or directory_bytes > _MAX_DIRECTORY_BYTES:
        return frozenset()
    try:
        with zipfile.ZipFile(file) as archive:
            return frozenset(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return frozenset()


def check_archive(source: Source) -> None:
    """Refuse an archive that would unfold beyond measure, or whose XML declares entities.

    Sizes are those the directory claims; a lie in it makes the archive unreadable, not larger.

    Raises:
        ParseFailed: damaged, too large, or with entities.
    """
    try:
        with source.open() as file, zipfile.ZipFile(file) as archive:
            _check_sizes(archive.infolist())
            for entry in archive.infolist():
                if entry.filename.endswith((".xml", ".rels", ".vml")):
                    with archive.open(entry) as part:
                        if _DECLARATION.search(part.read(2_048)):
                            raise DeclaresEntities
    except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise Damaged from error


def _check_sizes(entries: list[zipfile.ZipInfo]) -> None:
    unfolded = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries) or 1
    xml = max((entry.file_size for entry in entries if entry.filename.endswith(".xml")), default=0)
    if len(entries) > _MAX_ENTRIES or unfolded > _MAX_UNFOLDED_BYTES or xml > _MAX_XML_BYTES:
        raise TooLargeUnfolded
    if unfolded > _RATIO_FROM_BYTES and unfolded / packed > _MAX_RATIO:
        raise TooLargeUnfolded
