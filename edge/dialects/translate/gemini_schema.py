"""Gemini's Schema (a subset of OpenAPI 3.0) as JSON Schema. https://ai.google.dev/api/caching#Schema

Types are written in capitals, `nullable` is a member of its own, and numbers of 64 bits are strings.
"""

from __future__ import annotations

from typing import Any

_KEPT = frozenset(
    ("title", "description", "enum", "format", "pattern", "required", "minimum", "maximum", "default", "$ref", "ref")
)
_COUNTS = frozenset(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"))
_FORMATS = frozenset(("enum", "float", "double", "int32", "int64"))  # say nothing that JSON Schema knows


def json_schema(schema: Any) -> Any:
    """The JSON Schema that means the same; whatever isn't a Schema stays as it is."""
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for name, value in schema.items():
        _put(made, name, value)
    if schema.get("nullable") is True:
        _allow_null(made)
    return made


def _put(made: dict[str, Any], name: str, value: Any) -> None:
    if name == "type" and isinstance(value, str):
        if value != "TYPE_UNSPECIFIED":
            made["type"] = value.lower()
    elif name in ("properties", "defs", "$defs") and isinstance(value, dict):
        made["properties" if name == "properties" else "$defs"] = {key: json_schema(of) for key, of in value.items()}
    elif name in ("items", "additionalProperties"):
        made[name] = json_schema(value)
    elif name == "anyOf" and isinstance(value, list):
        made["anyOf"] = [json_schema(of) for of in value]
    elif name in _COUNTS:
        made[name] = int(value) if isinstance(value, str) and value.isdecimal() else value
    elif name in _KEPT and not (name == "format" and value in _FORMATS):
        made["$ref" if name == "ref" else name] = value


def _allow_null(made: dict[str, Any]) -> None:
    if "type" in made:
        made["type"] = [made["type"], "null"]
    elif "anyOf" in made:
        made["anyOf"] = [*made["anyOf"], {"type": "null"}]
    if "enum" in made:
        made["enum"] = [*made["enum"], None]
