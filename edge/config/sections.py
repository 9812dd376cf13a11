"""Every section of the file and its keys: the one list for the reader, its suggestions and the test of the manual."""

from __future__ import annotations

from dataclasses import replace

from edge.config import caching, certificates, headers, kinds, local, oidc, places, schedule, secret
from edge.config.fault import KeyPath
from edge.config.model import ClassRouting, Timeouts
from edge.config.presets import DIALECTS
from edge.config.reading import Key, Parse, Reading, Wrong
from health.alerts import Measure, Severity
from health.probe import ProbeKind
from health.probing import ProbePolicy
from transport.path import HTTP, Protocol

_BYTES = 2**40
_NAME = kinds.text("a string of 1 to 256 printable characters")
_MEASURE = kinds.choice(*(measure.value for measure in Measure))
_SEVERITY = kinds.choice(*(severity.value for severity in Severity))
_PROBE_KIND = kinds.choice(*(kind.value for kind in ProbePolicy().kinds))
_POLICY = kinds.choice("best", "weighted", "classic", "redundant")
PRIORITIES = ("realtime", "interactive", "batch")
_PROTOCOL = kinds.choice(*(protocol.value for protocol in HTTP))


def _protocol(reading: Reading, path: KeyPath, value: object) -> Protocol:
    return Protocol(_PROTOCOL(reading, path, value))


def _measure(reading: Reading, path: KeyPath, value: object) -> Measure:
    return Measure(_MEASURE(reading, path, value))


def _severity(reading: Reading, path: KeyPath, value: object) -> Severity:
    return Severity(_SEVERITY(reading, path, value))


def _probe_kind(reading: Reading, path: KeyPath, value: object) -> ProbeKind:
    return ProbeKind(_PROBE_KIND(reading, path, value))


def _tables(reading: Reading, path: KeyPath, value: object) -> object:
    return reading.tables(path, value)


def _seconds(name: str, low: float = 0.001, high: float = 86_400.0) -> Key:
    """A key `*_seconds` for a field that has no suffix."""
    return Key(f"{name}_seconds", kinds.number(low, high), name)


NODE = (
    Key("name", kinds.identifier()),
    Key("role", kinds.choice("edge", "relay")),
    Key("key", certificates.node_key),
    Key("region", _NAME),
    Key("location", kinds.coordinates),
    Key("state_dir", places.directory),
    Key("timezone", schedule.timezone),
)
LISTEN = (
    Key("data", places.data_addresses),
    Key("session", places.session_addresses),
    Key("admin", places.admin_address),
    Key("tls", certificates.tls_files),
    Key("workers", kinds.integer(1, 256)),
    Key("open", kinds.flag),
    Key("compress", kinds.choice("auto", "always", "never")),
)
LINE = (
    Key("id", kinds.identifier(), required=True),
    Key("carrier", _NAME),
    Key("source", places.ip_address),
    Key("interface", places.device),
    Key("proxy", places.proxy_url),
    Key("weight", kinds.number(0)),
    Key("capacity_mbps", kinds.number(0)),
    Key("cost_per_gb", kinds.number(0)),
    Key("cost_per_month", kinds.number(0)),
    Key("congestion", kinds.text("a TCP congestion control's name", r"[a-z0-9_]{1,15}")),
    Key("tier", kinds.integer(1, 9)),
    Key("max_mbps", kinds.number(0)),
    Key("avoid", kinds.listing(schedule.window)),
)
PROVIDER = (
    Key("id", kinds.identifier(), required=True),
    Key("dialect", kinds.choice(*DIALECTS)),
    Key("credential", secret.credential),
    Key("on_client_gone", kinds.choice("cancel", "drain", "hold")),
    Key("headers", headers.added_headers),
    Key("request_encoding", kinds.choice("gzip", "zstd", "br")),
    Key("endpoint", _tables),
)
ENDPOINT = (
    Key("id", kinds.identifier()),
    Key("url", places.base_url, required=True),
    Key("region", _NAME),
    Key("protocols", kinds.listing(_protocol, least=1)),
    Key("credential", secret.secret),
    Key("ca_file", certificates.ca_file),
    Key("keep_warm", kinds.integer(0, 1024)),
    Key("max_connections", kinds.integer(1, 65_536)),
    Key("weight", kinds.number(0)),
)
MODEL = (
    Key("name", _NAME, required=True),
    Key("provider", _NAME, required=True),
    Key("upstream", _NAME),
    Key("regions", kinds.listing(_NAME)),
    Key("fallback", kinds.listing(local.fallback)),
)
POOL = (
    Key("id", kinds.identifier(), required=True),
    Key("url", places.base_url, required=True),
    Key("engine", kinds.choice(*local.ENGINES)),
    Key("models", local.models),
    Key("max_in_flight", kinds.integer(1, 65_536)),
    Key("queue_seconds", kinds.number(0, 600), "queue"),
    Key("context_tokens", kinds.integer(128)),
    Key("credential", secret.secret),
    Key("ca_file", certificates.ca_file),
    Key("weight", kinds.number(0.001)),
    Key("poll_seconds", kinds.number(0.05, 60), "poll"),
    Key("warm_up", kinds.flag),
)
KEY = (
    Key("id", kinds.identifier(), required=True),
    Key("sha256", secret.sha256),
    Key("key", secret.key_digest),
    Key("providers", kinds.listing(_NAME)),
    Key("models", kinds.listing(_NAME)),
    Key("regions", kinds.listing(_NAME)),
    Key("may_choose_line", kinds.flag),
    Key("max_in_flight", kinds.integer(0, 10**6)),
    Key("data_class", kinds.choice("sensitive")),
    Key("zero_retention", kinds.flag),
)
ADMIN_KEY = (
    Key("id", kinds.identifier(), required=True),
    Key("sha256", secret.sha256),
    Key("key", secret.key_digest),
    Key("role", kinds.choice("viewer", "operator", "admin")),
)
_CLAIMED = kinds.listing(_NAME)
ADMIN_OIDC = (
    Key("issuer", oidc.issuer),
    Key("audience", kinds.listing(_NAME)),
    Key("client_id", _NAME),
    Key("client_secret", secret.secret),
    Key("console_url", oidc.console_url),
    Key("scopes", kinds.listing(kinds.text("a scope", r"[!#-\[\]-~]{1,128}"), least=1)),
    Key("role_claim", _NAME),
    *(Key(role, _CLAIMED) for role in ("viewer", "operator", "admin")),
    Key("algorithms", kinds.listing(kinds.choice(*oidc.ALGORITHMS), least=1)),
    _seconds("leeway", 0, 300),
    _seconds("jwks", 10, 86_400),
    _seconds("session", 60, 604_800),
    Key("ca_file", certificates.ca_file),
)
_RELAY_MODE = kinds.choice("prefer", "equal", "fallback", "off")
CLASS = (
    Key("policy", _POLICY),
    Key("relay", _RELAY_MODE),
    Key("redundancy", kinds.choice("single", "standby", "hot")),
)
RELAY = (
    Key("id", kinds.identifier(), required=True),
    Key("address", places.far_address, required=True),
    Key("fingerprint", secret.fingerprint, required=True),
    Key("lines", kinds.listing(_NAME)),
    Key("redundancy", kinds.choice("standby", "hot", "single")),
    Key("carrier", kinds.choice("auto", "datagram", "tls")),
    Key("providers", kinds.listing(_NAME)),
)
EDGE = (
    Key("id", kinds.identifier(), required=True),
    Key("fingerprint", secret.fingerprint, required=True),
    Key("max_streams", kinds.integer(100, 1_000_000)),
    Key("max_gb_per_day", kinds.number(0, 1e9)),
)


def _classes(reading: Reading, path: KeyPath, value: object) -> tuple[ClassRouting, ...]:
    """[routing.class.NAME] tables."""
    found = []
    for name, table in reading.table(value).items():
        if name not in PRIORITIES:
            reading.unknown((*path, name), PRIORITIES)
            continue
        try:
            fields = reading.fields((*path, name), reading.table(table), CLASS)
        except Wrong as wrong:
            reading.fault((*path, name), wrong.problem, wrong.expected)
            continue
        found.append(ClassRouting(name, **fields))
    return tuple(found)


ROUTING = (
    Key("policy", _POLICY),
    Key("class", _classes, "classes"),
    Key("switch_ratio", kinds.number(0.01, 10)),
    Key("switch_seconds", kinds.number(0, 3600)),
    Key("spill_ratio", kinds.number(0.01, 1)),
    Key("explore_ratio", kinds.number(0, 0.5)),
    Key("sticky", kinds.choice("off", "key", "prefix")),
    Key("relay", _RELAY_MODE),
    Key("race_after_ms", kinds.number(0, 60_000)),
    Key("max_attempts", kinds.integer(1, 16)),
    Key("max_billed_replays", kinds.integer(0, 16)),
    Key("retry_budget_ratio", kinds.number(0, 1)),
    Key("retry_budget_floor_per_second", kinds.number(0), "retry_budget_floor"),
    Key("rescue_on", kinds.choice("suspected", "down")),
    Key("hedge", kinds.choice("off", "free", "all")),
    Key("hedge_budget_ratio", kinds.number(0, 1)),
    Key("local", kinds.choice("last-resort", "sensitive-only", "off")),
    Key("local_model", _NAME),
    Key("drop_late_audio_ms", kinds.number(0, 60_000)),
    Key("local_realtime_rtt_ms", kinds.number(0, 60_000)),
)
TIMEOUT_CLASS = (
    _seconds("first_byte_stream"),
    _seconds("first_byte"),
    _seconds("idle"),
    _seconds("total", high=604_800.0),
)


def _timeout_class(name: str) -> Key:
    """A section in the section: what it doesn't say stays as it is by default."""

    def parse(reading: Reading, path: KeyPath, value: object) -> object:
        return replace(getattr(Timeouts(), name), **reading.fields(path, reading.table(value), TIMEOUT_CLASS))

    return Key(name, parse)


PROBE = (
    Key("enabled", kinds.flag),
    Key("kinds", kinds.listing(_probe_kind)),
    Key("interval_ms", kinds.number(100, 60_000)),
    Key("fast_interval_ms", kinds.number(20, 60_000)),
    Key("connect_interval_ms", kinds.number(100, 3_600_000)),
    Key("request_interval_ms", kinds.number(1_000, 3_600_000)),
    Key("timeout_ms", kinds.number(100, 60_000)),
    Key("budget_per_second", kinds.number(1, 10_000)),
    Key("budget_bytes_per_second", kinds.integer(1_500, 10**8)),
)
TIMEOUTS = (
    _seconds("connect"),
    _seconds("first_byte_stream"),
    _seconds("first_byte"),
    _seconds("idle"),
    _seconds("total", high=604_800.0),
    _seconds("commit_hold", low=0),
    _seconds("keepalive"),
    _seconds("upload_stall"),
    Key("first_byte_adaptive", kinds.flag),
    _seconds("first_byte_floor"),
    Key("idle_adaptive", kinds.flag),
    Key("long_context_bytes", kinds.integer(1, _BYTES)),
    _timeout_class("reasoning"),
    _timeout_class("long_context"),
    _timeout_class("batch"),
)
LIMITS = (
    Key("header_bytes", kinds.integer(1024, 16 * 1024**2)),
    Key("body_bytes", kinds.integer(0, _BYTES)),
    Key("replay_bytes", kinds.integer(0, _BYTES)),
    *(Key(f"client_{part}_seconds", kinds.number(0.001, 86_400)) for part in ("header", "body", "idle", "write")),
    Key("drain_seconds", kinds.number(0, 86_400)),
    Key("max_connections", kinds.integer(1, 10**7)),
    Key("max_in_flight", kinds.integer(1, 10**7)),
    Key("queue_seconds", kinds.number(0, 86_400)),
    Key("queue_requests", kinds.integer(0, 10**6)),
    Key("resume_seconds", kinds.number(0, 3600), "resume"),
    Key("resume_bytes", kinds.integer(0, _BYTES)),
)
HEALTH = (
    Key("consecutive_failures", kinds.integer(1, 1000)),
    Key("base_ejection_seconds", kinds.number(0.05, 3600)),
    Key("longest_ejection_seconds", kinds.number(0.05, 86_400)),
    Key("forgiveness_seconds", kinds.number(0, 86_400)),
    Key("probation_successes", kinds.integer(1, 100)),
    Key("flap_window_seconds", kinds.number(0, 86_400)),
    Key("least_success_ratio", kinds.number(0, 1)),
    Key("least_volume", kinds.integer(1, 10**6)),
    Key("highest_rtt_ms", kinds.number(1, 60_000)),
    Key("most_ejected_ratio", kinds.number(0, 1)),
    Key("suspicion_margin_ms", kinds.number(0, 10_000)),
    Key("false_alarms_per_hour", kinds.number(0.000001, 1000)),
    Key("longest_silence_ms", kinds.number(100, 600_000)),
)
CACHE = (
    Key("store", caching.store),
    Key("memory_mb", kinds.number(0, 2**20)),
    Key("disk_mb", kinds.number(1, 2**24)),
    Key("secret", caching.secret),
    Key("redis_password", secret.secret),
    Key("redis_ca_file", certificates.ca_file),
    Key("lookup_ms", kinds.number(1, 10_000)),
    Key("single_flight", kinds.flag),
    Key("shared_flights", kinds.flag),
    Key("replay", kinds.choice("fast", "original")),
    Key("embedder", caching.embedder),
    Key("embedder_model", kinds.text("a model's name")),
    Key("embedder_key", secret.secret),
    Key("embedder_ms", kinds.number(10, 60_000)),
    Key("default_rules", kinds.flag),
    Key("rule", _tables),
)


ALERT = (
    Key("sinks", kinds.listing(secret.secret)),
    Key("evaluate_seconds", kinds.number(0.1, 3600)),
    Key("wait_seconds", kinds.number(0, 3600)),
    Key("interval_seconds", kinds.number(0, 86_400)),
    Key("least_requests", kinds.integer(1, 10**9)),
    Key("rule", _tables, "rules"),
)
ALERT_RULE = (
    Key("id", kinds.identifier(), required=True),
    Key("measure", _measure),
    Key("threshold", kinds.number(0)),
    Key("clear", kinds.number(0)),
    Key("severity", _severity),
    *(Key(f"{part}_seconds", kinds.number(0, 604_800)) for part in ("for", "clear", "repeat")),
    Key("subjects", kinds.listing(_NAME)),
    Key("enabled", kinds.flag),
)


TRACE = (
    Key("otlp", kinds.text("the collector's URL for traces", r"https?://[^\s]{1,500}")),
    Key("token", secret.secret),
    Key("sample_ratio", kinds.number(0, 1)),
)
CLUSTER = (
    Key("redis", places.redis_address),
    Key("password", secret.secret),
    Key("ca_file", certificates.ca_file),
    Key("id", kinds.identifier()),
    Key("address", kinds.text("the URL that clients use", r"https?://[^\s]{1,200}")),
    Key("share", kinds.listing(kinds.choice("controls", "penalties"))),
    Key("geo_file", places.readable_file),
    Key("addresses", kinds.listing(places.ip_address)),
    Key("config", kinds.identifier()),
    Key("config_keys", kinds.listing(secret.fingerprint)),
)
DNS = (
    Key("listen", places.session_addresses),
    Key("zone", places.domain),
    Key("nameservers", kinds.listing(places.domain)),
    Key("contact", places.domain),
    Key("ttl_seconds", kinds.integer(1, 86_400)),
    Key("answers", kinds.integer(1, 16)),
    Key("rate_per_second", kinds.number(0, 10**6)),
)
PRICE = (
    Key("model", _NAME, required=True),
    Key("input_per_million", kinds.number(0), required=True),
    Key("output_per_million", kinds.number(0), required=True),
    Key("cached_per_million", kinds.number(0)),
    Key("since", schedule.day),
)
HISTORY = (Key("days", kinds.number(0, 3660)), Key("max_mb", kinds.number(10, 10**6)))


def _one(keys: tuple[Key, ...]) -> Parse:
    """A section that stands once."""

    def parse(reading: Reading, path: KeyPath, value: object) -> object:
        return reading.fields(path, reading.table(value), keys)

    return parse


FILE = (
    Key("node", _one(NODE)),
    Key("listen", _one(LISTEN)),
    Key("line", _tables),
    Key("provider", _tables),
    Key("model", _tables),
    Key("pool", _tables),
    Key("key", _tables),
    Key("admin_key", _tables),
    Key("admin_oidc", _one(ADMIN_OIDC)),
    Key("relay", _tables),
    Key("edge", _tables),
    Key("routing", _one(ROUTING)),
    Key("timeouts", _one(TIMEOUTS)),
    Key("limits", _one(LIMITS)),
    Key("alert", _one(ALERT)),
    Key("cache", _one(CACHE)),
    Key("health", _one(HEALTH)),
    Key("probe", _one(PROBE)),
    Key("cluster", _one(CLUSTER)),
    Key("dns", _one(DNS)),
    Key("trace", _one(TRACE)),
    Key("history", _one(HISTORY)),
    Key("price", _tables),
)
