"""The shapes of the admin API's documents, as JSON Schema 2020-12 for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def mapping(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object with these members and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def optional(schema: Schema) -> Schema:
    """Or null: unknown, or not set."""
    return {"oneOf": [schema, {"type": "null"}]} if "$ref" in schema else {**schema, "type": [schema["type"], "null"]}


def said(text: str, schema: Schema) -> Schema:
    return {**schema, "description": text}


TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
RATIO: Schema = {"type": ["number", "null"], "minimum": 0}
MS: Schema = {"type": ["number", "null"]}
ANY: Schema = {"type": "object"}
STANDING: Schema = {"type": "string", "enum": ["admitted", "ejected", "probation"]}
PRIORITY: Schema = {"type": "string", "enum": ["realtime", "interactive", "batch"]}
SWITCH: Schema = {"type": "string", "enum": ["on", "draining", "off"]}
_HEALTH = {
    "standing": STANDING,
    "reason": TEXT,
    "reason_parts": array(ref("Part")),
    "rtt": optional(ref("Rtt")),
    "loss": optional(ref("Loss")),
    "in_flight": COUNT,
}
_BY_WORKER = {"standing_by_worker": said("Only if workers judge differently.", mapping(STANDING))}
NODE_CONFIG: dict[str, Schema] = {
    "channel": TEXT,
    "version": said("0: none yet.", COUNT),
    "digest": TEXT,
    "refused": said("The newest that it can't take.", optional(record({"version": COUNT, "why": TEXT}))),
}
_WINDOW = {"id": TEXT, "line": TEXT, "begins": TIME, "ends": TIME, "note": TEXT}

SCHEMAS: dict[str, Schema] = {
    "Problem": record(
        {"type": TEXT, "title": TEXT, "status": COUNT, "detail": TEXT},
        {"errors": array(record({"pointer": TEXT, "detail": TEXT}))},
    ),
    "Part": said(
        "One of the sentences of a text, to be said in any language. `other`: only its `text` is known.",
        record({"code": TEXT, "args": ANY}),
    ),
    "Rtt": said(
        "Round trips; jitter as in RFC 3550.",
        record(
            {
                **{f"{name}_ms": MS for name in ("estimate", "minimum", "median", "p95", "jitter")},
                "samples": COUNT,
                "age_seconds": MS,
            }
        ),
    ),
    "Loss": record(
        dict.fromkeys(("ratio_10s", "ratio_60s", "ratio_300s", "mean_burst", "up_ratio", "down_ratio"), RATIO)
    ),
    "Weight": record(
        {
            "configured": NUMBER,
            "override": said("An operator's; null: the configured one counts.", {"type": ["number", "null"]}),
            "effective": said("0 while the line takes no new requests.", NUMBER),
        }
    ),
    "Line": record(
        {
            "id": TEXT,
            "carrier": TEXT,
            "way": said("The local address or device, or what else leads out.", TEXT),
            "capacity_mbps": {"type": ["number", "null"]},
            "cost_per_gb": {"type": ["number", "null"]},
            "cost_per_month": {"type": ["number", "null"]},
            "weight": ref("Weight"),
            "switch": said("The operator's word.", SWITCH),
            "in_effect": said("The same with maintenance counted in.", SWITCH),
            "maintenance": array(record(_WINDOW)),
            "pins": array(ref("Pin")),
            "since": said("When the standing began; null: since the start.", optional(TIME)),
            "suspected": said("It is silent right now.", FLAG),
            **_HEALTH,
            "up_bps": NUMBER,
            "down_bps": NUMBER,
            "utilisation": RATIO,
            "success_ratio": RATIO,
            "flaps": said("Ejections in the last 10 min.", COUNT),
            "share_60s": said("Of the requests that ended in the last minute.", RATIO),
            "requests_60s": said("Through a relay, a request counts for one line of its session.", COUNT),
            "session": said(
                "Bytes of relays' sessions over it since the start, packets and all, by direction and cause.",
                mapping(mapping(COUNT)),
            ),
            "connections": record({"idle": COUNT, "active": COUNT, "dialing": COUNT}),
        },
        _BY_WORKER,
    ),
    "Lines": record(
        {
            "version": COUNT,
            "lines": array(ref("Line")),
            "is_panic": FLAG,
            "workers": said("Those that answered.", array(COUNT)),
            "workers_expected": COUNT,
        }
    ),
    "LineChange": record(
        {},
        {
            "weight": said("null: the configured weight again.", {"type": ["number", "null"], "minimum": 0}),
            "switch": SWITCH,
            "force": said("Even if no other line is left that takes requests.", FLAG),
        },
    ),
    "Preview": record(
        {"lines": mapping(ref("LineChange"))},
        {"provider": said("Whose endpoints; the first provider's, if left out.", TEXT), "priority": PRIORITY},
    ),
    "Shares": record(
        {
            "now": said("By line; what goes through a relay is divided among its session's lines.", mapping(NUMBER)),
            "then": mapping(NUMBER),
            "relays": said(
                "What of it goes through each relay.", record(dict.fromkeys(("now", "then"), mapping(NUMBER)))
            ),
        }
    ),
    "Force": record({}, {"force": FLAG}),
    "Applied": record(
        {
            "version": COUNT,
            "workers": said("Workers that have it.", array(COUNT)),
            "failed": said(
                "Workers that don't have it yet, and why. They get it when they answer again.", mapping(TEXT)
            ),
            "not_saved": said("Why a restart would undo it; empty if it wouldn't.", TEXT),
            "persistence": {"type": "string", "enum": ["file", "memory"]},
        },
        {"line": ref("Line")},
    ),
    "Pin": record({"subject": TEXT, "line": TEXT}),
    "Pins": record({"version": COUNT, "pins": array(ref("Pin"))}),
    "Window": record({**_WINDOW, "state": {"type": "string", "enum": ["upcoming", "active", "over"]}}),
    "Windows": record({"version": COUNT, "maintenance": array(ref("Window"))}),
    "NewWindow": record(
        {"line": TEXT},
        {
            "begins": said("Now, if left out.", TIME),
            "ends": said("This or minutes.", TIME),
            "minutes": NUMBER,
            "note": {"type": "string", "maxLength": 256},
            "force": FLAG,
        },
    ),
    "Controls": record(
        {
            "version": COUNT,
            "persistence": {"type": "string", "enum": ["file", "memory"]},
            "lines": mapping(record({"weight": {"type": ["number", "null"]}, "switch": SWITCH})),
            "pins": array(ref("Pin")),
            "maintenance": array(record(_WINDOW)),
            "silences": array(ref("Silence")),
        }
    ),
    "Path": record(
        {
            "path": TEXT,
            "line": TEXT,
            "relay": optional(TEXT),
            "endpoint": TEXT,
            "standing_for_seconds": {"type": ["number", "null"]},
            "first_byte_p50_ms": MS,
            "first_byte_p95_ms": MS,
            "throughput_bps": {"type": ["number", "null"]},
            **_HEALTH,
        },
        _BY_WORKER,
    ),
    "Paths": record({"paths": array(ref("Path"))}),
    "Carrier": record(
        {
            "number": COUNT,
            "line": TEXT,
            "kind": {"type": "string", "enum": ["datagram", "tls"]},
            "confirmed": FLAG,
            "suspected": FLAG,
            "rtt_ms": MS,
            "jitter_ms": MS,
            "loss_ratio": NUMBER,
            "packets_sent": COUNT,
            "packets_lost": COUNT,
            "packets_received": COUNT,
            "heard_ms_ago": NUMBER,
        }
    ),
    "Relay": said(
        "One per relay and worker: each worker has a session of its own.",
        record(
            {
                "id": TEXT,
                "worker": COUNT,
                "address": TEXT,
                "lines": array(TEXT),
                "lines_used": said("Those that its session may use now.", array(TEXT)),
                "ready": said("It takes new requests.", FLAG),
                "why_not": TEXT,
                "why_not_parts": array(ref("Part")),
                "draining": FLAG,
                "standing": STANDING,
                "standing_for_seconds": {"type": ["number", "null"]},
                "reason": TEXT,
                "reason_parts": array(ref("Part")),
                "rtt": optional(ref("Rtt")),
                "in_flight": COUNT,
                "success_ratio": RATIO,
                "flaps": COUNT,
                "sessions": said("Since the start.", COUNT),
                "resumes": said("How often a session went on after all its carriers were lost.", COUNT),
                "suspicions": COUNT,
                "false_suspicions": said("Of them, those over within a second.", COUNT),
                "redundancy_factor": said("Bytes sent per byte that there was to send.", RATIO),
                "bytes": said("Stream bytes sent, by cause.", mapping(COUNT)),
                "carriers": array(ref("Carrier")),
            }
        ),
    ),
    "TraceOrder": record(
        {},
        {
            "seconds": said("Default 10.", {"type": "number", "minimum": 0.1, "maximum": 120}),
            "max_bytes": said(
                "In each worker; default 8 MiB.", {"type": "integer", "minimum": 65536, "maximum": 1 << 26}
            ),
        },
    ),
    "Trace": record(
        {
            "sessions": COUNT,
            "events": COUNT,
            "is_cut": said("It was full before the time was over.", FLAG),
            "qlog": said("JSON-SEQ: the contents of a .sqlog file.", TEXT),
            "failed": said("Why workers didn't, by their numbers.", mapping(TEXT)),
        }
    ),
    "Relays": record({"relays": array(ref("Relay"))}),
    "Endpoint": record(
        {
            "id": TEXT,
            "provider": TEXT,
            "url": TEXT,
            "region": TEXT,
            "standing": STANDING,
            "standing_for_seconds": {"type": ["number", "null"]},
            "reason": TEXT,
            "reason_parts": array(ref("Part")),
            "penalised_for_seconds": {"type": ["number", "null"]},
            "success_ratio": RATIO,
        },
        _BY_WORKER,
    ),
    "Endpoints": record({"endpoints": array(ref("Endpoint"))}),
    "Limit": record(
        {
            "kind": {"type": "string", "enum": ["requests", "tokens", "input-tokens", "output-tokens"]},
            "remaining": said("When the provider said so.", NUMBER),
            "limit": {"type": ["number", "null"]},
            "full_in_seconds": said(
                "When all of it is there again; null: it didn't say.", {"type": ["number", "null"]}
            ),
        }
    ),
    "Credential": record(
        {
            "credential": said("As the configuration names it: env:NAME or file:PATH.", TEXT),
            "provider": TEXT,
            "endpoint": TEXT,
            "model": said("Whose limits; null: of requests without a model, or nothing was heard.", optional(TEXT)),
            "seen": said("When the provider said so; null: never.", optional(TIME)),
            "limits": array(ref("Limit")),
            "paused_for_seconds": said("It gets no requests for so long; null: it does.", {"type": ["number", "null"]}),
        }
    ),
    "Credentials": record({"credentials": array(ref("Credential"))}),
    "Alert": record(
        {
            "rule": TEXT,
            "subject": TEXT,
            "severity": TEXT,
            "value": {"type": ["number", "null"]},
            "threshold": NUMBER,
            "firing_seconds": NUMBER,
            "silenced": FLAG,
        }
    ),
    "Silence": record({"rule": TEXT, "subject": TEXT, "ends": TIME, "note": TEXT}),
    "NewSilence": record(
        {"rule": said("A rule's id, or *.", TEXT)},
        {
            "subject": said("A line's id; left out: all.", TEXT),
            "ends": TIME,
            "minutes": said("In place of ends.", NUMBER),
            "note": TEXT,
        },
    ),
    "Alerts": record({"alerts": array(ref("Alert")), "silences": array(ref("Silence"))}),
    "Pools": record({"pools": array(ANY)}),
    "Cache": record(
        {
            "store": said("[cache] store.", TEXT),
            "stores": said("Nearest first; null: the store can't know.", array(ref("Store"))),
            "flights": said("Exchanges under way that others can share.", COUNT),
            "events": said("Requests since the start: hit, coalesced, miss, bypass…", mapping(COUNT)),
            "reasons": said("Why requests passed it by, and what became of misses.", mapping(COUNT)),
            "similar": said("What similar questions did, also in shadow.", mapping(COUNT)),
            "saved": record({"tokens": mapping(COUNT), "seconds": NUMBER}),
            "workers": array(COUNT),
        }
    ),
    "Store": record(
        {
            "name": TEXT,
            **{name: optional(COUNT) for name in ("entries", "used_bytes", "max_bytes", "evictions")},
            "faults": COUNT,
            "is_admitted": said("false while it is left alone after faults.", FLAG),
            "worker": COUNT,
        }
    ),
    "Purge": record(
        {},
        {
            "key": said("64 hex digits, alone or after provider/model/.", TEXT),
            "model": TEXT,
            "tenant": said("A [[key]]'s id; * for what rules share.", TEXT),
            "prefix": said("Of provider/model/digest.", TEXT),
            "all": said("Instead of the others.", {"const": True}),
        },
    ),
    "Report": record({"request": said("Its x-farline-request-id.", TEXT)}),
    "Reported": record(
        {
            "is_known": said("Did a worker give that request a similar question's answer lately?", FLAG),
            "failed": said("Workers that couldn't write it down, and why.", mapping(TEXT)),
        }
    ),
    "Purged": record(
        {
            "purged": said("Entries; one that stands in several workers' memory counts for each.", COUNT),
            "workers": said("Where it was done.", array(COUNT)),
            "failed": said("Workers in which it can't be said that all is gone, and why.", mapping(TEXT)),
        }
    ),
    "Request": said("As in the request log.", {"type": "object", "required": ["at", "request", "status", "worker"]}),
    "Requests": record({"requests": array(ref("Request"))}),
    "Why": said(
        "A request with its ranking: every path it might have taken, each term of its cost, what was excluded and why.",
        {"type": "object", "required": ["at", "request", "status", "worker", "why", "ranking"]},
    ),
    "Event": {"type": "object", "required": ["id", "at", "type"]},
    "Events": record({"last": COUNT, "events": array(ref("Event"))}),
    "Columns": said("One entry for each point; null: nothing known.", mapping(array({}))),
    "Series": record(
        {"span": TEXT, "begins": COUNT, "ends": COUNT, "step_seconds": COUNT, "series": mapping(ref("Columns"))}
    ),
    "History": record(
        {"span": TEXT, "begins": COUNT, "ends": COUNT},
        {
            "before": said("Of a period: the one before it.", TEXT),
            "months": said("Of a period: the months in which it lies.", array(TEXT)),
            "step_seconds": COUNT,
            "series": mapping(ref("Columns")),
            "sums": mapping(said("Latencies, losses, requests, bytes, cost, tokens.", ANY)),
        },
    ),
    "Scores": record(
        {"scores": said("1: the best line; 0: not used now.", mapping(NUMBER)), "ranking": ANY, "provider": TEXT}
    ),
    "Replay": record(
        {},
        {
            "lines": mapping(ref("LineChange")),
            "policy": {"type": "string", "enum": ["best", "weighted", "classic", ""]},
        },
    ),
    "Outcome": {"type": "object", "required": ["requests", "shares", "failure_ratio", "cost"]},
    "Replayed": record(
        {
            "since": said("When the oldest of the requests came in; null: none is remembered.", optional(TIME)),
            "moved": said("Requests that would have begun on another line.", COUNT),
            "actual": ref("Outcome"),
            "model": said("What the model says of the paths that were taken.", ref("Outcome")),
            "then": said("… and of those that would have been.", ref("Outcome")),
            "workers": said("Those whose requests these are.", array(COUNT)),
        }
    ),
    "Session": record(
        {
            "name": TEXT,
            "role": {"type": "string", "enum": ["viewer", "operator", "admin"]},
            "issuer": said("The OpenID provider that vouches for the caller.", optional(TEXT)),
            "subject": said("Who the caller is there.", optional(TEXT)),
            "until": said("When the caller has to sign in again, or needs another token.", optional(TIME)),
            "signed_in": said("On the console, by way of the issuer.", FLAG),
        }
    ),
    "AuditEntry": {"type": "object", "required": ["at", "who", "action", "before", "after"]},
    "Audit": record({"entries": array(ref("AuditEntry"))}),
    "Node": record(
        {
            "name": TEXT,
            "role": TEXT,
            "region": TEXT,
            "version": TEXT,
            "started": TIME,
            "generation": COUNT,
            "controls_version": COUNT,
            "persistence": {"type": "string", "enum": ["file", "memory"]},
            "ready": FLAG,
            "workers": record({"expected": COUNT, "answering": array(COUNT)}),
            "requests_in_flight": COUNT,
            "client_connections": COUNT,
            "is_panic": FLAG,
        }
    ),
    "ClusterNode": record(
        {
            "name": TEXT,
            "role": TEXT,
            "region": TEXT,
            "location": said("Latitude and longitude.", {"type": ["array", "null"], "items": NUMBER}),
            "address": TEXT,
            "version": TEXT,
            "generation": COUNT,
            "workers": COUNT,
            "is_draining": FLAG,
            "in_flight": COUNT,
            "max_in_flight": COUNT,
            "success_ratio": said("Of the replies of five minutes.", RATIO),
            "uptime_seconds": NUMBER,
            "heard_seconds_ago": NUMBER,
            "addresses": array(TEXT),
            "config": said("The published configuration; null: it takes none.", optional(record(NODE_CONFIG))),
            "lines": array(
                record({"id": TEXT, "carrier": TEXT, "standing": TEXT, "switch": SWITCH, "rtt_ms": MS, "loss": RATIO})
            ),
        }
    ),
    "Cluster": record(
        {
            "id": TEXT,
            "connected": said("Does its Redis answer?", FLAG),
            "nodes": said("Those that are alive.", array(ref("ClusterNode"))),
            "gone": said("Those that fell silent in the last ten minutes.", array(TEXT)),
        }
    ),
    "Near": record(
        {
            "name": TEXT,
            "address": TEXT,
            "distance_km": {"type": ["number", "null"]},
            "rtt_ms": MS,
            "cost": said("0 is best.", NUMBER),
        }
    ),
    "Nodes": record(
        {"nodes": array(ref("Node")), "cluster": optional(ref("Cluster"))},
        {"near": said("Best first; only if asked for.", array(ref("Near")))},
    ),
    "Config": said("The configuration in use, without secrets.", {"type": "object", "required": ["generation"]}),
    "OpenApi": {"type": "object", "required": ["openapi"]},
}
