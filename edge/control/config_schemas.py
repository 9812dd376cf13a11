"""The shapes of the documents about published configurations."""

from __future__ import annotations

from edge.control.shapes import (
    COUNT,
    FLAG,
    NODE_CONFIG,
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

_HEAD: dict[str, Schema] = {
    "version": COUNT,
    "channel": TEXT,
    "at": TIME,
    "who": TEXT,
    "note": TEXT,
    "digest": said("SHA-256 of the text.", TEXT),
    "bytes": COUNT,
    "nodes": said("For whom it is; empty: for all.", array(TEXT)),
    "again": said("The version whose text it repeats.", {"type": ["integer", "null"]}),
    "signed_by": said("The key's fingerprint.", optional(TEXT)),
    "running": said("Nodes that run it.", array(TEXT)),
    "refused": said("Nodes that can't take it, and why.", mapping(TEXT)),
}

CONFIG_SCHEMAS: dict[str, Schema] = {
    "ConfigVersion": record(_HEAD),
    "ConfigText": record({**_HEAD, "text": TEXT}),
    "Publication": record({**_HEAD, "published": said("false: it was only tried.", FLAG)}),
    "ConfigVersions": record(
        {
            "cluster": optional(TEXT),
            "channel": said("null: this node takes none, and none was asked for.", optional(TEXT)),
            "next": said("The number that the next version will have; part of what is signed.", COUNT),
            "versions": said("Newest first.", array(ref("ConfigVersion"))),
            "nodes": said("Those that take this channel.", array(record({"name": TEXT, **NODE_CONFIG}))),
        }
    ),
    "Publish": record(
        {},
        {
            "channel": said("The node's own, if left out.", TEXT),
            "text": said("TOML with the sections that nodes share; this or again.", TEXT),
            "again": said("An older version whose text is published once more.", {"type": "integer", "minimum": 1}),
            "note": TEXT,
            "nodes": said("Who is to take it; empty or left out: all.", array(TEXT)),
            "number": said("The version it must become, else 409.", {"type": "integer", "minimum": 1}),
            "public": said("SubjectPublicKeyInfo of the signing key, base64.", TEXT),
            "signature": said("Base64.", TEXT),
            "dry_run": FLAG,
        },
    ),
}
