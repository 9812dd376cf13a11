"""The cache: what it saves and what it doesn't."""

from __future__ import annotations

from deploy.grafana.panels import IN, Panel, Row

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
