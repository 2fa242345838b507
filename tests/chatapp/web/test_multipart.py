from __future__ import annotations

from collections.abc import Sequence

import pytest
from starlette.requests import Request

from chatapp.errors import InvalidInput
from chatapp.web.multipart import IncomingUpload, read_upload

BODY = (
    b'--xx\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
    b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a \xc3\xa9.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nfirst line\r\n--x\r\nsecond line\r\n"
    b'--xx\r\nContent-Disposition: form-data; name="late"\r\n\r\nignored\r\n--xx--\r\n'
)


def request(chunks: Sequence[bytes], content_type: str = "multipart/form-data; boundary=xx") -> Request:
    left = list(chunks)

    async def receive():
        body = left.pop(0) if left else b""
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", content_type.encode())]}
    return Request(scope, receive)


async def content_of(upload: IncomingUpload) -> bytes:
    return b"".join([piece async for piece in upload.content])


@pytest.mark.parametrize("size", [1, 2, 7, 64, len(BODY)])
async def test_an_upload_is_the_same_however_it_is_cut(size: int) -> None:
    upload = await read_upload(request([BODY[place : place + size] for place in range(0, len(BODY), size)]))

    assert upload.filename == "a é.txt"
    assert upload.fields == {"purpose": "assistants"}
    assert await content_of(upload) == b"first line\r\n--x\r\nsecond line"


async def test_an_empty_file_is_a_file() -> None:
    body = b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n\r\n--xx--\r\n'

    upload = await read_upload(request([body]))

    assert await content_of(upload) == b""


async def test_no_more_than_a_chunk_is_held() -> None:
    head = b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    chunks = [head, *[b"x" * 1000] * 50, b"\r\n--xx--\r\n"]

    upload = await read_upload(request(chunks))
    pieces = [piece async for piece in upload.content]

    assert sum(map(len, pieces)) == 50_000
    assert max(map(len, pieces)) <= 1000


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=xx"]
)
async def test_what_is_no_form_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidInput):
        await read_upload(request([BODY], content_type))


async def test_an_upload_that_breaks_off_is_no_file() -> None:
    upload = await read_upload(request([BODY[: BODY.index(b"second")]]))

    with pytest.raises(InvalidInput, match="broke off"):
        await content_of(upload)


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (b"a%22b.txt", 'a"b.txt'),
        (b"a%0d%0Ab.txt", "a\r\nb.txt"),
        (b"100%25 \xc3\xbc%20.txt", "100%25 ü%20.txt"),
        (b'a\\"b.txt', 'a"b.txt'),
    ],
)
async def test_a_name_is_read_as_browsers_write_it(sent: bytes, name: str) -> None:
    body = BODY.replace(b"a \xc3\xa9.txt", sent)

    assert (await read_upload(request([body]))).filename == name
