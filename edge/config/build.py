"""From the fields of each section to the model's values. What needs more than one key of an entry is checked here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from edge.config.fault import KeyPath, shown
from edge.config.hosts import resembled
from edge.config.kinds import IDENTIFIER
from edge.config.model import (
    Address,
    AdminKey,
    Alert,
    ClientKey,
    EdgePeer,
    Endpoint,
    Model,
    Pool,
    Price,
    Provider,
    Relay,
)
from edge.config.places import Url, is_private
from edge.config.presets import CARRIED, DIALECTS, preset
from edge.config.reading import STAND_IN, Key, Reading
from edge.config.sections import ADMIN_KEY, ALERT_RULE, EDGE, ENDPOINT, KEY, LINE, MODEL, POOL, PRICE, PROVIDER, RELAY
from health.alert_rules import DEFAULTS, changed, default
from health.alerts import Rule
from transport.path import DIRECT, LOCAL, Line, Protocol

Entry = tuple[KeyPath, Mapping[str, object]]
RESERVED = ("v1", "v1beta", "v1alpha")  # first path segments of the routes that have no provider prefix


def line(reading: Reading, entry: Entry) -> Line:
    """[[line]]"""
    path, table = entry
    fields = reading.fields(path, table, LINE)
    exits = [name for name in ("source", "interface", "proxy") if name in table]
    if len(exits) > 1:
        reading.fault((*path, exits[1]), f"is set beside {exits[0]}", "one of source, interface, proxy, or none")
    if fields.get("id") == LOCAL:
        reading.fault((*path, "id"), f"{shown(LOCAL)} stands for the local pool", "another id")
    return Line(**_named(fields, "id", path))


def model(reading: Reading, entry: Entry) -> Model:
    """[[model]]"""
    path, table = entry
    fields = reading.fields(path, table, MODEL)
    return Model(**_named(_named(fields, "name", path), "provider", path))


def pool(reading: Reading, entry: Entry) -> Pool:
    """[[pool]]"""
    path, table = entry
    fields = _named(reading.fields(path, table, POOL), "id", path)
    url: Url | None = fields.pop("url", None)
    if url is None:
        return Pool(**fields, url="", host="", port=0, tls=False)
    if url.path.endswith("/v1"):
        reading.fault((*path, "url"), "ends in /v1, which every request brings along", "the url without /v1")
    return Pool(url=url.text, host=url.host, port=url.port, tls=url.scheme == "https", base_path=url.path, **fields)


def price(reading: Reading, entry: Entry) -> Price:
    """[[price]]"""
    path, table = entry
    missing = {"input_per_million": 0.0, "output_per_million": 0.0}  # said already
    return Price(**_named({**missing, **reading.fields(path, table, PRICE)}, "model", path))


def client_key(reading: Reading, entry: Entry) -> ClientKey:
    """[[key]]"""
    return ClientKey(**_key_fields(reading, entry, KEY))


def admin_key(reading: Reading, entry: Entry) -> AdminKey:
    """[[admin_key]]"""
    return AdminKey(**_key_fields(reading, entry, ADMIN_KEY))


def relay(reading: Reading, entry: Entry) -> Relay:
    """[[relay]]"""
    path, table = entry
    fields = reading.fields(path, table, RELAY)
    if fields.get("id") == DIRECT:
        reading.fault((*path, "id"), f"{shown(DIRECT)} stands for no relay at all", "another id")
    return Relay(**_named({"address": Address("", 0), "fingerprint": "", **fields}, "id", path))


def edge_peer(reading: Reading, entry: Entry) -> EdgePeer:
    """[[edge]]"""
    path, table = entry
    return EdgePeer(**_named({"fingerprint": "", **reading.fields(path, table, EDGE)}, "id", path))


def _key_fields(reading: Reading, entry: Entry, keys: tuple[Key, ...]) -> dict[str, Any]:
    """The digest of a key stands in the file, or is made from a key that stands elsewhere."""
    path, table = entry
    fields = reading.fields(path, table, keys)
    if ("sha256" in table) == ("key" in table):
        reading.fault(path, "has both sha256 and key" if "key" in table else "has no sha256", "one of sha256, key")
    digest = fields.pop("key", "")
    return _named({"sha256": digest, **fields}, "id", path)


def provider(reading: Reading, entry: Entry) -> Provider:
    """[[provider]]: one whose id is a preset's inherits the dialect, and the endpoints if it has none of its own."""
    path, table = entry
    fields = _named(reading.fields(path, table, PROVIDER), "id", path)
    if fields["id"] in RESERVED:
        reading.fault((*path, "id"), f"{shown(fields['id'])} is the start of a route", "another id")
    known = preset(fields["id"])
    if known is None and "dialect" not in table:
        reading.fault(path, "dialect is missing", " | ".join(f'"{word}"' for word in DIALECTS))
    dialect = fields.setdefault("dialect", known.dialect if known else "generic")
    fields["endpoints"] = _endpoints(reading, fields["id"], dialect, fields.pop("endpoint", []))
    if "endpoint" not in table:
        fields["endpoints"] = known.endpoints if known else ()
    if not fields["endpoints"] and not table.get("endpoint"):
        reading.fault(path, "has no endpoint", "[[provider.endpoint]] with a url")
    return Provider(**fields)


def _endpoints(reading: Reading, owner: str, dialect: str, entries: list[Entry]) -> tuple[Endpoint, ...]:
    drafts = [(path, reading.fields(path, table, ENDPOINT)) for path, table in entries]
    regions = Counter(fields.get("region") for _, fields in drafts)
    found: list[Endpoint] = []
    for number, (path, fields) in enumerate(drafts, 1):
        url: Url | None = fields.pop("url", None)
        fields.setdefault("id", _endpoint_id(owner, number, len(drafts), fields.get("region"), regions))
        if url is not None:
            _check_url(reading, path, dialect, url)
            _check_protocols(reading, path, url, fields)
            found.append(_endpoint(owner, url, fields))
        else:  # kept, so that nothing else is said to be missing because of it
            found.append(Endpoint(**fields, provider=owner, url="", host="", port=0, tls=True))
    return tuple(found)


def _endpoint(owner: str, url: Url, fields: dict[str, Any]) -> Endpoint:
    return Endpoint(
        provider=owner,
        url=url.text,
        host=url.host,
        port=url.port,
        tls=url.scheme == "https",
        base_path=url.path,
        **fields,
    )


def _endpoint_id(owner: str, number: int, count: int, region: str | None, regions: Counter[str | None]) -> str:
    """The provider's id; with several endpoints, and its region where that tells them apart, else its number."""
    if count == 1:
        return owner
    named = f"{owner}-{region}"
    return named if region and regions[region] == 1 and IDENTIFIER.fullmatch(named) else f"{owner}-{number}"


def _check_url(reading: Reading, path: KeyPath, dialect: str, url: Url) -> None:
    carried = [end for end in CARRIED[dialect] if url.path.endswith(end)]
    if carried:
        kept = url.text.removesuffix(max(carried, key=len))
        reading.fault((*path, "url"), f"ends in {max(carried, key=len)}, which requests bring along", shown(kept))
    lookalike = None if dialect == "generic" or is_private(url.host) else resembled(url.host)
    if lookalike is not None:
        reading.fault(
            (*path, "url"), f"{shown(url.host)} is easily mistaken for {lookalike}", "the provider's own host"
        )


def _check_protocols(reading: Reading, path: KeyPath, url: Url, fields: dict[str, Any]) -> None:
    """Plain http negotiates nothing: HTTP/1.1 unless the file says otherwise, and never HTTP/3 (RFC 9114 §3.1)."""
    if url.scheme == "http" and Protocol.H3 in fields.setdefault("protocols", (Protocol.H1,)):
        reading.fault((*path, "protocols"), "h3 needs an https:// url", '["http/1.1"], or ["h2"]')


def alert(reading: Reading, fields: dict[str, Any]) -> Alert:
    """[alert]: the built-in rules, changed or joined by those of the file."""
    rules = {rule.id: rule for rule in DEFAULTS}
    seen: set[str] = set()
    for path, table in fields.pop("rules", ()):
        own = reading.fields(path, table, ALERT_RULE)
        name = own.pop("id", None)
        if name in seen:
            reading.fault((*path, "id"), f"{shown(name)} is there twice", "id that no other has")
        elif name is not None and not own.pop("enabled", True):
            rules.pop(name, None)
        elif name is not None and (rule := _rule(reading, path, name, own)) is not None:
            rules[name] = rule
        seen.add(name or "")
    return Alert(**fields, rules=tuple(rules.values()))


def _rule(reading: Reading, path: KeyPath, name: str, fields: dict[str, Any]) -> Rule | None:
    """A built-in rule's changes, or a rule of one's own, which must say everything that it has no default for."""
    known = default(name)
    if known is not None:
        if fields.get("measure", known.measure) is not known.measure:
            reading.fault((*path, "measure"), f"{name} judges {known.measure.value}", "an id of its own")
        return changed(known, fields)
    missing = [key for key in ("measure", "threshold", "clear") if not reading.has((*path, key))]
    for key in missing:
        reading.fault(path, f"{key} is missing", f"{key}, or the id of a built-in rule")
    if missing or not {"measure", "threshold", "clear"} <= fields.keys():
        return None
    return Rule(id=name, **fields)


def _named(fields: dict[str, Any], key: str, path: KeyPath) -> dict[str, Any]:
    """With a stand-in where the name is missing or wrong, which is a fault already."""
    return {key: f"{STAND_IN}{path[-1]}", **fields}
