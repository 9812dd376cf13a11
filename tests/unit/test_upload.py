from __future__ import annotations

from edge.attempts.upload import Upload


class FakeClient:
    def __init__(self) -> None:
        self.sink: Upload | None = None
        self.paused = False

    def stream_body(self, sink: Upload) -> None:
        self.sink = sink

    def pause_body(self) -> None:
        self.paused = True

    def resume_body(self) -> None:
        self.paused = False


class FakeExchange:
    def __init__(self, takes: bool = True) -> None:
        self.sent: list[bytes] = []
        self.takes = takes
        self.ended = False

    def send(self, data: bytes) -> bool:
        self.sent.append(data)
        return self.takes

    def end(self) -> None:
        self.ended = True


def upload(prefix: bytes, complete: bool, limit: int = 10) -> tuple[Upload, FakeClient, list[str]]:
    client, told = FakeClient(), []
    body = Upload(client, prefix, complete)  # type: ignore[arg-type]  # a double of the client
    body.start(limit, lambda: told.append("dropped"))
    return body, client, told


def test_a_complete_body_goes_whole_to_every_attempt() -> None:
    body, client, told = upload(b"whole", complete=True)
    for _ in range(2):
        assert body.take() == b"whole"
        body.attach(FakeExchange(), lambda: told.append("sent"))  # type: ignore[arg-type]
    assert told == ["sent", "sent"]
    assert client.sink is None


def test_an_empty_body() -> None:
    body, _, _ = upload(b"", complete=True)
    assert body.take() is None


def test_the_rest_streams_and_is_kept_while_short() -> None:
    body, _, told = upload(b"ab", complete=False)
    first = FakeExchange()
    assert body.take() == b"ab"
    body.attach(first, lambda: told.append("sent"))  # type: ignore[arg-type]
    body.on_body(b"cd")
    body.detach(FakeExchange())  # type: ignore[arg-type]  # another's end doesn't concern the one that is fed
    body.on_body(b"CD")
    body.detach(first)  # type: ignore[arg-type]
    body.on_body(b"ef")
    second = FakeExchange()
    assert body.take() == b"abcdCDef"
    body.attach(second, lambda: told.append("sent"))  # type: ignore[arg-type]
    body.on_body(b"g")
    body.on_body_end()
    assert first.sent == [b"cd", b"CD"]
    assert second.sent == [b"g"]
    assert second.ended
    assert told == ["sent"]
    assert body.size == 9


def test_a_long_body_is_let_go_and_says_so_once() -> None:
    body, _, told = upload(b"0123456789", complete=False)
    exchange = FakeExchange()
    body.take()
    body.attach(exchange, lambda: None)  # type: ignore[arg-type]
    assert told == []
    body.on_body(b"x")
    body.on_body(b"y")
    assert told == ["dropped"]
    assert exchange.sent == [b"x", b"y"]
    assert body.take() is None


def test_a_long_prefix_is_let_go_once_it_is_sent() -> None:
    body, _, told = upload(b"0123456789ab", complete=False)
    assert body.take() == b"0123456789ab"
    body.attach(FakeExchange(), lambda: None)  # type: ignore[arg-type]
    assert told == ["dropped"]


def test_without_an_exchange_the_client_is_paused_at_the_limit() -> None:
    body, client, told = upload(b"", complete=False)
    body.on_body(b"0123456789")
    assert not client.paused
    body.on_body(b"a")
    body.on_body(b"b")
    assert client.paused
    assert body.take() == b"0123456789ab"
    body.attach(FakeExchange(), lambda: None)  # type: ignore[arg-type]
    assert not client.paused
    assert told == ["dropped"]


def test_a_slow_upstream_pauses_the_client() -> None:
    body, client, _ = upload(b"", complete=False)
    exchange = FakeExchange(takes=False)
    body.attach(exchange, lambda: None)  # type: ignore[arg-type]
    body.on_body(b"a")
    assert client.paused
    body.writable()
    assert not client.paused
    body.writable()


def test_once_the_attempts_are_over_nobody_is_told_and_the_body_flows_on() -> None:
    body, _, told = upload(b"", complete=False)
    exchange = FakeExchange()
    body.attach(exchange, lambda: told.append("sent"))  # type: ignore[arg-type]
    body.tell_no_more()
    body.on_body(b"0123456789ab")
    body.on_body_end()
    assert exchange.sent == [b"0123456789ab"]
    assert exchange.ended
    assert told == []


def test_an_end_that_comes_before_any_exchange() -> None:
    body, _, told = upload(b"a", complete=False)
    body.on_body(b"b")
    body.on_body_end()
    assert body.complete
    assert body.take() == b"ab"
    body.attach(FakeExchange(), lambda: told.append("sent"))  # type: ignore[arg-type]
    assert told == ["sent"]


def test_who_takes_no_more_is_told_of_once_and_again_when_it_does() -> None:
    body, client, told = upload(b"ab", complete=False, limit=100)
    exchange = FakeExchange(takes=False)
    body.attach(exchange, lambda: told.append("sent"), lambda stalled: told.append(f"stalled {stalled}"))  # type: ignore[arg-type]
    body.on_body(b"cd")
    body.on_body(b"ef")
    assert (told, client.paused) == (["stalled True"], True)
    exchange.takes = True
    body.writable()
    body.writable()
    assert (told, client.paused) == (["stalled True", "stalled False"], False)
    exchange.takes = False
    body.on_body(b"gh")
    body.tell_no_more()
    body.writable()
    assert told == ["stalled True", "stalled False", "stalled True"]


def test_gathering_a_body_that_is_here() -> None:
    body, _, told = upload(b"whole", complete=True)
    body.gather(10, lambda: told.append("whole"), lambda: told.append("full"))
    assert (told, body.take()) == (["whole"], b"whole")
    body.replace(b"another form")
    assert (body.take(), body.size) == (b"another form", 12)


def test_gathering_a_body_as_it_comes() -> None:
    body, client, told = upload(b"ab", complete=False)
    body.on_body(b"cd")
    body.gather(10, lambda: told.append("whole"), lambda: told.append("full"))
    body.on_body(b"ef")
    assert (told, client.paused) == ([], False)
    body.on_body_end()
    assert (told, body.take()) == (["whole"], b"abcdef")


def test_a_body_too_long_to_gather_is_kept_for_who_can_stream_it() -> None:
    body, client, told = upload(b"ab", complete=False, limit=4)
    body.gather(4, lambda: told.append("whole"), lambda: told.append("full"))
    body.on_body(b"cde")
    assert (told, client.paused, body.dropped) == (["full"], True, False)
    body.tell_no_more()
    body.start(4, lambda: told.append("dropped"))
    exchange = FakeExchange()
    assert body.take() == b"abcde"
    body.attach(exchange, lambda: told.append("sent"))  # type: ignore[arg-type]
    body.on_body(b"f")
    body.on_body_end()
    assert (exchange.sent, exchange.ended) == ([b"f"], True)
    assert told == ["full", "dropped", "sent"]


def test_a_body_that_was_let_go_cannot_be_gathered() -> None:
    body, _, told = upload(b"ab", complete=False, limit=1)
    body.attach(FakeExchange(), lambda: None)  # type: ignore[arg-type]
    body.gather(10, lambda: told.append("whole"), lambda: told.append("full"))
    assert told == ["dropped", "full"]


def test_more_may_be_read_before_it_flows() -> None:
    body = Upload(FakeClient(), b"ab", False)  # type: ignore[arg-type]  # a double of the client
    body.extend(b"cd", False)
    body.extend(b"", True)
    assert (body.take(), body.size, body.complete) == (b"abcd", 4, True)
