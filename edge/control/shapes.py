"""What the admin API's schemas are made of: JSON Schema 2020-12, and the parts that several documents share."""

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
HEALTH = {
    "standing": STANDING,
    "reason": TEXT,
    "reason_parts": array(ref("Part")),
    "rtt": optional(ref("Rtt")),
    "loss": optional(ref("Loss")),
    "in_flight": COUNT,
}
BY_WORKER = {"standing_by_worker": said("Only if workers judge differently.", mapping(STANDING))}
NODE_CONFIG: dict[str, Schema] = {
    "channel": TEXT,
    "version": said("0: none yet.", COUNT),
    "digest": TEXT,
    "refused": said("The newest that it can't take.", optional(record({"version": COUNT, "why": TEXT}))),
}
WINDOW = {"id": TEXT, "line": TEXT, "begins": TIME, "ends": TIME, "note": TEXT}
