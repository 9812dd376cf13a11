"""Every route of the admin API in one table: the listener serves it, and the OpenAPI document is made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge.control.access import Role
from edge.control.schemas import SCHEMAS
from edge.control.shapes import PRIORITY, ref
from edge.history.periods import WANTED
from edge.history.spans import SPANS


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter."""

    name: str
    schema: dict[str, Any]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """`name` is the operation's id and the method that answers. `body`, `reply`: names of schemas."""

    method: str
    path: str
    name: str
    role: Role
    text: str
    reply: str
    body: str = ""
    query: tuple[Query, ...] = ()
    status: int = 200


_TEXT = {"type": "string"}
_LIMIT = Query("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50})
_REQUEST_FILTERS = (
    _LIMIT,
    Query("line", _TEXT, "Any attempt was made on it."),
    Query("provider", _TEXT),
    Query("principal", _TEXT),
    Query("model", _TEXT),
    Query("status", {"type": "integer"}),
    Query("failed", {"type": "boolean"}, "With a failure or a status of 400 and more."),
    Query("slower_than_ms", {"type": "integer"}, "The first byte, or the end if there was none, came later."),
)
_SINCE = Query("since", {"type": "integer"}, "The id of the last event that is known.")
_TYPE = Query("type", {"type": "string", "enum": ["health", "control", "reload"]})

_CHANNEL = Query("channel", _TEXT, "Default: the node's own.")
_SPAN = Query("span", {"type": "string", "enum": [*SPANS], "default": "3h"})
_SINCE_SECOND = Query("since", {"type": "integer"}, "Only points from this second (since the epoch) on.")
_PERIOD = Query("period", _TEXT, f"In place of span, on the node's own clock: {WANTED}.")
_MOST = Query("limit", {"type": "integer", "minimum": 1, "maximum": 5000, "default": 1000}, "The newest.")
_SERIES = (_SPAN, _SINCE_SECOND)
_HISTORY = (
    Query("span", {"type": "string", "enum": [*SPANS, "today"], "default": "3h"}, "today: since the node's midnight."),
    Query("series", {"type": "boolean", "default": False}, "Columns for charts instead of sums; not of today."),
    _PERIOD,
    _SINCE_SECOND,
)

ROUTES = (
    Route("GET", "/api/v1/lines", "lines", Role.VIEWER, "All lines.", "Lines"),
    Route("GET", "/api/v1/lines/{id}", "line", Role.VIEWER, "One line.", "Line"),
    Route(
        "PATCH", "/api/v1/lines/{id}", "change_line", Role.OPERATOR, "Change weight or switch.", "Applied", "LineChange"
    ),
    Route(
        "POST",
        "/api/v1/lines/{id}/drain",
        "drain",
        Role.OPERATOR,
        "No new requests; streams finish.",
        "Applied",
        "Force",
    ),
    Route("POST", "/api/v1/lines/{id}/undrain", "undrain", Role.OPERATOR, "New requests again.", "Applied", "Force"),
    Route("POST", "/api/v1/preview", "preview", Role.VIEWER, "Shares, if lines were changed so.", "Shares", "Preview"),
    Route("GET", "/api/v1/pins", "pins", Role.VIEWER, "All pins.", "Pins"),
    Route("PUT", "/api/v1/pins", "pin", Role.OPERATOR, "Pin a subject to a line.", "Applied", "Pin"),
    Route(
        "DELETE",
        "/api/v1/pins",
        "unpin",
        Role.OPERATOR,
        "Remove a subject's pin.",
        "Applied",
        query=(Query("subject", _TEXT, "*, provider:ID, model:NAME or key:ID."),),
    ),
    Route("GET", "/api/v1/maintenance", "maintenance", Role.VIEWER, "Maintenance windows.", "Windows"),
    Route(
        "POST", "/api/v1/maintenance", "add_window", Role.OPERATOR, "Add a window.", "Applied", "NewWindow", status=201
    ),
    Route("DELETE", "/api/v1/maintenance/{id}", "drop_window", Role.OPERATOR, "Remove or end a window.", "Applied"),
    Route(
        "POST",
        "/api/v1/silences",
        "silence",
        Role.OPERATOR,
        "Tell nobody of some alerts for a while.",
        "Applied",
        "NewSilence",
        status=201,
    ),
    Route(
        "DELETE",
        "/api/v1/silences",
        "unsilence",
        Role.OPERATOR,
        "End a silence.",
        "Applied",
        query=(Query("rule", _TEXT), Query("subject", _TEXT, "Default: *.")),
    ),
    Route("GET", "/api/v1/controls", "controls", Role.VIEWER, "All that operators have set by hand.", "Controls"),
    Route("DELETE", "/api/v1/controls", "reset", Role.ADMIN, "Everything as configured.", "Applied"),
    Route("GET", "/api/v1/paths", "paths", Role.VIEWER, "Every line to every endpoint.", "Paths"),
    Route("GET", "/api/v1/relays", "relays", Role.VIEWER, "Relays and the sessions with them.", "Relays"),
    Route(
        "POST",
        "/api/v1/relays/{id}/qlog",
        "qlog",
        Role.OPERATOR,
        "Write down what the sessions with a relay do; answers when that is over.",
        "Trace",
        "TraceOrder",
    ),
    Route("GET", "/api/v1/endpoints", "endpoints", Role.VIEWER, "Far ends.", "Endpoints"),
    Route(
        "GET",
        "/api/v1/credentials",
        "credentials",
        Role.VIEWER,
        "The node's own credentials, and what is left of their rate limits.",
        "Credentials",
    ),
    Route("GET", "/api/v1/alerts", "alerts", Role.VIEWER, "Alerts that fire now, and silences.", "Alerts"),
    Route("GET", "/api/v1/pools", "pools", Role.VIEWER, "Local pools.", "Pools"),
    Route("GET", "/api/v1/cache", "cache", Role.VIEWER, "What the cache holds, did and saved.", "Cache"),
    Route(
        "POST",
        "/api/v1/cache/wrong",
        "wrong_answer",
        Role.OPERATOR,
        "A similar question's answer was wrong: purge it, and block the pair.",
        "Reported",
        "Report",
    ),
    Route(
        "POST",
        "/api/v1/cache/purge",
        "purge_cache",
        Role.OPERATOR,
        "Take stored answers out, in every worker.",
        "Purged",
        "Purge",
    ),
    Route(
        "GET",
        "/api/v1/requests",
        "requests",
        Role.VIEWER,
        "Requests that ended, newest first.",
        "Requests",
        query=_REQUEST_FILTERS,
    ),
    Route("GET", "/api/v1/requests/{id}", "request", Role.VIEWER, "Why a request went where it went.", "Why"),
    Route(
        "GET",
        "/api/v1/events",
        "events",
        Role.VIEWER,
        "Health changes, controls, reloads: server-sent events, or a list if the caller accepts application/json.",
        "Events",
        query=(_SINCE, _TYPE),
    ),
    Route("GET", "/api/v1/history/node", "history_node", Role.VIEWER, "All requests.", "History", query=_HISTORY),
    Route("GET", "/api/v1/history/lines", "history_lines", Role.VIEWER, "All lines.", "History", query=_HISTORY),
    Route("GET", "/api/v1/history/lines/{id}", "history_line", Role.VIEWER, "A line.", "Series", query=_SERIES),
    Route("GET", "/api/v1/history/paths", "history_paths", Role.VIEWER, "All paths.", "History", query=_HISTORY),
    Route("GET", "/api/v1/history/paths/{id}", "history_path", Role.VIEWER, "A path.", "Series", query=_SERIES),
    Route("GET", "/api/v1/history/endpoints", "history_endpoints", Role.VIEWER, "Far ends.", "History", query=_HISTORY),
    Route(
        "GET", "/api/v1/history/endpoints/{id}", "history_endpoint", Role.VIEWER, "A far end.", "Series", query=_SERIES
    ),
    Route("GET", "/api/v1/history/relays", "history_relays", Role.VIEWER, "All relays.", "History", query=_HISTORY),
    Route("GET", "/api/v1/history/relays/{id}", "history_relay", Role.VIEWER, "A relay.", "Series", query=_SERIES),
    Route("GET", "/api/v1/history/keys", "history_keys", Role.VIEWER, "By client key.", "History", query=_HISTORY),
    Route(
        "GET",
        "/api/v1/history/events",
        "history_events",
        Role.VIEWER,
        "What happened, oldest first, also before a restart.",
        "Events",
        query=(_SPAN, _PERIOD, _MOST, _TYPE),
    ),
    Route(
        "GET",
        "/api/v1/ranking",
        "ranking",
        Role.VIEWER,
        "Each line's score, and how the paths of a request would be ranked now.",
        "Scores",
        query=(Query("provider", _TEXT), Query("priority", PRIORITY)),
    ),
    Route(
        "POST",
        "/api/v1/what-if",
        "what_if",
        Role.VIEWER,
        "The remembered requests replayed against other weights or another policy.",
        "Replayed",
        "Replay",
    ),
    Route("GET", "/api/v1/session", "session", Role.VIEWER, "Who the caller is, and in which role.", "Session"),
    Route("GET", "/api/v1/audit", "audit", Role.ADMIN, "Who changed what, newest first.", "Audit", query=(_LIMIT,)),
    Route("GET", "/api/v1/config", "config", Role.ADMIN, "The configuration in use, without secrets.", "Config"),
    Route(
        "GET",
        "/api/v1/config/versions",
        "config_versions",
        Role.ADMIN,
        "Published configurations, and who runs which.",
        "ConfigVersions",
        query=(_CHANNEL,),
    ),
    Route(
        "POST",
        "/api/v1/config/versions",
        "publish_config",
        Role.ADMIN,
        "Publish a configuration for all nodes of a channel, or for some.",
        "Publication",
        "Publish",
        status=201,
    ),
    Route(
        "GET",
        "/api/v1/config/versions/{id}",
        "config_version",
        Role.ADMIN,
        "One published configuration.",
        "ConfigText",
        query=(_CHANNEL,),
    ),
    Route(
        "GET",
        "/api/v1/nodes",
        "nodes",
        Role.VIEWER,
        "This node, those it shares a cluster with, and which edges a client should try.",
        "Nodes",
        query=(
            Query("near", _TEXT, "Where the client is: LATITUDE,LONGITUDE, or its IP address (needs a geo_file)."),
            Query("rtt", _TEXT, "Round trips that the client measured: NODE:MILLISECONDS, separated by commas."),
        ),
    ),
    Route("GET", "/api/openapi.json", "openapi", Role.VIEWER, "This document.", "OpenApi"),
)

_ERRORS = {
    400: "Something in the request is wrong.",
    401: "No token, or one that is unknown.",
    403: "The caller may not do this.",
    404: "There is nothing by that name.",
    409: "It can't be done as things are.",
    415: "The body is not application/json.",
    421: "Without a token: not addressed to this machine.",
    503: "The token's issuer can't be asked now.",
    429: "Too many requests; see retry-after.",
}


def openapi(version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `ROUTES`. `version`: farline's."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "farline admin API",
            "version": version,
            "description": "Roles: viewer < operator < admin. Errors are problem details (RFC 9457).",
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.text,
        "description": f"Role: {route.role.value}.",
        "parameters": [*_in_path(route), *map(_in_query, route.query)],
        "responses": {
            str(route.status): {"description": route.text, "content": _content(route)},
            **{str(status): _problem(text) for status, text in _ERRORS.items()},
        },
    }
    if route.body:
        operation["requestBody"] = {
            "required": route.body != "Force",
            "content": {"application/json": {"schema": ref(route.body)}},
        }
    return operation


def _in_path(route: Route) -> list[dict[str, Any]]:
    if "{id}" not in route.path:
        return []
    return [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]


def _in_query(query: Query) -> dict[str, Any]:
    told: dict[str, Any] = {"name": query.name, "in": "query", "schema": query.schema}
    return {**told, "description": query.text} if query.text else told


def _content(route: Route) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": ref(route.reply)}}
    if route.name == "events":
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return content


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/problem+json": {"schema": ref("Problem")}}}
