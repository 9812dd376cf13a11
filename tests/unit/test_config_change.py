"""What a reload applies and what waits for a restart; summary and warnings."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from cache.address import parse_address
from edge.config.change import settle
from edge.config.model import (
    Address,
    AdminKey,
    ClientKey,
    Cluster,
    Endpoint,
    Listen,
    Model,
    Node,
    Pool,
    Provider,
    Routing,
    Secret,
    Snapshot,
    TlsFiles,
    Trace,
)
from edge.config.presets import PRESETS
from edge.config.summary import HIDDEN, document, summary, warnings
from transport.path import Line

OLD = Snapshot(generation=7, providers=PRESETS)
SECRET = Secret("env:K", "sk-hidden")


def test_a_reload_applies_everything_it_can() -> None:
    wanted = Snapshot(node=Node("n"), lines=(Line("a"),), listen=Listen(open=True))
    assert settle(wanted, OLD) == (replace(wanted, generation=8), ())


def test_what_needs_a_restart_is_kept_and_named() -> None:
    wanted = Snapshot(
        node=Node("n", role="other"),
        listen=Listen((Address("a", 1),), None, TlsFiles("c", "k"), 3, open=True),
    )
    new, waiting = settle(wanted, OLD)
    assert waiting == ("listen.data", "listen.admin", "listen.workers", "listen.tls", "node.role")
    assert new.listen == replace(OLD.listen, open=True)
    assert new.node == Node("n", role="edge")


def test_the_state_directory_waits_for_a_restart() -> None:
    new, waiting = settle(replace(OLD, node=Node("n", state_dir="b")), replace(OLD, node=Node(state_dir="a")))
    assert waiting == ("node.state_dir",)
    assert new.node == Node("n", state_dir="a")


def test_certificates_may_change() -> None:
    old = replace(OLD, listen=Listen(tls=TlsFiles("a", "b")))
    new, waiting = settle(replace(OLD, listen=Listen(tls=TlsFiles("c", "d"))), old)
    assert waiting == ()
    assert new.listen.tls == TlsFiles("c", "d")


def test_the_defaults_have_no_warnings() -> None:
    assert warnings(OLD) == ()


def test_warnings() -> None:
    listen = Listen((Address("0.0.0.0", 80),), Address("0.0.0.0", 81), open=True)
    snapshot = Snapshot(
        listen=listen, lines=(Line("a", weight=0),), providers=(Provider("p", "openai", (), credential=SECRET),)
    )
    assert warnings(snapshot) == (
        "admin listens on a public address: 0.0.0.0:81",
        "no [[admin_key]]: the admin API answers callers on this machine only",
        "[listen] open = true lets anybody spend the node's own provider credentials",
        "requests and keys travel in the clear: 0.0.0.0:80 has no TLS",
        "no line has a weight above 0",
    )


def test_where_an_admin_listener_is_public() -> None:
    for host, public in {
        "10.0.0.1": False,
        "8.8.8.8": True,
        "::": True,
        "localhost": False,
        "node.example": True,
    }.items():
        found = warnings(Snapshot(listen=Listen(admin=Address(host, 81))))
        assert any("public" in warning for warning in found) == public, host
        assert any("[[admin_key]]" in warning for warning in found) == (host != "localhost"), host


def test_the_summary_is_json_without_secrets() -> None:
    endpoints = (
        Endpoint("e", "p", "https://h", "h", 443, True, credential=SECRET),
        Endpoint("f", "p", "https://g", "g", 443, True),
    )
    lines = (
        Line("a", source="10.0.0.1"),
        Line("b", interface="eth0"),
        Line("c", proxy="http://u:hidden@h:1"),
        Line("d"),
    )
    told = json.dumps(
        summary(Snapshot(lines=lines, providers=(Provider("p", "openai", endpoints),), keys=(ClientKey("k", "ff"),)))
    )
    assert "hidden" not in told
    parsed = json.loads(told)
    assert [line["way"] for line in parsed["lines"]] == ["10.0.0.1", "eth0", "proxy", "system route"]
    assert [endpoint["credential"] for endpoint in parsed["providers"][0]["endpoints"]] == ["env:K", "client"]
    assert parsed["keys"] == ["k"]
    assert summary(Snapshot(listen=Listen(admin=None)))["listen"]["admin"] is None


GPU = Pool("gpu", "http://gpu:8000", "gpu", 8000, False, models=(("qwen", "Qwen/Qwen3"),))


def test_the_summary_of_pools() -> None:
    told = summary(Snapshot(pools=(GPU, replace(GPU, id="any", models=None))))["pools"]
    assert [(pool["id"], pool["models"]) for pool in told] == [("gpu", ["qwen"]), ("any", None)]


def test_a_pool_that_stands_in_for_little() -> None:
    def warned(**settings: Any) -> bool:
        return any("[[pool]] stands in only" in text for text in warnings(Snapshot(pools=(GPU,), **settings)))

    assert warned()
    assert warned(models=(Model("m", "p", fallback=()),))
    assert not warned(models=(Model("m", "p", fallback=("qwen",)),))
    assert not warned(routing=Routing(local_model="qwen"))
    assert not warned(routing=Routing(local="off"))


def test_sensitive_keys_without_a_pool() -> None:
    keys = (ClientKey("clinic", "ff", data_class="sensitive"),)
    assert any("refused everything" in text for text in warnings(Snapshot(keys=keys)))
    assert not any("refused everything" in text for text in warnings(Snapshot(keys=keys, pools=(GPU,))))


def test_the_whole_snapshot_is_json_without_secrets() -> None:
    endpoint = Endpoint("e", "p", "https://h", "h", 443, True, credential=SECRET)
    snapshot = Snapshot(
        lines=(Line("c", proxy="http://u:hidden@h:1"), Line("d")),
        providers=(Provider("p", "openai", (endpoint,), headers=(("x-tenant", "hidden"),)),),
        keys=(ClientKey("k", "hidden"),),
        admin_keys=(AdminKey("a", "hidden", "admin"),),
    )
    told = json.loads(json.dumps(document(snapshot)))
    assert "hidden" not in json.dumps(told)
    assert [line["proxy"] for line in told["lines"]] == [HIDDEN, None]
    assert told["providers"][0]["headers"] == ["x-tenant"]
    assert told["providers"][0]["endpoints"][0]["credential"] == "env:K"
    assert told["providers"][0]["endpoints"][0]["protocols"] == ["h2", "http/1.1"]
    assert told["admin_keys"] == [{"id": "a", "sha256": HIDDEN, "role": "admin"}]
    assert told["listen"]["admin"] == "127.0.0.1:8081"


def test_the_summary_of_a_cluster() -> None:
    assert summary(Snapshot())["cluster"] is None
    cluster = Cluster(parse_address("redis://10.0.0.5"), address="https://bj.example.net")
    assert summary(Snapshot(cluster=cluster))["cluster"] == {
        "id": "farline",
        "redis": ["10.0.0.5:6379"],
        "shares": ["controls", "penalties"],
        "address": "https://bj.example.net",
    }


def test_a_cluster_and_traces_wait_for_a_restart() -> None:
    new, waiting = settle(replace(OLD, cluster=Cluster(id="x"), trace=Trace("http://127.0.0.1:4318")), OLD)
    assert waiting == ("cluster", "trace")
    assert (new.cluster, new.trace) == (OLD.cluster, OLD.trace)
