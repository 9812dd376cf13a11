"""What the reader accepts, and the value it makes of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest
import trustme

from edge.config.model import Address, AdminKey, Model, Secret, Snapshot, TlsFiles
from edge.config.presets import PRESETS
from edge.config.read import Outcome, read
from transport.path import Line, Protocol

AUTHORITY = trustme.CA()
SERVER = AUTHORITY.issue_cert("farline.test")
FILES: Mapping[str, bytes] = {
    "/etc/farline/key": b"  from-a-file\n",
    "/etc/farline/ca.pem": AUTHORITY.cert_pem.bytes(),
    "/etc/farline/chain.pem": b"".join(pem.bytes() for pem in SERVER.cert_chain_pems),
    "/etc/farline/server.key": SERVER.private_key_pem.bytes(),
    "/run/secrets/proxy": b"socks5://user:hidden@10.0.0.1:1080\n",
}


def outcome_of(text: str, **environment: str) -> Outcome:
    def content(name: str) -> bytes:
        if name not in FILES:
            raise FileNotFoundError(2, "No such file or directory", name)
        return FILES[name]

    return read(text, environment, content, "/etc/farline/edge.toml")


def accepted(text: str, **environment: str) -> Snapshot:
    outcome = outcome_of(text, **environment)
    assert outcome.faults == ()
    assert outcome.snapshot is not None
    return outcome.snapshot


def test_an_empty_file_is_the_default_node_with_presets() -> None:
    assert accepted("") == Snapshot(source="/etc/farline/edge.toml", providers=PRESETS)


def test_node_and_listen() -> None:
    snapshot = accepted("""
        [node]
        name = "bj-1"
        role = "edge"
        region = "cn-north"
        location = [39.9, 116]
        [listen]
        data = ["0.0.0.0:8080", "[::]:8080", "unix:farline.sock", "localhost:0"]
        admin = "[::1]:8081"
        workers = 4
    """)
    assert snapshot.node.location == (39.9, 116.0)
    unix = Address("/etc/farline/farline.sock", 0, unix=True)
    assert snapshot.listen.data == (Address("0.0.0.0", 8080), Address("::", 8080), unix, Address("localhost", 0))
    assert snapshot.listen.admin == Address("::1", 8081)
    assert snapshot.listen.workers == 4


@pytest.mark.parametrize("nothing", ['""', "false"])
def test_the_admin_listener_can_be_off(nothing: str) -> None:
    assert accepted(f"[listen]\ndata = '127.0.0.1:9000'\nadmin = {nothing}\n").listen.admin is None


def test_tls_files_are_checked_and_watched() -> None:
    snapshot = accepted('[listen]\ntls = { cert = "chain.pem", key = "/etc/farline/server.key" }\n')
    assert snapshot.listen.tls == TlsFiles("/etc/farline/chain.pem", "/etc/farline/server.key")
    assert snapshot.files == ("/etc/farline/chain.pem", "/etc/farline/server.key")


def test_lines() -> None:
    snapshot = accepted("""
        [[line]]
        id = "cn2"
        carrier = "CN2"
        source = "10.20.0.2"
        weight = 70
        capacity_mbps = 500
        cost_per_gb = 3.2
        congestion = "bbr"
        [[line]]
        id = "out"
        proxy = "http://10.0.0.1:3128/"
        [[line]]
        id = "hidden"
        proxy = "file:/run/secrets/proxy"
        [[line]]
        id = "eth"
        interface = "eth1.100"
    """)
    first, out, hidden, eth = snapshot.lines
    assert first == Line("cn2", "CN2", "10.20.0.2", weight=70.0, capacity_mbps=500, cost_per_gb=3.2, congestion="bbr")
    assert out.proxy == "http://10.0.0.1:3128"
    assert hidden.proxy == "socks5://user:hidden@10.0.0.1:1080"
    assert "hidden@" not in repr(snapshot)
    assert eth.interface == "eth1.100"


def test_a_preset_is_inherited_and_overridden() -> None:
    snapshot = accepted(
        """
        [[provider]]
        id = "openai"
        credential = "env:OPENAI_API_KEY"
        on_client_gone = "drain"
        headers = { OpenAI-Organization = "org-0123456789abcdef01234567" }
        [[provider]]
        id = "groq"
        endpoint = [{ url = "https://0x.example.net/groq/" }]
        """,
        OPENAI_API_KEY="sk-secret",
    )
    openai, groq = snapshot.providers
    assert openai.endpoints == PRESETS[0].endpoints
    assert openai.credential == Secret("env:OPENAI_API_KEY", "sk-secret")
    assert openai.headers == (("openai-organization", "org-0123456789abcdef01234567"),)
    assert openai.on_client_gone == "drain"
    assert groq.dialect == "openai"
    assert [(e.id, e.host, e.base_path, e.url) for e in groq.endpoints] == [
        ("groq", "0x.example.net", "/groq", "https://0x.example.net/groq")
    ]
    assert "sk-secret" not in repr(snapshot)


def test_endpoints_and_their_default_ids() -> None:
    snapshot = accepted("""
        [[provider]]
        id = "azure"
        dialect = "azure"
        [[provider.endpoint]]
        url = "https://one.openai.azure.com"
        region = "us"
        credential = "file:key"
        protocols = ["h3", "http/1.1"]
        ca_file = "ca.pem"
        keep_warm = 2
        max_connections = 8
        weight = 5
        [[provider.endpoint]]
        url = "https://two.openai.azure.com:8443"
        region = "eu"
        [[provider.endpoint]]
        url = "http://10.0.0.7:8000"
        region = "eu"
        [[provider.endpoint]]
        id = "last"
        url = "https://[2001:db8::1]/base"
    """)
    one, two, three, last = snapshot.providers[0].endpoints
    assert [e.id for e in (one, two, three, last)] == ["azure-us", "azure-2", "azure-3", "last"]
    assert one.credential == Secret("file:key", "from-a-file")
    assert one.protocols == (Protocol.H3, Protocol.H1)
    assert (one.ca_file, one.keep_warm, one.max_connections, one.weight) == ("/etc/farline/ca.pem", 2, 8, 5.0)
    assert (two.port, two.tls) == (8443, True)
    assert (three.port, three.tls, three.credential, three.protocols) == (8000, False, None, (Protocol.H1,))
    assert (last.host, last.port, last.base_path) == ("2001:db8::1", 443, "/base")
    assert snapshot.files == ("/etc/farline/key", "/etc/farline/ca.pem")


def test_a_region_that_is_no_id_does_not_become_one() -> None:
    urls = [("http://a", "us west"), ("http://b", "eu")]
    entries = ", ".join(f"{{ url = '{url}', region = '{region}' }}" for url, region in urls)
    snapshot = accepted(f"[[provider]]\nid = 'p'\ndialect = 'openai'\nendpoint = [{entries}]\n")
    assert [endpoint.id for endpoint in snapshot.providers[0].endpoints] == ["p-1", "p-eu"]


def test_models_and_keys() -> None:
    digest = hashlib.sha256(b"fl-key").hexdigest()
    snapshot = accepted(
        f"""
        [[model]]
        name = "fast"
        provider = "groq"
        upstream = "llama-4"
        [[model]]
        name = "big"
        provider = "openai"
        [[key]]
        id = "team"
        sha256 = "{digest.upper()}"
        providers = ["groq"]
        models = ["fast", "llama-4"]
        may_choose_line = true
        max_in_flight = 10
        [[key]]
        id = "other"
        key = "env:OTHER"
        """,
        OTHER="fl-other",
    )
    assert snapshot.models[0] == Model("fast", "groq", "llama-4")
    team, other = snapshot.keys
    assert (team.sha256, team.may_choose_line, team.max_in_flight) == (digest, True, 10)
    assert other.sha256 == hashlib.sha256(b"fl-other").hexdigest()


def test_without_models_a_key_may_name_any() -> None:
    snapshot = accepted(f"[[key]]\nid = 'a'\nsha256 = '{'0' * 64}'\nmodels = ['anything']\n")
    assert snapshot.keys[0].models == ("anything",)


def test_routing_timeouts_and_limits() -> None:
    snapshot = accepted("""
        routing = { policy = "weighted", race_after_ms = 100, retry_budget_floor_per_second = 3 }
        [timeouts]
        connect_seconds = 2
        commit_hold_seconds = 0
        [limits]
        header_bytes = 32768
        client_idle_seconds = 5.5
    """)
    assert snapshot.routing.race_after_ms == 100
    assert snapshot.routing.retry_budget_floor == 3
    assert (snapshot.timeouts.connect, snapshot.timeouts.commit_hold, snapshot.timeouts.idle) == (2.0, 0.0, 120.0)
    assert (snapshot.limits.header_bytes, snapshot.limits.client_idle_seconds) == (32768, 5.5)


@pytest.mark.parametrize("closed", ["data = ['127.0.0.1:1', 'unix:/x']", "data = 'localhost:1'", "open = true"])
def test_a_node_with_credentials_may_listen_here_or_be_declared_open(closed: str) -> None:
    beyond = "" if "data" in closed else "data = '0.0.0.0:8080'\n"
    accepted(f"[listen]\n{closed}\n{beyond}[[provider]]\nid = 'openai'\ncredential = 'env:K'\n", K="k")


def test_local_pools() -> None:
    snapshot = accepted(
        """
        [[pool]]
        id = "gpu-1"
        url = "http://10.0.0.7:8000"
        engine = "vllm"
        models = { qwen = "Qwen/Qwen3-32B" }
        queue_seconds = 2
        credential = "env:KEY"
        [[pool]]
        id = "gpu-2"
        url = "https://gpu.internal/llm/"
        models = ["qwen", "bge-m3"]
        [[pool]]
        id = "any"
        url = "http://localhost:1"
        [[model]]
        name = "gpt-4.1"
        provider = "openai"
        fallback = ["local/qwen"]
        [[model]]
        name = "o3"
        provider = "openai"
        fallback = []
        [routing]
        local = "sensitive-only"
        local_model = "whatever-its-server-lists"
        """,
        KEY="k",
    )
    one, two, three = snapshot.pools
    assert (one.host, one.port, one.tls, one.engine, one.queue) == ("10.0.0.7", 8000, False, "vllm", 2.0)
    assert one.models == (("qwen", "Qwen/Qwen3-32B"),)
    assert one.credential is not None
    assert (two.base_path, two.tls, two.models) == ("/llm", True, (("qwen", "qwen"), ("bge-m3", "bge-m3")))
    assert (three.models, three.engine) == (None, "openai")
    assert [model.fallback for model in snapshot.models] == [("qwen",), ()]
    assert (snapshot.routing.local, snapshot.routing.local_model) == ("sensitive-only", "whatever-its-server-lists")


def test_operators_and_where_their_state_is_kept() -> None:
    snapshot = accepted(
        "[node]\nstate_dir = 'state'\n[[admin_key]]\nid = 'ann'\nkey = 'env:ANN'\nrole = 'operator'\n"
        f"[[admin_key]]\nid = 'bob'\nsha256 = '{'AB' * 32}'\n",
        ANN="fla-1",
    )
    assert snapshot.node.state_dir == "/etc/farline/state"
    ann, bob = snapshot.admin_keys
    assert ann == AdminKey("ann", hashlib.sha256(b"fla-1").hexdigest(), "operator")
    assert bob == AdminKey("bob", "ab" * 32, "viewer")
