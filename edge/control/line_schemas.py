"""The shapes of the documents about lines, and of what operators say of them."""

from __future__ import annotations

from edge.control.shapes import (
    BY_WORKER,
    COUNT,
    FLAG,
    HEALTH,
    NUMBER,
    PRIORITY,
    RATIO,
    SWITCH,
    TEXT,
    TIME,
    WINDOW,
    Schema,
    array,
    mapping,
    optional,
    record,
    ref,
    said,
)

LINE_SCHEMAS: dict[str, Schema] = {
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
            "maintenance": array(record(WINDOW)),
            "pins": array(ref("Pin")),
            "since": said("When the standing began; null: since the start.", optional(TIME)),
            "suspected": said("It is silent right now.", FLAG),
            **HEALTH,
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
        BY_WORKER,
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
    "Window": record({**WINDOW, "state": {"type": "string", "enum": ["upcoming", "active", "over"]}}),
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
            "maintenance": array(record(WINDOW)),
            "silences": array(ref("Silence")),
        }
    ),
}
