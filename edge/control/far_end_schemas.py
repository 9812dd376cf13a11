"""The shapes of the documents about paths and what they lead to: relays, endpoints, credentials."""

from __future__ import annotations

from edge.control.shapes import (
    BY_WORKER,
    COUNT,
    FLAG,
    HEALTH,
    MS,
    NUMBER,
    RATIO,
    STANDING,
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

FAR_END_SCHEMAS: dict[str, Schema] = {
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
            **HEALTH,
        },
        BY_WORKER,
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
        BY_WORKER,
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
}
