"""Fuzzing the readers of records: `python -m tests.fuzz.session_records --seconds 30 [--seed N]`.

Bytes, cut anywhere, are read, or refused with `RecordError`; a refused reader stays dead, what it holds is bounded,
and cuts make no difference. Prints the seed of what failed.
"""

from __future__ import annotations

import itertools
from random import Random

from tests.fuzz.seeds import run
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import RequestHead, ResponseHead
from transport.session.events.dictionaries import Dictionary
from transport.session.record_readers import ReplyReader, RequestReader
from transport.session.record_writers import ReplyWriter, RequestWriter
from transport.session.records import MAX_HEAD_BYTES, Coding, RecordError

HEAD = RequestHead(b"POST", b"/v1/chat/completions?a=b", b"api.example", [(b"x-api-key", b"k"), (b"a", b"b")])
EVENT = b'data: {"id": %d, "delta": "%b"}\n\n'
FAILED = Failure(Origin.ENDPOINT, Verdict.UNKNOWN, Code.STREAM_RESET, "why", 2.0)


def any_request(random: Random) -> bytes:
    """Well formed."""
    writer = RequestWriter(random.choice((None, *Dictionary)))
    is_websocket = random.random() < 0.3
    parts = [writer.request(HEAD, "p", random.random() * 100, random.choice((None, 0, 9)), websocket=is_websocket)]
    for _ in range(random.randrange(4)):
        data = random.randbytes(random.choice((0, 1, 30, 70_000)))
        parts.append(writer.frame(1, data, random.random() < 0.8) if is_websocket else writer.body(data))
    return b"".join([*parts, writer.end(random.choice(([], [(b"t", b"v")])))])


def any_reply(random: Random) -> bytes:
    """Well formed."""
    writer = ReplyWriter()
    status = random.choice((200, 429, 101))
    coding = Coding.PLAIN if status == 101 else random.choice(list(Coding))
    parts = [writer.response(ResponseHead(status, [(b"a", b"b")]), coding)]
    for number in range(random.randrange(6)):
        data = random.choice((EVENT % (number, b"word"), random.randbytes(random.choice((1, 60, 5000)))))
        parts.append(writer.frame(2, data) if status == 101 else writer.body(data))
        if random.random() < 0.2:
            parts.append(writer.stamp(number))
    return b"".join([*parts, random.choice((writer.end, lambda: writer.failure(FAILED)))()])


def damaged(data: bytes, random: Random) -> bytes:
    out = bytearray(data)
    for _ in range(random.choice((0, 0, 1, 3))):
        out[random.randrange(len(out))] = random.randrange(256)
    if random.random() < 0.2:
        del out[random.randrange(len(out)) :]
    if random.random() < 0.1:
        out += random.randbytes(20)
    return bytes(out)


def read(reader: RequestReader | ReplyReader, data: bytes, cuts: list[int]) -> tuple[list[object], bool, bool]:
    """(values with neighbouring bytes joined, is it over, was it refused)."""
    values: list[object] = []
    edges = [0, *sorted(cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        try:
            fed = reader.feed(data[start:end])
        except RecordError:
            try:
                reader.feed(b"")
            except RecordError:
                return values, reader.is_over, True
            raise AssertionError("a refused reader lives on") from None
        for value in fed:
            if isinstance(value, bytes) and values and isinstance(last := values[-1], bytes):
                values[-1] = last + value
            else:
                values.append(value)
        assert len(reader._held) <= MAX_HEAD_BYTES + 9
    return values, reader.is_over, False


def attempt(seed: int) -> None:
    random = Random(seed)
    try:
        for kind, make in ((RequestReader, any_request), (ReplyReader, any_reply)):
            data = damaged(make(random), random)
            whole = read(kind(), data, [])
            cut = read(kind(), data, [random.randrange(len(data) + 1) for _ in range(random.choice((1, 5, 50)))])
            assert whole[2] == cut[2], "cuts make a difference"
            assert whole[2] or whole == cut, "cuts change what is read"
    except BaseException:
        print(f"seed {seed}")
        raise


if __name__ == "__main__":
    run(__doc__, attempt)
