"""`farline lines` against a running edge, the way an operator uses it."""

from __future__ import annotations

import json
import os
import signal
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.cli import main
from edge.cli.admin_client import AdminClient
from tests.e2e.test_operations import CHAT, Streams
from tests.support.nodes import LINES, Edge, Provider, config
from tests.support.waiting import eventually

WEIGHTED = '[routing]\npolicy = "weighted"\n'


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


class Operator:
    """Types commands; `said` is what the last one printed."""

    def __init__(self, edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
        self.edge = edge
        self._capsys = capsys
        self.said = ""

    def types(self, *words: str, code: int = 0) -> str:
        self._capsys.readouterr()
        try:
            got = main(["lines", *words, "--admin", self.edge.admin_url])
        except SystemExit as stopped:
            got = int(str(stopped.code))
        told = self._capsys.readouterr()
        self.said = told.out + told.err
        assert got == code, self.said
        return self.said

    def reads(self, *words: str) -> Any:
        return json.loads(self.types(*words, "--json"))

    def line(self, id: str) -> Any:
        return next(each for each in self.reads("list")["lines"] if each["id"] == id)


@pytest.fixture(scope="module")
def edge(provider: Provider) -> Iterator[Edge]:
    with Edge(config(provider.url, extra=WEIGHTED)) as running:
        yield running
        assert "Traceback" not in running.err.read_text()


@pytest.fixture
def operator(edge: Edge, capsys: pytest.CaptureFixture[str]) -> Iterator[Operator]:
    yield Operator(edge, capsys)
    AdminClient(edge.admin_url, None).ask("DELETE", "/api/v1/controls")


def send(edge: Edge, *, sim: str = "tokens=1", id: str = "", line: str = "") -> str:
    """One request; its id here."""
    headers = {"content-type": "application/json", "x-sim": sim, **({"x-sim-id": id} if id else {})}
    headers |= {"x-farline-line": line} if line else {}
    with urllib.request.urlopen(
        urllib.request.Request(f"{edge.url}/openai/v1/chat/completions", CHAT, headers)
    ) as reply:
        reply.read()
        return str(reply.headers["x-farline-request-id"])


def shares(edge: Edge, provider: Provider, id: str, count: int) -> Counter[str]:
    for _ in range(count):
        send(edge, id=id)
    names = {source: name for name, source in LINES.items()}
    return Counter(names[record["source"]] for record in provider.log(id))


def test_a_weight_counts_from_the_next_request(edge: Edge, operator: Operator, provider: Provider) -> None:
    assert shares(edge, provider, "before", 30) == {"cn2": 10, "cu2": 10, "cmi": 10}
    then = operator.reads("set", "cn2", "weight=300", "--preview")["then"]
    assert then == pytest.approx({"cn2": 0.6, "cu2": 0.2, "cmi": 0.2}, abs=0.002)
    assert "cn2: admitted, weight 100 → 300" in operator.types("set", "cn2", "weight=300")
    after = shares(edge, provider, "after", 100)
    assert after == pytest.approx({"cn2": 60, "cu2": 20, "cmi": 20}, abs=2)
    assert "weight set by hand, configured 100" in operator.types()
    operator.types("set", "cn2", "--reset")
    assert operator.line("cn2")["weight"]["override"] is None


def test_a_drain_breaks_no_stream(edge: Edge, operator: Operator, provider: Provider) -> None:
    streams = LineStreams(edge, "cn2", 3, "tokens=120,interval_ms=25")
    assert "cn2 drains, but after 0.3 s still has" in operator.types("drain", "cn2", "--wait", "0.3", code=1)
    assert shares(edge, provider, "meanwhile", 20) == {"cu2": 10, "cmi": 10}
    assert operator.line("cn2")["connections"]["active"] == 3
    assert "nothing under way" in operator.types("drain", "cn2", "--wait", "30")
    streams.join()
    assert streams.failures == []
    assert [body.rstrip().endswith(b"data: [DONE]") for body in streams.bodies] == [True] * 3
    assert "cn2: draining by an operator, nothing under way" in operator.types()
    operator.types("undrain", "cn2")
    assert shares(edge, provider, "again", 30)["cn2"] == 10


class LineStreams(Streams):
    """Streams that go over a line of the caller's choice."""

    def __init__(self, edge: Edge, line: str, count: int, sim: str) -> None:
        self._line = line
        super().__init__(edge.url, count, sim)

    def _read(self, asked: urllib.request.Request) -> None:
        asked.add_header("x-farline-line", self._line)
        super()._read(asked)


def test_a_switch_a_pin_and_a_window(edge: Edge, operator: Operator, provider: Provider) -> None:
    operator.types("set", "cn2", "switch=off")
    assert shares(edge, provider, "off", 10) == {"cu2": 5, "cmi": 5}
    operator.types("pin", "provider:openai", "cmi")
    assert "provider:openai" in operator.types("pins")
    assert shares(edge, provider, "pinned", 10) == {"cmi": 10}
    operator.types("unpin", "provider:openai")
    assert "Nothing is pinned" in operator.types("pins")
    operator.types("maintenance", "add", "cmi", "--for", "2s", "--note", "ticket 4711")
    assert "ticket 4711" in operator.types("maintenance")
    assert shares(edge, provider, "window", 4) == {"cu2": 4}
    operator.types("drain", "cu2", code=1)
    assert "cu2 is the last line" in operator.said
    eventually(lambda: shares(edge, provider, "later", 4)["cmi"] > 0)
    operator.types("maintenance", "add", "cmi", "--from", "03:00", "--to", "04:00")
    (window,) = operator.reads("maintenance", "list")["maintenance"]
    operator.types("maintenance", "remove", window["id"])
    assert "No maintenance windows" in operator.types("maintenance", "list")


def test_all_off_is_a_clear_answer(edge: Edge, operator: Operator) -> None:
    for line in LINES:
        operator.types("drain", line, "--force")
    with pytest.raises(urllib.error.HTTPError) as refused:
        send(edge)
    assert refused.value.code == 503
    assert "error" in json.loads(refused.value.read())
    operator.types("undrain", "cn2")
    send(edge)


def test_why(edge: Edge, operator: Operator) -> None:
    id = send(edge)
    said = operator.types("why", id)
    assert "was chosen by policy weighted" in said
    assert all(f"{line}/direct/openai" in said for line in LINES)
    assert operator.reads("why", id)["request"] == id
    assert "no request of that id" in operator.types("why", "nope", code=1)


def test_exit_codes(edge: Edge, operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        *(
            ["set", "cn2"],
            ["set", "cn2", "wieght=1"],
            ["set", "cn2", "weight=-1"],
            ["set", "cn2", "weight=1", "--reset"],
        ),
        *(["weights"], ["weights", "cn2"], ["weights", "cn2=x"], ["weights", "=5"]),
        *(["nothing"], ["drain"], ["drain", "cn2", "--wait", "soon"], ["list", "--token", "fla-in-the-clear"]),
        *(["list", "--token", "env:NOT_SET_ANYWHERE"], ["list", "--token", "file:/not/there"], ["watch", "--json"]),
        *(["maintenance", "add", "cn2"], ["maintenance", "add", "cn2", "--from", "soon", "--for", "1h"]),
    ):
        operator.types(*words, code=2)
    assert "fla-in-the-clear" not in operator.said
    for words in (["drain", "cn9"], ["pin", "x", "cn2"], ["unpin", "*"], ["maintenance", "remove", "x"]):
        operator.types(*words, code=1)
    assert json.loads(operator.types("drain", "cn9", "--json", code=1).splitlines()[0])["ok"] is False
    assert main(["lines", "--admin", "127.0.0.1:9"]) == 2
    assert "no farline answers at http://127.0.0.1:9" in capsys.readouterr().err
    assert main(["lines", "--admin", edge.url]) == 2
    assert "is no farline's admin API" in capsys.readouterr().err
    assert main(["lines", "--admin", "ftp://x"]) == 2


def test_where_the_node_is(edge: Edge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = edge.admin_url.removeprefix("http://")
    file = tmp_path / "edge.toml"
    file.write_text(f'[listen]\nadmin = "{address.replace("127.0.0.1", "0.0.0.0")}"\n')
    assert main(["lines", "-c", str(file)]) == 0
    monkeypatch.setenv("FARLINE_ADMIN", address)
    assert main(["lines"]) == 0
    file.write_text("[listen]\nadmin = false\n")
    assert main(["lines", "-c", str(file)]) == 2
    assert main(["lines", "-c", str(tmp_path / "none")]) == 2


def test_keys_and_a_unix_socket(
    provider: Provider, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["keys", "new", "--id", "ann", "--role", "operator"]) == 0
    out = capsys.readouterr().out
    key = next(word for word in out.split() if word.startswith("fla-"))
    socket = tmp_path / "admin.sock"
    text = config(provider.url, extra=out[out.index("[[admin_key]]") :])
    with Edge(text.replace('admin = "127.0.0.1:0"', f'admin = "unix:{socket}"')):
        eventually(socket.exists)
        words = ["lines", "drain", "cn2", "--admin", f"unix:{socket}"]
        assert main(words) == 1
        assert "give it with --token" in capsys.readouterr().err
        monkeypatch.setenv("FARLINE_TOKEN", key)
        assert main(words) == 0
        (tmp_path / "token").write_text(key + "\n")
        monkeypatch.delenv("FARLINE_TOKEN")
        assert main(["lines", "undrain", "cn2", "--admin", f"unix:{socket}", "--token", f"file:{tmp_path}/token"]) == 0


def test_a_live_view(edge: Edge, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    assert main(["lines", "watch", "--every", "0.3", "--admin", edge.admin_url]) == 130
    assert "cn2" in capsys.readouterr().out
