"""What we know about lines and far ends.

view.py        HealthView, the immutable picture: what choice, alerts, admin API and metrics read
board.py       observations in, views out
standing.py    ADMITTED / EJECTED / PROBATION as a table with time as an argument
probe.py       one active check and its result
probing.py     which check is due when: pulses, rounds, budget
ledger.py      probes under way: lost, late, repeated, overtaken
echo.py        ICMP echo replies; negotiation.py: QUIC Version Negotiation
lag.py         stalls of our own event loop
figures.py     a series of probes in figures, for people
quantiles.py   quantiles of a stream whose old samples fade

The sockets and timers of probes are in `health.aio`.
"""
