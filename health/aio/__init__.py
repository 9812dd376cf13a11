"""The shells of health: sockets and timers of active probes.

prober.py       Prober: performs what `health.probing` says is due, tells what `health.ledger` makes of it
datagrams.py    one packet each way: ICMP echo, QUIC Version Negotiation
connections.py  TCP connects, TLS handshakes, HTTP requests
abilities.py    which kinds of probes this machine can send over a line
"""
