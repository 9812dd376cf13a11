"""The overview: users first, then what serves them."""

from __future__ import annotations

from deploy.grafana.panels import BAD, GOOD, IN, WARN, Panel, Row, one

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
