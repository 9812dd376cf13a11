"""What an operator does to a running node: drain, reload, several workers."""

from __future__ import annotations

import os
import signal
import ssl
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import certificates
from tests.support.nodes import LINES, Edge, Provider, config
from tests.support.servers import free_ports
from tests.support.waiting import eventually

CHAT = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "x"}]}'


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def request(url: str, sim: str, id: str = "") -> urllib.request.Request:
    headers = {"content-type": "application/json", "x-sim": sim, **({"x-sim-id": id} if id else {})}
    return urllib.request.Request(url + "/openai/v1/chat/completions", CHAT, headers)


class Streams:
    """Streams that are read by threads to their end, or to their breaking off."""

    def __init__(self, url: str, count: int, sim: str) -> None:
        self.bodies: list[bytes] = []
        self.failures: list[Exception] = []
        self._begun = threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._read, args=(request(url, sim),)) for _ in range(count)]
        for thread in self._threads:
            thread.start()
        for _ in range(count):
            assert self._begun.acquire(timeout=20)

    def _read(self, asked: urllib.request.Request) -> None:
        try:
            with urllib.request.urlopen(asked, timeout=30) as reply:
                first = reply.readline()
                self._begun.release()
                self.bodies.append(first + reply.read())
        except Exception as error:  # asserted on by the test
            self.failures.append(error)
            self._begun.release()

    def join(self) -> Streams:
        for thread in self._threads:
            thread.join(30)
        return self


def test_a_drain_lets_streams_finish(provider: Provider) -> None:
    with Edge(config(provider.url)) as edge:
        streams = Streams(edge.url, 20, "tokens=60,interval_ms=20")
        edge.child.send_signal(signal.SIGTERM)
        eventually(lambda: "draining" in edge.err.read_text())
        eventually(lambda: _is_refused(edge.url))
        streams.join()
        assert streams.failures == []
        assert all(body.rstrip().endswith(b"data: [DONE]") for body in streams.bodies)
        assert len(streams.bodies) == 20
        assert edge.child.wait(10) == 0


def _is_refused(url: str) -> bool:
    try:
        urllib.request.urlopen(url + "/openai/v1/models", timeout=5).close()
    except urllib.error.URLError as error:
        return isinstance(error.reason, ConnectionRefusedError)
    except OSError:
        pass
    return False


def test_beyond_the_drain_time_streams_are_aborted(provider: Provider) -> None:
    with Edge(config(provider.url, extra="[limits]\ndrain_seconds = 0.5")) as edge:
        streams = Streams(edge.url, 5, "tokens=2000,interval_ms=20")
        assert edge.stop() == 0
        streams.join()
        assert (len(streams.failures), streams.bodies) == (5, [])


def _shares(edge: Edge, provider: Provider, id: str, count: int = 40) -> Counter[str]:
    for _ in range(count):
        with urllib.request.urlopen(request(edge.url, "tokens=1", id)) as reply:
            reply.read()
    names = {source: name for name, source in LINES.items()}
    return Counter(names[record["source"]] for record in provider.log(id))


def _with_weights(provider: Provider, **weights: int) -> str:
    policy = '[routing]\npolicy = "weighted"'
    text = config(provider.url, lines={name: LINES[name] for name in weights}, extra=policy)
    for name, weight in weights.items():
        text = text.replace(f'id = "{name}"', f'id = "{name}"\nweight = {weight}')
    return text


def _generation(edge: Edge) -> float:
    return edge.metric("farline_config_generation")


@pytest.mark.parametrize("trigger", ["SIGHUP", "file change"])
def test_a_reload(provider: Provider, trigger: str) -> None:
    id = trigger.split()[0]
    with Edge(_with_weights(provider, cn2=50, cu2=50)) as edge:
        assert _shares(edge, provider, f"before-{id}") == {"cn2": 20, "cu2": 20}
        streams = Streams(edge.url, 4, "tokens=150,interval_ms=20")
        generation = _generation(edge)

        edge.file.write_text(_with_weights(provider, cn2=75, cmi=25))
        if trigger == "SIGHUP":
            edge.child.send_signal(signal.SIGHUP)
        eventually(lambda: _generation(edge) > generation)
        assert _shares(edge, provider, f"after-{id}") == {"cn2": 30, "cmi": 10}

        edge.file.write_text("[[line]]\nid = 7\n")
        if trigger == "SIGHUP":
            edge.child.send_signal(signal.SIGHUP)
        eventually(lambda: "expected" in edge.err.read_text() or "line.id" in edge.err.read_text())
        assert _shares(edge, provider, f"still-{id}") == {"cn2": 30, "cmi": 10}

        streams.join()  # begun before, some on the line that is no more
        assert streams.failures == []
        assert all(body.rstrip().endswith(b"data: [DONE]") for body in streams.bodies)
        eventually(lambda: edge.metric("farline_upstream_connections", line="cu2") == 0)
        assert edge.stop() == 0


def test_a_new_certificate_is_taken_up(provider: Provider, tmp_path: Path) -> None:
    made = certificates(tmp_path, "127.0.0.1")
    tls = f'tls = {{ cert = "{made.chain}", key = "{made.key}" }}\n'
    with Edge(config(provider.url).replace("[[line]]", tls + "[[line]]", 1)) as edge:
        host, _, port = edge.url.removeprefix("https://").rpartition(":")
        old = ssl.get_server_certificate((host, int(port)))
        Path(made.chain).unlink()
        certificates(tmp_path, "127.0.0.1")
        edge.child.send_signal(signal.SIGHUP)
        eventually(lambda: ssl.get_server_certificate((host, int(port))) != old)
        context = ssl.create_default_context(cafile=made.authority)
        with urllib.request.urlopen(request(edge.url, "tokens=1"), context=context) as reply:
            assert b"[DONE]" in reply.read()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_two_workers(provider: Provider) -> None:
    with _workers(provider) as edge:
        eventually(lambda: edge.err.read_text().count("farline edge: data") == 2)
        for _ in range(40):
            with urllib.request.urlopen(request(edge.url, "tokens=1")) as reply:
                reply.read()
        served = {worker: edge.metric("farline_requests_total", worker=worker) for worker in "01"}
        assert sum(served.values()) == 40
        assert all(served.values())
        first, second = _children(edge.child.pid)
        os.kill(first, signal.SIGKILL)
        eventually(lambda: len(set(_children(edge.child.pid)) - {first}) == 2, 20)
        eventually(lambda: _answers(edge), 20)
        workers = _children(edge.child.pid)
        assert second in workers
        assert edge.stop() == 0
        assert not any(map(_is_alive, workers))


def _answers(edge: Edge) -> bool:
    try:
        with urllib.request.urlopen(request(edge.url, "tokens=1")) as reply:
            return b"[DONE]" in reply.read() and edge.metric("farline_requests_in_flight", worker="0") == 0
    except OSError:
        return False


def _workers(provider: Provider) -> Edge:
    ports = free_ports(2)
    text = config(provider.url).replace('"127.0.0.1:0"', f'"127.0.0.1:{ports[0]}"', 1)
    text = text.replace('admin = "127.0.0.1:0"', f'admin = "127.0.0.1:{ports[1]}"\nworkers = 2')
    return Edge(text)
