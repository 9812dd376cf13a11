from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dialects.rename import rename
from transport.message import Headers

JSON: Headers = [(b"content-type", b"application/json")]
FORM: Headers = [(b"content-type", b"multipart/form-data; boundary=x")]


def test_a_json_body_keeps_every_other_byte() -> None:
    body = b'{ "messages":[{"model":"fast"}],"model" : "fast" ,"n":1}'
    target, renamed = rename(b"/v1/chat/completions", JSON, body, "fast", 'llama-"4"')
    assert target == b"/v1/chat/completions"
    assert renamed == b'{ "messages":[{"model":"fast"}],"model" : "llama-\\"4\\"" ,"n":1}'


def test_a_body_that_is_cut_after_the_model() -> None:
    _, renamed = rename(b"/", JSON, b'{"model":"fast","input":"data:image/png;base64,AAAA', "fast", "big")
    assert renamed == b'{"model":"big","input":"data:image/png;base64,AAAA'


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"model":"other"}', b'{"model":"fas', b'{"a":1}', b'{"model"', b'{"a" 1}']
)
def test_a_body_that_does_not_name_it_stays(body: bytes) -> None:
    assert rename(b"/", JSON, body, "fast", "big")[1] == body


def test_a_form() -> None:
    field = b"Content-Disposition: form-data; name="
    body = b"--x\r\n" + field + b'"model"\r\n\r\nfast\r\n--x\r\n' + field + b'"file"'
    assert rename(b"/", FORM, body, "fast", "whisper-1")[1] == body.replace(b"fast", b"whisper-1")
    assert rename(b"/", FORM, body, "other", "whisper-1")[1] == body
    assert rename(b"/", FORM, b"--x\r\n", "fast", "whisper-1")[1] == b"--x\r\n"


@pytest.mark.parametrize(
    ("target", "renamed"),
    [
        (b"/v1beta/models/fast:generateContent?alt=sse", b"/v1beta/models/gemini-3:generateContent?alt=sse"),
        (b"/openai/deployments/fast/chat/completions", b"/openai/deployments/gemini-3/chat/completions"),
        (b"/v1/models/fast", b"/v1/models/gemini-3"),
        (b"/v1/models/faster", b"/v1/models/faster"),
    ],
)
def test_a_path(target: bytes, renamed: bytes) -> None:
    assert rename(target, JSON, b"", "fast", "gemini-3")[0] == renamed


def test_a_name_with_a_colon_in_a_path() -> None:
    assert rename(b"/v1/models/ft%3Ax%3A1", JSON, b"", "ft:x:1", "y")[0] == b"/v1/models/y"


@given(
    st.dictionaries(st.text(max_size=5), st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=5)),
    st.text(min_size=1),
    st.text(min_size=1),
)
def test_any_body_means_the_same_but_for_the_name(body: dict[str, object], old: str, new: str) -> None:
    body["model"] = old
    sent = json.dumps(body).encode()
    assert json.loads(rename(b"/", JSON, sent, old, new)[1]) == {**body, "model": new}
