"""The admin API over a real listener: every route, who may, what is refused, and that replies are as documented."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic, time
from typing import Any

import aiohttp
import pytest
from jsonschema import Draft202012Validator

from edge.app import Node
from edge.control.peers import Peers
from edge.control.rate import Rates
from edge.control.routes import ROUTES, openapi
from edge.control.times import rfc3339
from edge.routing.controls import Switch
from tests.support.nodes import LINES, Lines
from tests.support.nodes import node as running

PROVIDER = '[[provider]]\nid = "openai"\n[[provider.endpoint]]\nurl = "http://127.0.0.1:9"\n'
TEXT = f'[listen]\ndata = ["127.0.0.1:0"]\nadmin = "127.0.0.1:0"\n{Lines(LINES).toml()}{PROVIDER}'
TOKENS = {"viewer": "fla-v", "operator": "fla-o", "admin": "fla-a"}
JSON = {"accept": "application/json"}


class Client:
    """Asks a node's admin API; checks each reply against its schema."""

    def __init__(self, node: Node, session: aiohttp.ClientSession) -> None:
        assert node.admin.bound is not None
        self.node = node
        self.url = f"http://127.0.0.1:{node.admin.bound[1]}"
        self.session = session

    async def ask(
        self, method: str, path: str, body: object = None, *, status: int = 200, headers: dict[str, str] | None = None
    ) -> Any:
        sent = {**JSON, **(headers or {})}
        async with self.session.request(method, self.url + path, json=body, headers=sent) as reply:
            told = await reply.json(content_type=None)
            assert reply.status == status, told
            assert reply.headers["cache-control"] == "no-store"
            if status >= 400:
                assert reply.content_type == "application/problem+json"
                assert told["status"] == status
            _check(method, path, status, told)
            return told


def _check(method: str, path: str, status: int, told: object) -> None:
    """Is the reply what the OpenAPI document says of the route?"""
    document = openapi("x")
    for route in ROUTES:
        if route.method == method and _fits(route.path, path.partition("?")[0]):
            name = "Problem" if status >= 400 else route.reply
            schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
            Draft202012Validator(schema).validate(told)
            return


def _fits(pattern: str, path: str) -> bool:
    wanted, given = pattern.split("/"), path.split("/")
    return len(wanted) == len(given) and all(one in (two, "{id}") for one, two in zip(wanted, given, strict=True))


@asynccontextmanager
async def client_of(text: str) -> AsyncIterator[Client]:
    async with running(text) as node, aiohttp.ClientSession() as session:
        yield Client(node, session)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with client_of(TEXT) as made:
        yield made


@pytest.fixture
async def keyed() -> AsyncIterator[Client]:
    keys = "".join(
        f'[[admin_key]]\nid = "{role}-1"\nrole = "{role}"\nsha256 = "{hashlib.sha256(token.encode()).hexdigest()}"\n'
        for role, token in TOKENS.items()
    )
    async with client_of(TEXT + keys) as made:
        yield made


def bearer(role: str) -> dict[str, str]:
    return {"authorization": f"Bearer {TOKENS[role]}"}


def line_of(told: Any, id: str = "cn2") -> Any:
    return next(each for each in told["lines"] if each["id"] == id)


async def test_the_document_is_served_and_names_what_is_served(client: Client) -> None:
    told = await client.ask("GET", "/api/openapi.json")
    assert told["paths"].keys() == {route.path for route in ROUTES}


async def test_every_route_that_only_looks(client: Client) -> None:
    looked = set()
    for route in ROUTES:
        if route.method == "GET" and "{id}" not in route.path:
            await client.ask("GET", route.path)
            looked.add(route.path)
    assert len(looked) == len([route for route in ROUTES if route.method == "GET" and "{id}" not in route.path])
    line = await client.ask("GET", "/api/v1/lines/cu2")
    assert (line["id"], line["way"], line["switch"]) == ("cu2", LINES["cu2"], "on")
    (node,) = (await client.ask("GET", "/api/v1/nodes"))["nodes"]
    assert (node["persistence"], node["workers"]) == ("memory", {"expected": 1, "answering": [0]})
    assert (await client.ask("GET", "/api/v1/paths"))["paths"][0]["path"] == "cn2/direct/openai"
    assert (await client.ask("GET", "/api/v1/endpoints"))["endpoints"][0]["url"] == "http://127.0.0.1:9"
    assert (await client.ask("GET", "/api/v1/config"))["lines"][0]["id"] == "cn2"


async def test_history_scores_and_what_if(client: Client) -> None:
    history = client.node.history
    cell = history.recorder._cell("lines:cn2")
    cell.sent, cell.lost, cell.cost = 10, 1, 0.5
    history.recorder._cell("paths:cn2/direct/openai").sent = 10
    await history.turn(int(time()) - 1)
    for span in ("10m", "3h", "today"):
        sums = (await client.ask("GET", f"/api/v1/history/lines?span={span}"))["sums"]
        assert (sums["cn2"]["loss"], sums["cn2"]["cost"]) == (0.1, 0.5), span
    told = await client.ask("GET", "/api/v1/history/lines/cn2?span=10m")
    assert told["series"]["cn2"]["loss"] == [0.1]
    assert (await client.ask("GET", "/api/v1/history/lines?span=10m&series=true"))["series"].keys() >= {"cn2"}
    path = await client.ask("GET", "/api/v1/history/paths/cn2%2Fdirect%2Fopenai?span=1d")
    assert path["series"].keys() == {"cn2/direct/openai"}
    relay = history.recorder._cell("relays:sjc")
    relay.useful, relay.streamed, relay.suspicions = 100, 180, 2
    await history.turn(int(time()) - 1)
    assert (await client.ask("GET", "/api/v1/history/relays?span=10m"))["sums"]["sjc"]["redundancy"] == 1.8
    told = await client.ask("GET", "/api/v1/history/relays/sjc?span=10m")
    assert told["series"]["sjc"]["suspicions"] == [2]
    await client.ask("GET", "/api/v1/history/relays/fra", status=404)
    await client.ask("GET", "/api/v1/history/endpoints/nobody", status=404)
    for wrong in ("lines?span=2h", "lines?span=today&series=true", "lines/cn2?span=today", "events?span=x"):
        await client.ask("GET", f"/api/v1/history/{wrong}", status=400)
    await client.ask("PATCH", "/api/v1/lines/cn2", {"weight": 50})
    (event,) = (await client.ask("GET", "/api/v1/history/events?type=control"))["events"]
    assert (event["action"], event["target"]) == ("set line", "cn2")
    ranked = await client.ask("GET", "/api/v1/ranking?priority=batch")
    assert ranked["scores"].keys() == {"cn2", "cu2", "cmi"}
    assert len(ranked["ranking"]["paths"]) == 3
    await client.ask("GET", "/api/v1/ranking?provider=x", status=400)
    await client.ask("GET", "/api/v1/ranking?priority=x", status=400)
    replayed = await client.ask("POST", "/api/v1/what-if", {"policy": "weighted"})
    assert (replayed["since"], replayed["then"]["requests"], replayed["workers"]) == (None, 0, [0])
    await client.ask("POST", "/api/v1/what-if", {"lines": {"nobody": {"weight": 1}}}, status=404)


async def test_the_console_is_served_with_its_policy_and_by_tags(client: Client) -> None:
    async with client.session.get(client.url + "/") as page:
        assert (page.status, page.content_type) == (200, "text/html")
        assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert 'src="console/app.js"' in await page.text()
    async with client.session.get(client.url + "/console/app.js", headers={"accept-encoding": "identity"}) as script:
        assert (script.status, script.content_type) == (200, "text/javascript")
        tag = script.headers["etag"]
    async with client.session.get(client.url + "/console/app.js", headers={"if-none-match": tag}) as again:
        assert again.status == 304
    for wrong in ("/console/nothing.js", "/console/../files.py", "/console/%2e%2e/files.py"):
        async with client.session.get(client.url + wrong) as reply:
            assert reply.status == 404


async def test_a_change_is_in_effect_when_its_reply_comes(client: Client) -> None:
    applied = await client.ask("PATCH", "/api/v1/lines/cn2", {"weight": 50})
    assert (applied["version"], applied["workers"], applied["failed"], applied["not_saved"]) == (1, [0], {}, "")
    assert applied["line"]["weight"] == {"configured": 100.0, "override": 50.0, "effective": 50.0}
    assert client.node.pipeline.controls.line("cn2").weight == 50.0
    drained = await client.ask("POST", "/api/v1/lines/cn2/drain", {})
    assert (drained["line"]["switch"], drained["line"]["weight"]["effective"]) == ("draining", 0.0)
    assert client.node.pipeline.controls.switch("cn2", 0.0) is Switch.DRAINING
    await client.ask("POST", "/api/v1/lines/cn2/undrain", {})
    again = await client.ask("PATCH", "/api/v1/lines/cn2", {"weight": None})
    assert again["line"]["weight"]["effective"] == 100.0
    assert client.node.pipeline.controls.lines == {}


async def test_pins_windows_and_reset(client: Client) -> None:
    await client.ask("PUT", "/api/v1/pins", {"subject": "provider:openai", "line": "cmi"})
    assert (await client.ask("GET", "/api/v1/pins"))["pins"] == [{"subject": "provider:openai", "line": "cmi"}]
    await client.ask("POST", "/api/v1/maintenance", {"line": "cu2", "minutes": 5, "note": "4711"}, status=201)
    (window,) = (await client.ask("GET", "/api/v1/maintenance"))["maintenance"]
    assert (window["state"], window["note"]) == ("active", "4711")
    line = await client.ask("GET", "/api/v1/lines/cu2")
    assert (line["switch"], line["in_effect"], line["maintenance"][0]["id"]) == ("on", "draining", window["id"])
    assert (await client.ask("GET", "/api/v1/controls"))["version"] == 2
    await client.ask("DELETE", f"/api/v1/maintenance/{window['id']}")
    await client.ask("DELETE", "/api/v1/pins?subject=provider:openai")
    await client.ask("DELETE", "/api/v1/pins?subject=provider:openai", status=404)
    await client.ask("PATCH", "/api/v1/lines/cn2", {"weight": 1})
    await client.ask("DELETE", "/api/v1/controls")
    assert (await client.ask("GET", "/api/v1/controls"))["lines"] == {}


async def test_a_preview_changes_nothing(client: Client) -> None:
    body = {"lines": {"cn2": {"switch": "off"}, "cu2": {"weight": 0}}, "provider": "openai", "priority": "batch"}
    told = await client.ask("POST", "/api/v1/preview", body)
    assert told["then"]["cn2"] == 0.0
    assert told["then"]["cmi"] > told["now"]["cmi"]
    assert sum(told["then"].values()) == pytest.approx(1.0)
    assert client.node.pipeline.controls.version == 0
    await client.ask("POST", "/api/v1/preview", {"lines": {}, "provider": "x"}, status=400)
    await client.ask("POST", "/api/v1/preview", {"lines": {"x": {"weight": 1}}}, status=404)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("GET", "/api/v1/lines/cn3", None, 404, 'no line "cn3"; there is cn2, cu2, cmi'),
        ("PATCH", "/api/v1/lines/cn3", {"weight": 1}, 404, "no line"),
        ("POST", "/api/v1/lines/cn3/drain", {}, 404, "no line"),
        ("PATCH", "/api/v1/lines/cn2", {"weight": -1}, 400, "-1 is no weight"),
        ("PATCH", "/api/v1/lines/cn2", {"wieght": 1}, 400, "unknown; expected weight, switch, force"),
        ("PATCH", "/api/v1/lines/cn2", [], 400, "not a JSON object"),
        ("PUT", "/api/v1/pins", {"subject": "x", "line": "cn2"}, 400, "no subject"),
        ("POST", "/api/v1/maintenance", {"line": "cn2"}, 400, "one of ends, minutes"),
        ("DELETE", "/api/v1/maintenance/x", None, 404, "no maintenance window"),
        ("GET", "/api/v1/requests?limit=0", None, 400, "limit"),
        ("GET", "/api/v1/requests/nope", None, 404, "no request of that id"),
        ("GET", "/api/v1/events?since=x", None, 400, "since"),
        ("GET", "/api/v1/audit?limit=9999", None, 400, "limit"),
        ("GET", "/api/v1/nothing", None, 404, "Not Found"),
        ("PUT", "/api/v1/lines", {}, 405, "Method Not Allowed"),
        ("OPTIONS", "/api/v1/lines", None, 405, "Method Not Allowed"),
    ],
)
async def test_what_cant_be_done_is_a_problem(
    client: Client, method: str, path: str, body: object, status: int, said: str
) -> None:
    assert said in (await client.ask(method, path, body, status=status))["detail"]
    assert client.node.pipeline.controls.version == 0


async def test_the_last_line_must_be_forced(client: Client) -> None:
    for line in ("cn2", "cu2"):
        await client.ask("POST", f"/api/v1/lines/{line}/drain", {})
    told = await client.ask("POST", "/api/v1/lines/cmi/drain", {}, status=409)
    assert told["errors"][0]["pointer"] == "/switch"
    await client.ask("POST", "/api/v1/lines/cmi/drain", {"force": True})


async def test_a_body_that_is_no_json_or_too_long(client: Client) -> None:
    headers = {"content-type": "application/json"}
    for data, status in ((b"{", 400), (b" " * 100_000, 413)):
        async with client.session.patch(client.url + "/api/v1/lines/cn2", data=data, headers=headers) as reply:
            assert (reply.status, (await reply.json(content_type=None))["status"]) == (status, status)


async def test_pages_and_forms_of_others_change_nothing(client: Client) -> None:
    async def status(**headers: str) -> int:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        body = json.dumps({"weight": 1})
        async with client.session.patch(client.url + "/api/v1/lines/cn2", data=body, headers=sent) as reply:
            return reply.status

    assert await status(content_type="text/plain") == 415
    assert await status(content_type="application/json", origin="https://evil.example") == 403
    assert await status(content_type="application/json", origin="null") == 403
    assert await status(content_type="application/json", host="evil.example") == 421
    assert await status(content_type="application/json", x_forwarded_for="10.0.0.9") == 403
    assert client.node.pipeline.controls.version == 0
    assert await status(content_type="application/json", origin=client.url) == 200


async def test_health_and_metrics_need_no_token(keyed: Client) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        async with keyed.session.get(keyed.url + path) as reply:
            assert reply.status == 200
    async with keyed.session.get(keyed.url + "/internal/controls") as reply:
        assert reply.status == 404


async def test_a_node_on_its_own_publishes_nothing(client: Client) -> None:
    assert (await client.ask("GET", "/api/v1/config/versions"))["channel"] is None
    large = {"text": "# " + "x" * 100_000, "channel": "a"}
    for method, path, body in (
        ("GET", "/api/v1/config/versions?channel=a", None),
        ("GET", "/api/v1/config/versions/3?channel=a", None),
        ("POST", "/api/v1/config/versions", large),
    ):
        assert "on its own" in (await client.ask(method, path, body, status=409))["detail"]
    assert "either text, or again" in (await client.ask("POST", "/api/v1/config/versions", {}, status=400))["detail"]


async def test_every_route_asks_for_its_role(keyed: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody without a token, nobody with a lesser role."""
    monkeypatch.setattr(Rates, "wait", lambda *_: 0.0)
    order = list(TOKENS)
    for route in ROUTES:
        path = route.path.replace("{id}", "cn2")
        body = {} if route.method in ("PATCH", "PUT", "POST") else None
        told = await keyed.ask(route.method, path, body, status=401)
        assert "admin_key" in told["detail"]
        for role in order[: order.index(route.role.value)]:
            await keyed.ask(route.method, path, body, status=403, headers=bearer(role))
    assert keyed.node.pipeline.controls.version == 0


async def test_who_did_it_is_in_the_audit_log(keyed: Client) -> None:
    person = {"x-farline-operator": "ann"}
    await keyed.ask("PATCH", "/api/v1/lines/cn2", {"weight": 5}, headers={**bearer("operator"), **person})
    await keyed.ask("PATCH", "/api/v1/lines/cn2", {"weight": 5}, headers=bearer("operator"))  # changes nothing
    await keyed.ask("PATCH", "/api/v1/lines/cn2", {"weight": -5}, headers=bearer("operator"), status=400)
    (entry,) = (await keyed.ask("GET", "/api/v1/audit", headers=bearer("admin")))["entries"]
    assert entry.pop("at").endswith("Z")
    assert entry == {
        "who": "operator-1",
        "role": "operator",
        "from": "127.0.0.1",
        "person": "ann",
        "action": "set line",
        "target": "cn2",
        "version": 1,
        "before": {"lines": {"cn2": None}},
        "after": {"lines": {"cn2": {"weight": 5.0, "switch": "on"}}},
    }


async def test_wrong_tokens_and_eager_callers_are_slowed_down(keyed: Client) -> None:
    statuses = [await _status(keyed, {"authorization": "Bearer wrong"}) for _ in range(30)]
    assert set(statuses) == {401, 429}
    assert await _status(keyed, bearer("viewer")) == 200
    eager = await asyncio.gather(*(_status(keyed, bearer("viewer")) for _ in range(150)))
    assert set(eager) == {200, 429}
    assert await _status(keyed, bearer("operator")) == 200


async def _status(client: Client, headers: dict[str, str]) -> int:
    async with client.session.get(client.url + "/api/v1/pins", headers=headers) as reply:
        assert (reply.status == 429) == ("retry-after" in reply.headers)
        return reply.status


async def test_events_come_as_they_happen(client: Client) -> None:
    async with client.session.get(client.url + "/api/v1/events") as stream:
        assert stream.content_type == "text/event-stream"
        await client.ask("PATCH", "/api/v1/lines/cn2", {"weight": 5})
        id, event = await asyncio.wait_for(_next_event(stream), 10)
    assert (event["type"], event["action"], event["target"]) == ("control", "set line", "cn2")
    await client.ask("PATCH", "/api/v1/lines/cn2", {"weight": 6})
    headers = {"last-event-id": id}
    async with client.session.get(client.url + "/api/v1/events?type=control", headers=headers) as stream:
        _, missed = await asyncio.wait_for(_next_event(stream), 10)
    assert missed["after"]["lines"]["cn2"]["weight"] == 6.0
    told = await client.ask("GET", f"/api/v1/events?since={id}")
    assert [each["id"] for each in told["events"]] == [told["last"]] == [missed["id"]]
    assert (await client.ask("GET", "/api/v1/events?type=reload"))["events"] == []


async def _next_event(stream: aiohttp.ClientResponse) -> tuple[str, Any]:
    fields: dict[str, str] = {}
    async for raw in stream.content:
        name, _, value = raw.decode().strip().partition(": ")
        if name:
            fields[name] = value
        elif "data" in fields:
            return fields["id"], json.loads(fields["data"])
    raise AssertionError("the stream ended")


async def test_changes_of_health_are_events(client: Client) -> None:
    class Change:
        at, kind, id, before, after, reason = monotonic() - 5, "line", "cn2", "admitted", "ejected", "silent"

    client.node.admin.events.health(Change())
    (event,) = (await client.ask("GET", "/api/v1/events"))["events"]
    assert (event["type"], event["subject"], event["after"], event["reason"]) == ("health", "cn2", "ejected", "silent")
    assert event["at"] < rfc3339(time() - 4)


async def test_streams_end_with_the_node_and_when_keys_change(tmp_path: Path) -> None:
    async with client_of(TEXT) as client:
        async with client.session.get(client.url + "/api/v1/events") as stream:
            assert await stream.content.readline() == b": farline events\n"
            source = Path(str(client.node.snapshot.source))
            token = hashlib.sha256(b"fla-new").hexdigest()
            source.write_text(TEXT + f'[[admin_key]]\nid = "new"\nrole = "admin"\nsha256 = "{token}"\n')
            await asyncio.wait_for(stream.read(), 10)
        await client.ask("GET", "/api/v1/pins", status=401)
        headers = {"authorization": "Bearer fla-new"}
        (entry,) = (await client.ask("GET", "/api/v1/audit", headers=headers))["entries"]
        assert (entry["action"], entry["who"]) == ("reload", "node")
        source.write_text("x = 1\n")
        entries = [entry]
        while len(entries) < 2:
            await asyncio.sleep(0.1)
            entries = (await client.ask("GET", "/api/v1/audit", headers=headers))["entries"]
        assert entries[0]["action"] == "reload refused"
        assert "x: is unknown" in entries[0]["faults"][0]
        open_stream = await client.session.get(client.url + "/api/v1/events", headers=headers)
        await open_stream.content.readline()
        client.node.stop()
        await asyncio.wait_for(open_stream.read(), 10)


async def test_a_reload_keeps_overrides_but_not_those_of_lines_that_are_gone() -> None:
    async with client_of(TEXT) as client:
        for line in ("cn2", "cmi"):
            await client.ask("PATCH", f"/api/v1/lines/{line}", {"weight": 5})
        Path(str(client.node.snapshot.source)).write_text(TEXT.replace('id = "cmi"', 'id = "new"'))
        async with asyncio.timeout(10):
            while client.node.pipeline.controls.version != 3:
                await asyncio.sleep(0.05)
        assert list(client.node.pipeline.controls.lines) == ["cn2"]
        newest = (await client.ask("GET", "/api/v1/audit"))["entries"][0]
        assert (newest["who"], newest["action"], newest["target"]) == ("node", "lines gone", "cmi")


async def test_controls_outlive_the_node(tmp_path: Path) -> None:
    text = f'[node]\nstate_dir = "{tmp_path}"\n{TEXT}'
    async with client_of(text) as client:
        applied = await client.ask("POST", "/api/v1/lines/cn2/drain", {})
        assert applied["persistence"] == "file"
    async with client_of(text) as client:
        assert line_of(await client.ask("GET", "/api/v1/lines"))["switch"] == "draining"
        (entry,) = (await client.ask("GET", "/api/v1/audit"))["entries"]
        assert entry["action"] == "drain line"
    (line,) = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert json.loads(line) == entry


async def test_a_change_that_cant_be_saved_is_in_effect_and_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with client_of(f'[node]\nstate_dir = "{tmp_path / "file"}"\n{TEXT}') as client:
        applied = await client.ask("POST", "/api/v1/lines/cn2/drain", {})
        assert "file" in applied["not_saved"]
        assert applied["line"]["switch"] == "draining"
        assert (await client.ask("GET", "/api/v1/audit"))["entries"][0]["not_saved"] == applied["not_saved"]


async def test_a_unix_socket_is_a_local_caller(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    async with running(TEXT.replace('admin = "127.0.0.1:0"', f'admin = "unix:{path}"')):
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session:
            async with session.patch("http://anything/api/v1/lines/cn2", json={"weight": 7}) as reply:
                assert reply.status == 200
            async with session.get("http://anything/api/v1/audit") as reply:
                assert (await reply.json())["entries"][0]["from"] == "unix"


async def test_a_worker_that_isnt_there_is_told(tmp_path: Path) -> None:
    peers = Peers(tmp_path, 0, 2)
    assert await peers.ask("/internal/figures") == {}
    assert await peers.texts("/internal/metrics") == {}
    assert "worker 1 can't be reached" in str((await peers.tell("/internal/controls", {}))[1])


async def test_alerts_are_silenced_for_a_while(client: Client) -> None:
    told = await client.ask("POST", "/api/v1/silences", {"rule": "ttft", "minutes": 5, "note": "ticket"}, status=201)
    assert told["version"] == 1
    silences = (await client.ask("GET", "/api/v1/alerts"))["silences"]
    assert [(each["rule"], each["subject"], each["note"]) for each in silences] == [("ttft", "*", "ticket")]
    assert [each.rule for each in client.node.alerts.book.silences] == ["ttft"]
    await client.ask("POST", "/api/v1/silences", {"rule": "nonsense", "minutes": 5}, status=400)
    await client.ask("DELETE", "/api/v1/silences?rule=ttft")
    await client.ask("DELETE", "/api/v1/silences?rule=ttft", status=404)
    assert client.node.alerts.book.silences == []
