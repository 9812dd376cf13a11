"""Relays, as edges see them and as they see themselves."""

from __future__ import annotations

from deploy.grafana.panels import IN, Panel, Row

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
