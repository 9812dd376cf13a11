"""Counters of what the DNS responder told."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class DnsMetrics:
    """`code`: the reply's (NOERROR, NXDOMAIN, REFUSED…), or LIMITED; `transport`: udp or tcp."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.replies = Counter(
            "farline_dns_replies_total", "Replies of the DNS responder.", ("transport", "code"), registry=registry
        )

    def count(self, transport: str, code: str) -> None:
        self.replies.labels(transport, code).inc()
