"""The shapes of the admin API's documents, for the OpenAPI document."""

from __future__ import annotations

from edge.control.config_schemas import CONFIG_SCHEMAS
from edge.control.far_end_schemas import FAR_END_SCHEMAS
from edge.control.line_schemas import LINE_SCHEMAS
from edge.control.shapes import (
    ANY,
    COUNT,
    FLAG,
    MS,
    NODE_CONFIG,
    NUMBER,
    RATIO,
    SWITCH,
    TEXT,
    TIME,
    Schema,
    array,
    mapping,
    optional,
    record,
    ref,
    said,
)

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
    **LINE_SCHEMAS,
    **FAR_END_SCHEMAS,
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
    **CONFIG_SCHEMAS,
}
