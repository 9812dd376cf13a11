"""Similar questions through a real edge: what callers see, and how often the provider really answered."""

from __future__ import annotations

import http.client
import json
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from edge.cli import main
from tests.support.nodes import Edge, Provider, config, fetch_json
from tests.support.servers import free_ports
from tests.support.waiting import eventually

RULES = """
[[cache.rule]]
models = ["shadow"]
similar = "semantic"
[[cache.rule]]
models = ["normal"]
similar = "normalised"
similar_shadow = false
[[cache.rule]]
models = ["open"]
similar = "semantic"
similar_shadow = false
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def edge(provider: Provider) -> Iterator[Edge]:
    with Edge(config(provider.url, extra=RULES)) as running:
        yield running
        assert "Traceback" not in running.err.read_text()


@dataclass
class Reply:
    cache: str
    similarity: str | None
    id: str
    body: bytes


def ask(edge: Edge, model: str, text: str, **more: Any) -> Reply:
    """One request. If its question is to be kept for others, it is, when this returns."""
    kept = _kept(edge)
    headers = {"content-type": "application/json", "authorization": "Bearer k", **more.pop("headers", {})}
    body = {"model": model, "temperature": 0, "messages": [{"role": "user", "content": text}], **more}
    sent = urllib.request.Request(f"{edge.url}/openai/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(sent) as reply:
        told = reply.headers
        found = Reply(told["x-farline-cache"], told["x-farline-similarity"], told["x-farline-request-id"], reply.read())
    if found.cache == "miss" and f'"{model}"' in RULES:
        eventually(lambda: _kept(edge) == kept + 1)
    else:
        time.sleep(0.2)  # what is stored in the background
    return found


def _kept(edge: Edge) -> float:
    return edge.metric("farline_cache_similar_total", result="kept")


def executed(provider: Provider) -> int:
    return len(provider.log())


def test_another_wording_is_answered_and_marked(edge: Edge, provider: Provider) -> None:
    semantic = edge.metric("farline_cache_events_total", result="semantic")
    caller = {"authorization": f"Bearer {time.monotonic_ns()}"}  # who has asked nothing before
    first = ask(edge, "open", "怎么取消订单?", headers=dict(caller))
    assert (first.cache, first.similarity) == ("miss", None)
    before = executed(provider)
    spelling = ask(edge, "open", "你好,请问怎么取消订单", headers=dict(caller))
    assert (spelling.cache, spelling.similarity) == ("normalised", "1.000")
    wording = ask(edge, "open", "怎么取消我的订单", headers=dict(caller))
    assert wording.cache == "semantic"
    assert wording.similarity is not None
    assert 0.3 <= float(wording.similarity) < 1
    said = [json.loads(reply.body)["choices"][0]["message"] for reply in (first, spelling, wording)]
    assert said[0] == said[1] == said[2]
    assert executed(provider) == before
    for other in ("怎么取消会员?", "怎么修改订单?", "怎么不取消订单?", "How do I cancel my order?"):
        assert ask(edge, "open", other, headers=dict(caller)).cache == "miss"
    assert executed(provider) == before + 4
    assert edge.metric("farline_cache_events_total", result="semantic") == semantic + 1


def test_a_stored_document_answers_a_stream(edge: Edge) -> None:
    ask(edge, "open", "How do I get a refund?")
    found = ask(edge, "open", "how can I get a refund", stream=True)
    assert found.cache == "semantic"
    assert found.body.startswith(b"data: ")
    assert found.body.endswith(b"data: [DONE]\n\n")


def test_normalised_only(edge: Edge) -> None:
    ask(edge, "normal", "怎么退货?")
    assert ask(edge, "normal", "请问怎么退货").cache == "normalised"
    assert ask(edge, "normal", "如何退货").cache == "miss"


def test_shadow_sends_everything(edge: Edge, provider: Provider) -> None:
    ask(edge, "shadow", "怎么换货?")
    before = executed(provider)
    assert ask(edge, "shadow", "请问怎么换货").cache == "miss"
    assert executed(provider) == before + 1


def test_off_by_default(edge: Edge) -> None:
    ask(edge, "other", "怎么换货?")
    assert ask(edge, "other", "请问怎么换货").cache == "miss"
    assert ask(edge, "other", "怎么换货?").cache == "hit"


def test_a_wrong_answer_is_not_given_again(edge: Edge) -> None:
    ask(edge, "open", "怎么开发票?")
    wrong = ask(edge, "open", "如何开发票")
    assert wrong.cache == "semantic"
    again = ask(edge, "open", "如何开发票", headers={"x-farline-wrong": wrong.id})
    assert again.cache == "miss"
    assert ask(edge, "open", "如何开发票").cache == "hit"
    assert ask(edge, "open", "怎么开发票?").cache == "miss"  # purged, and not answered by the other one
    assert "was answered wrongly by a similar question" in edge.err.read_text()


def test_a_report_of_what_nobody_knows(edge: Edge) -> None:
    ask(edge, "open", "怎么登录?", headers={"x-farline-wrong": "no-such-request"})
    assert "isn't known here" in edge.err.read_text()


def test_an_operators_report_reaches_the_worker_that_answered(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    ports = free_ports(2)
    text = config(provider.url, extra=RULES).replace('"127.0.0.1:0"', f'"127.0.0.1:{ports[0]}"', 1)
    with Edge(text.replace('admin = "127.0.0.1:0"', f'admin = "127.0.0.1:{ports[1]}"\nworkers = 2')) as edge:
        eventually(lambda: edge.err.read_text().count("farline edge: data") == 2)
        connection = http.client.HTTPConnection(edge.url.removeprefix("http://"))  # stays with one worker

        def told(question: str) -> http.client.HTTPMessage:
            body = {"model": "open", "temperature": 0, "messages": [{"role": "user", "content": question}]}
            connection.request("POST", "/openai/v1/chat/completions", json.dumps(body), {"authorization": "Bearer k"})
            reply = connection.getresponse()
            reply.read()
            return reply.headers

        assert told("怎么开发票?")["x-farline-cache"] == "miss"
        eventually(lambda: _kept(edge) == 1)
        wrong = told("如何开发票")
        assert wrong["x-farline-cache"] == "semantic"
        assert fetch_json(f"{edge.admin_url}/api/v1/cache")["similar"]["semantic"] == 1
        assert main(["cache", "wrong", wrong["x-farline-request-id"], "--admin", edge.admin_url]) == 0
        assert "purged" in capsys.readouterr().out
        assert told("如何开发票")["x-farline-cache"] == "miss"
        assert edge.metric("farline_cache_similar_total", result="reported") == 1
        assert main(["cache", "wrong", wrong["x-farline-request-id"], "--admin", edge.admin_url]) == 1
        assert main(["cache", "--admin", edge.admin_url]) == 0
        assert "1 reported" in capsys.readouterr().out
        connection.close()
