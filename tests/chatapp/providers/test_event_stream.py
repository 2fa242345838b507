from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest

from chatapp.errors import ProviderUnavailable
from chatapp.providers.event_stream import read_events

STREAM = (
    b": comment\r\n\r\n"
    b'data: {"n": 1}\n\n'
    b'event: message\r\nid: 7\r\ndata:{"n": "\xc3\xbc\xf0\x9f\x8e\x89"}\r\n\r\n'
    b'data: {"n":\ndata: 3}\n\n'
    b'data: {"n": 4}\r\r'
    b'data: {"n": 5}'
)
EVENTS = [{"n": 1}, {"n": "ü🎉"}, {"n": 3}, {"n": 4}, {"n": 5}]


async def pieces(stream: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        yield stream[start:end]


async def test_events_are_the_same_however_the_bytes_are_cut() -> None:
    choice = random.Random(1)
    everywhere = [[cut] for cut in range(len(STREAM) + 1)]
    some = [sorted(choice.choices(range(len(STREAM)), k=choice.randint(2, 40))) for _ in range(300)]
    for cuts in [*everywhere, *some, list(range(len(STREAM)))]:
        assert [event async for event in read_events(pieces(STREAM, cuts))] == EVENTS, cuts


async def test_done_ends_the_stream() -> None:
    assert [event async for event in read_events(pieces(b"data: [DONE]\n\n", []))] == [None]


@pytest.mark.parametrize("data", [b"data: {\n\n", b"data: 7\n\n", b"data: nonsense\n\n", b"data: " + b"x" * 2_000_000])
async def test_what_is_no_event_is_an_error(data: bytes) -> None:
    with pytest.raises(ProviderUnavailable):
        [event async for event in read_events(pieces(data, []))]
