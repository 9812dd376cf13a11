"""Writes the Grafana dashboards: `python deploy/grafana/generate.py`. The files under dashboards/ are its output.

A dashboard is rows of panels; a panel is a title, what it shows in one sentence, and PromQL with legends. Everything
else (ids, grid, colours) follows from that, so that all dashboards look and behave alike.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
HERE = Path(__file__).parent
EXEMPLIFIED = ("farline_ttft_seconds_bucket", "farline_request_seconds_bucket")  # dots that lead to traces
GOOD, WARN, BAD = "green", "orange", "red"


@dataclass(frozen=True)
class Panel:
    """`targets`: (PromQL, legend). `unit` is Grafana's. `limits`: (value, colour) beside the base colour."""

    title: str
    text: str
    targets: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    limits: tuple[tuple[float, str], ...] = ()
    base: str = GOOD
    stack: bool = False


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


def one(title: str, text: str, expr: str, unit: str = "short", **more: Any) -> Panel:
    """A number."""
    return Panel(title, text, ((expr, ""),), unit, "stat", 4, **more)


IN = 'instance=~"$instance"'

OVERVIEW = (
    Row(
        "Now",
        (
            one(
                "Requests",
                "Requests per second.",
                f"sum(rate(farline_requests_total{{{IN}}}[1m]))",
                "reqps",
                base="blue",
            ),
            one(
                "Good replies",
                "Share of replies that were no fault, 5 min.",
                f'sum(rate(farline_requests_total{{{IN},status!~"5..|499"}}[5m]))'
                f' / sum(rate(farline_requests_total{{{IN},status!="499"}}[5m]))',
                "percentunit",
                base=BAD,
                limits=((0.95, WARN), (0.999, GOOD)),
            ),
            one("In flight", "Requests being served.", f"sum(farline_requests_in_flight{{{IN}}})", base="blue"),
            one(
                "First token p95",
                "Time to the first byte of streams, 5 min.",
                f"histogram_quantile(0.95, sum by (le) (rate(farline_ttft_seconds_bucket{{{IN}}}[5m])))",
                "s",
                limits=((1.5, WARN), (3.0, BAD)),
            ),
            one(
                "Lines admitted",
                "Lines that are used without reserve.",
                f'sum(min without (worker) (farline_line_standing{{{IN},standing="admitted"}}))',
                base="blue",
            ),
            one(
                "Alerts",
                "Rules that fire on the nodes.",
                f"sum(farline_alert{{{IN}}}) or vector(0)",
                limits=((1, BAD),),
            ),
        ),
    ),
    Row(
        "Users",
        (
            Panel(
                "Time to first token",
                "From a request's head to the first body byte of its stream.",
                tuple(
                    (
                        f"histogram_quantile({q}, sum by (le) (rate(farline_ttft_seconds_bucket{{{IN}}}[5m])))",
                        f"p{q * 100:g}",
                    )
                    for q in (0.5, 0.95, 0.99)
                ),
                "s",
            ),
            Panel(
                "Gap between tokens",
                "Time between two chunks of a reply.",
                tuple(
                    (
                        f"histogram_quantile({q}, sum by (le) (rate(farline_token_gap_seconds_bucket{{{IN}}}[5m])))",
                        f"p{q * 100:g}",
                    )
                    for q in (0.5, 0.99, 0.999)
                ),
                "s",
            ),
            Panel(
                "Requests by status",
                "As the caller saw them; 499: he left.",
                ((f"sum by (status) (rate(farline_requests_total{{{IN}}}[1m]))", "{{status}}"),),
                "reqps",
                stack=True,
            ),
            Panel(
                "Requests by provider",
                "",
                ((f"sum by (provider) (rate(farline_requests_total{{{IN}}}[1m]))", "{{provider}}"),),
                "reqps",
                stack=True,
            ),
            Panel(
                "Further tries",
                "Why requests were sent again.",
                ((f"sum by (reason) (rate(farline_failovers_total{{{IN}}}[1m]))", "{{reason}}"),),
                "reqps",
                stack=True,
            ),
            Panel(
                "Tokens",
                "As providers counted them.",
                ((f"sum by (kind) (rate(farline_tokens_total{{{IN}}}[1m]))", "{{kind}}"),),
                "short",
                stack=True,
            ),
        ),
    ),
    Row(
        "Cache and pool",
        (
            Panel(
                "Cache",
                "What became of requests at the cache.",
                ((f"sum by (result) (rate(farline_cache_events_total{{{IN}}}[1m]))", "{{result}}"),),
                "reqps",
                stack=True,
            ),
            Panel(
                "Local pool",
                "Requests that the local pool answered, by reason.",
                ((f"sum by (reason) (rate(farline_pool_requests_total{{{IN}}}[1m]))", "{{reason}}"),),
                "reqps",
                stack=True,
            ),
            Panel(
                "Waiting",
                "Requests that wait for throttled endpoints or for the pool.",
                (
                    (f"sum(farline_queue_waiting{{{IN}}})", "endpoints"),
                    (f"sum(farline_pool_waiting{{{IN}}})", "pool"),
                ),
            ),
        ),
    ),
    Row(
        "The node",
        (
            Panel(
                "Processor",
                "Cores in use, per process.",
                ((f"rate(process_cpu_seconds_total{{{IN}}}[1m])", "{{instance}} {{worker}}"),),
                "short",
            ),
            Panel(
                "Memory", "Resident.", ((f"process_resident_memory_bytes{{{IN}}}", "{{instance}} {{worker}}"),), "bytes"
            ),
            Panel(
                "Event loop",
                "Longest stall in 30 s.",
                ((f"farline_event_loop_lag_seconds{{{IN}}}", "{{instance}} {{worker}}"),),
                "s",
                limits=((0.1, WARN),),
            ),
        ),
    ),
)

LINES = (
    Row(
        "State",
        (
            Panel(
                "Standing",
                "Where each line stands.",
                (
                    (
                        f'max by (instance, line) (farline_line_standing{{{IN},line=~"$line",standing="admitted"}})',
                        "{{instance}} {{line}}",
                    ),
                ),
                kind="state-timeline",
                width=12,
            ),
            Panel(
                "Suspected",
                "Silent though it should answer.",
                ((f'max by (instance, line) (farline_line_suspected{{{IN},line=~"$line"}})', "{{instance}} {{line}}"),),
                kind="state-timeline",
                width=12,
                base=GOOD,
                limits=((1, BAD),),
            ),
        ),
    ),
    Row(
        "Quality",
        (
            Panel(
                "Round trip",
                "To the nearest far end, median of the last ten.",
                (
                    (
                        f'max by (instance, line) (farline_line_rtt_seconds{{{IN},line=~"$line"}})',
                        "{{instance}} {{line}}",
                    ),
                ),
                "s",
            ),
            Panel(
                "Loss",
                "Of probes and packets, over a minute.",
                (
                    (
                        f'max by (instance, line) (farline_line_loss_ratio{{{IN},line=~"$line",window="60s"}})',
                        "{{instance}} {{line}}",
                    ),
                ),
                "percentunit",
            ),
            Panel(
                "Jitter",
                "RFC 3550.",
                (
                    (
                        f'max by (instance, line) (farline_line_jitter_seconds{{{IN},line=~"$line"}})',
                        "{{instance}} {{line}}",
                    ),
                ),
                "s",
            ),
            Panel(
                "Score",
                "The best line's predicted cost over this line's: 1 is best.",
                ((f'max by (instance, line) (farline_line_score{{{IN},line=~"$line"}})', "{{instance}} {{line}}"),),
            ),
            Panel(
                "Success",
                "Of dials and requests in five minutes.",
                (
                    (
                        f'min by (instance, line) (farline_line_success_ratio{{{IN},line=~"$line"}})',
                        "{{instance}} {{line}}",
                    ),
                ),
                "percentunit",
            ),
            Panel(
                "Flaps",
                "Ejections in ten minutes.",
                ((f'max by (instance, line) (farline_line_flaps{{{IN},line=~"$line"}})', "{{instance}} {{line}}"),),
            ),
        ),
    ),
    Row(
        "Load",
        (
            Panel(
                "Traffic",
                "Bytes per second and direction: bodies of direct requests, packets of relays' sessions.",
                (
                    (
                        f'sum by (line, direction) (rate(farline_line_bytes_total{{{IN},line=~"$line"}}[1m]))',
                        "{{line}} {{direction}}",
                    ),
                ),
                "Bps",
            ),
            Panel(
                "Utilisation",
                "Bandwidth in use over capacity.",
                (
                    (
                        f'max by (instance, line) (farline_line_utilisation_ratio{{{IN},line=~"$line"}})',
                        "{{instance}} {{line}}",
                    ),
                ),
                "percentunit",
                limits=((0.8, WARN), (0.95, BAD)),
            ),
            Panel(
                "In flight",
                "Requests under way.",
                ((f'sum by (line) (farline_line_in_flight{{{IN},line=~"$line"}})', "{{line}}"),),
                stack=True,
            ),
        ),
    ),
    Row(
        "Connections and probes",
        (
            Panel(
                "Dials",
                "New connections by result.",
                (
                    (
                        f'sum by (line, result) (rate(farline_dials_total{{{IN},line=~"$line"}}[1m]))',
                        "{{line}} {{result}}",
                    ),
                ),
                "ops",
            ),
            Panel(
                "Connections lost",
                "Upstream connections that failed, by code.",
                (
                    (
                        f'sum by (line, code) (rate(farline_connections_lost_total{{{IN},line=~"$line"}}[5m]))',
                        "{{line}} {{code}}",
                    ),
                ),
                "ops",
            ),
            Panel(
                "Probes",
                "Active checks that weren't answered.",
                (
                    (
                        "sum by (line, result) "
                        f'(rate(farline_probes_total{{{IN},line=~"$line",result!="answered"}}[5m]))',
                        "{{line}} {{result}}",
                    ),
                ),
                "ops",
            ),
        ),
    ),
)

RELAY = 'instance=~"$instance",relay=~"$relay"'

RELAYS = (
    Row(
        "At the edges",
        (
            Panel(
                "Ready",
                "Takes new requests.",
                ((f"max by (instance, relay) (farline_relay_ready{{{RELAY}}})", "{{instance}} {{relay}}"),),
                kind="state-timeline",
            ),
            Panel(
                "Round trip",
                "Over the line that the session goes by.",
                ((f"max by (instance, relay) (farline_relay_rtt_seconds{{{RELAY}}})", "{{instance}} {{relay}}"),),
                "s",
            ),
            Panel(
                "Lateness of tokens",
                "How much later than the quickest of a minute replies' parts came.",
                tuple(
                    (
                        f"histogram_quantile({q}, sum by (le) "
                        f"(rate(farline_token_lateness_seconds_bucket{{{RELAY}}}[5m])))",
                        f"p{q * 100:g}",
                    )
                    for q in (0.5, 0.99, 0.999)
                ),
                "s",
            ),
            Panel(
                "Bytes by cause",
                "First copies, and what was sent beside them.",
                ((f"sum by (cause) (rate(farline_session_bytes_total{{{RELAY}}}[1m]))", "{{cause}}"),),
                "Bps",
                stack=True,
            ),
            Panel(
                "Sessions' bytes by line",
                "All packets, both ways.",
                (
                    (
                        f'sum by (line, direction) (rate(farline_line_bytes_total{{{IN},via="session"}}[1m]))',
                        "{{line}} {{direction}}",
                    ),
                ),
                "Bps",
            ),
            Panel(
                "Redundancy",
                "Bytes sent per byte there was to send.",
                (
                    (
                        f"max by (instance, relay) (farline_session_redundancy_ratio{{{RELAY}}})",
                        "{{instance}} {{relay}}",
                    ),
                ),
            ),
            Panel(
                "Suspicions",
                "Lines that fell silent beside others; false: over within a second.",
                (
                    (
                        f"sum by (line, kind) (rate(farline_session_suspicions_total{{{RELAY}}}[5m]))",
                        "{{line}} {{kind}}",
                    ),
                ),
                "ops",
            ),
            Panel(
                "Carriers",
                "By line and kind.",
                ((f"sum by (line, kind, state) (farline_session_carriers{{{RELAY}}})", "{{line}} {{kind}} {{state}}"),),
            ),
            Panel(
                "Sessions resumed",
                "After all their carriers were lost.",
                ((f"sum by (relay) (increase(farline_session_resumes_total{{{RELAY}}}[5m]))", "{{relay}}"),),
            ),
            Panel(
                "Shared fate of lines",
                "Phi of two lines' seconds with loss: 1, they lose together.",
                ((f"max by (line, other) (farline_line_loss_correlation{{{IN}}})", "{{line}} and {{other}}"),),
            ),
        ),
    ),
    Row(
        "At the relays",
        (
            Panel(
                "Executions",
                "Requests of edges by how they ended.",
                ((f"sum by (edge, outcome) (rate(farline_executions_total{{{IN}}}[1m]))", "{{edge}} {{outcome}}"),),
                "reqps",
                stack=True,
            ),
            Panel(
                "Providers' first byte",
                "From a connection to the first body byte.",
                (
                    (
                        "histogram_quantile(0.95, sum by (provider, le) "
                        f"(rate(farline_execution_first_byte_seconds_bucket{{{IN}}}[5m])))",
                        "{{provider}} p95",
                    ),
                ),
                "s",
            ),
            Panel(
                "Repetitions",
                "Request ids that came again: none was executed twice.",
                ((f"sum by (edge, kind) (rate(farline_repetitions_total{{{IN}}}[5m]))", "{{edge}} {{kind}}"),),
                "ops",
            ),
            Panel(
                "In flight",
                "Requests at providers.",
                ((f"sum by (edge) (farline_executions_in_flight{{{IN}}})", "{{edge}}"),),
            ),
            Panel(
                "Kept replies",
                "Until their edges have them.",
                ((f"farline_kept_reply_bytes{{{IN}}}", "{{instance}}"),),
                "bytes",
            ),
            Panel(
                "Sessions that ended",
                "By code.",
                ((f"sum by (edge, code) (rate(farline_sessions_over_total{{{IN}}}[5m]))", "{{edge}} {{code}}"),),
                "ops",
            ),
        ),
    ),
)

CACHE = (
    Row(
        "What it saves",
        (
            Panel(
                "Requests",
                "What became of them at the cache.",
                ((f"sum by (result) (rate(farline_cache_events_total{{{IN}}}[1m]))", "{{result}}"),),
                "reqps",
                stack=True,
            ),
            Panel(
                "Tokens not paid again",
                "By kind.",
                ((f"sum by (kind) (rate(farline_cache_saved_tokens_total{{{IN}}}[5m]))", "{{kind}}"),),
                stack=True,
            ),
            Panel(
                "Waiting saved",
                "Seconds that stored replies took when they were made, per second.",
                ((f"sum(rate(farline_cache_saved_seconds_total{{{IN}}}[5m]))", "saved"),),
                "s",
            ),
            Panel(
                "Why not",
                "Why requests passed by, and replies weren't stored.",
                (
                    (
                        f"sum by (result, reason) (rate(farline_cache_reasons_total{{{IN}}}[5m]))",
                        "{{result}}: {{reason}}",
                    ),
                ),
                "reqps",
            ),
            Panel("Entries", "In each store.", ((f"sum by (store) (farline_cache_entries{{{IN}}})", "{{store}}"),)),
            Panel("Size", "In each store.", ((f"sum by (store) (farline_cache_bytes{{{IN}}})", "{{store}}"),), "bytes"),
            Panel(
                "Store faults",
                "A fault is a miss, never a failed request.",
                ((f"sum by (store) (rate(farline_cache_store_faults_total{{{IN}}}[5m]))", "{{store}}"),),
                "ops",
            ),
        ),
    ),
)

DASHBOARDS = {
    "farline-overview": ("farline: overview", OVERVIEW, ("instance",)),
    "farline-lines": ("farline: lines", LINES, ("instance", "line")),
    "farline-relays": ("farline: relays", RELAYS, ("instance", "relay")),
    "farline-cache": ("farline: cache", CACHE, ("instance",)),
}
VARIABLES = {
    "instance": "label_values(farline_requests_in_flight, instance)",
    "line": 'label_values(farline_line_standing{instance=~"$instance"}, line)',
    "relay": 'label_values(farline_relay_ready{instance=~"$instance"}, relay)',
}


def document(uid: str) -> dict[str, Any]:
    """The dashboard of that uid, as Grafana's JSON model."""
    title, rows, variables = DASHBOARDS[uid]
    panels: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "gridPos": _grid(0, top, 24, 1),
                "panels": [],
            }
        )
        top += 1
        left, height = 0, 0
        for panel in row.panels:
            tall = 4 if panel.kind == "stat" else 8
            if left + panel.width > 24:
                left, top = 0, top + height
            height = tall
            panels.append(_panel(len(panels) + 1, panel, _grid(left, top, panel.width, tall)))
            left += panel.width
        top += height
    return {
        "uid": uid, "title": title, "tags": ["farline"], "schemaVersion": 39, "version": 1, "editable": True,
        "refresh": "10s", "time": {"from": "now-3h", "to": "now"}, "timezone": "browser", "graphTooltip": 1,
        "templating": {"list": [_datasource(), *(_variable(name) for name in variables)]},
        "panels": panels, "annotations": {"list": [_alerts()]}, "links": [_link()],
    }  # fmt: skip


def _grid(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _panel(id: int, panel: Panel, grid: dict[str, int]) -> dict[str, Any]:
    steps = [
        {"color": panel.base, "value": None},
        *({"color": colour, "value": value} for value, colour in panel.limits),
    ]
    custom: dict[str, Any] = {}
    options: dict[str, Any] = {}
    if panel.kind == "timeseries":
        custom = {
            "lineWidth": 1, "fillOpacity": 25 if panel.stack else 0, "showPoints": "never", "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stack else "none", "group": "A"},
        }  # fmt: skip
        options = {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    elif panel.kind == "stat":
        options = {"colorMode": "value", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}}
    elif panel.kind == "state-timeline":
        options = {"showValue": "never", "mergeValues": True, "legend": {"displayMode": "hidden", "showLegend": False}}
        steps = steps if panel.limits else [{"color": BAD, "value": None}, {"color": GOOD, "value": 1}]
    return {
        "id": id, "type": panel.kind, "title": panel.title, "description": panel.text, "gridPos": grid,
        "datasource": DATASOURCE, "options": options,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "custom": custom, "thresholds": {"mode": "absolute", "steps": steps},
                         "color": {"mode": "thresholds" if panel.kind != "timeseries" else "palette-classic"}},
            "overrides": [],
        },
        "targets": [
            {"refId": chr(65 + n), "datasource": DATASOURCE, "expr": expr, "legendFormat": legend, "range": True,
             **({"exemplar": True} if panel.kind == "timeseries" and any(name in expr for name in EXEMPLIFIED) else {})}
            for n, (expr, legend) in enumerate(panel.targets)
        ],
    }  # fmt: skip


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source", "current": {}}


def _variable(name: str) -> dict[str, Any]:
    return {
        "name": name, "type": "query", "label": name, "datasource": DATASOURCE,
        "query": {"query": VARIABLES[name], "refId": name},
        "definition": VARIABLES[name], "multi": True, "includeAll": True, "allValue": ".*", "refresh": 2, "sort": 1,
        "current": {"text": ["All"], "value": ["$__all"], "selected": True},
    }  # fmt: skip


def _alerts() -> dict[str, Any]:
    return {
        "name": "Ejected lines", "enable": True, "iconColor": BAD, "datasource": DATASOURCE,
        "expr": 'farline_line_standing{instance=~"$instance",standing="ejected"} == 1',
        "titleFormat": "{{line}} is ejected", "step": "10s",
    }  # fmt: skip


def _link() -> dict[str, Any]:
    return {
        "title": "farline",
        "type": "dashboards",
        "tags": ["farline"],
        "asDropdown": True,
        "keepTime": True,
        "includeVars": True,
    }


def text(uid: str) -> str:
    """The file's content."""
    return json.dumps(document(uid), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in DASHBOARDS:
        (HERE / "dashboards" / f"{name}.json").write_text(text(name), "utf-8")
