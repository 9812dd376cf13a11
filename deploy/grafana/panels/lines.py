"""The lines: state, quality, load, connections."""

from __future__ import annotations

from deploy.grafana.panels import BAD, GOOD, IN, WARN, Panel, Row

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
