"""A stranger's first five minutes: an edge, a provider, curl-like requests."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from tests.support.nodes import Edge, Provider, config, fetch_json


def post(url: str, body: object, headers: dict[str, str] | None = None) -> urllib.request.Request:
    return urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json", **(headers or {})}
    )


CHAT = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "hi"}]}


def test_an_edge_serves_and_tells_where_it_went() -> None:
    with Provider() as provider, Edge(config(provider.url)) as edge:
        for path in ("/openai/v1/chat/completions", "/v1/chat/completions"):
            with urllib.request.urlopen(post(edge.url + path, {**CHAT, "stream": True})) as reply:
                assert reply.read().rstrip().endswith(b"data: [DONE]")
                assert reply.headers["x-farline-path"].split("/")[1:] == ["direct", "openai"]
                assert reply.headers["x-farline-attempts"] == "1"
                assert reply.headers["x-farline-cache"] == "bypass"
                assert "provider;dur=" in reply.headers["server-timing"]
        assert fetch_json(edge.admin_url + "/healthz") == {"status": "ok"}
        assert fetch_json(edge.admin_url + "/readyz") == {"status": "ready"}
        assert edge.metric("farline_requests_total", provider="openai", status="200") == 2
        assert edge.metric("farline_ttft_seconds_count", provider="openai") == 2
        lines = edge.requests()
        assert [line["status"] for line in lines] == [200, 200]
        assert lines[0]["model"] == "gpt-4.1"
        assert edge.stop() == 0


def test_errors_of_ours_come_in_the_callers_dialect() -> None:
    with Edge(config("http://127.0.0.1:9")) as edge:
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(post(edge.url + "/openai/v1/chat/completions", CHAT))
        assert caught.value.code == 503
        assert caught.value.headers["retry-after"]
        assert caught.value.headers["proxy-status"].startswith("farline; error=connection_refused")
        assert json.load(caught.value)["error"]["message"]
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(edge.url + "/nowhere")
        assert caught.value.code == 404
        caught.value.close()
