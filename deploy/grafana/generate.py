"""Writes the Grafana dashboards: `python -m deploy.grafana.generate`. The files under dashboards/ are its output.

What they show is in panels/. Everything else (ids, grid, colours) follows from that here, so that all dashboards look
and behave alike.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deploy.grafana.panels import BAD, GOOD, Panel
from deploy.grafana.panels.cache import CACHE
from deploy.grafana.panels.lines import LINES
from deploy.grafana.panels.overview import OVERVIEW
from deploy.grafana.panels.relays import RELAYS

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
HERE = Path(__file__).parent
EXEMPLIFIED = ("farline_ttft_seconds_bucket", "farline_request_seconds_bucket")  # dots that lead to traces

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
