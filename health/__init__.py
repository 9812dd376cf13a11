"""What we know about lines and far ends.

view.py        HealthView, the immutable picture: what choice, alerts, admin API and metrics read
board.py       observations in, views out
blame.py       whose fault is it: the line's, the path's, the far end's?
outliers.py    silence and quality: who is suspected, who is ejected
subjects.py    all lines, paths and far ends; states.py: what is kept of one
standing.py    ADMITTED / EJECTED / PROBATION as a table with time as an argument
suspicion.py   a line's silence: doubted, suspected, down
rules.py       every number of it: the [health] section
relays.py      relays as ways out: ready, how far, how well; records of their own
correlation.py do two lines lose packets at the same moments?
alerts.py      alert rules: samples in, notices out; alert_rules.py: the built-in ones
change.py      a standing or a suspicion has changed
probe.py       one active check and its result
round_trips.py, loss.py, first_bytes.py, windows.py   estimators
probing.py     which check is due when: pulses, rounds, budget
ledger.py      probes under way: lost, late, repeated, overtaken
echo.py        ICMP echo replies; negotiation.py: QUIC Version Negotiation
lag.py         stalls of our own event loop
figures.py     a series of probes in figures, for people
quantiles.py   quantiles of a stream whose old samples fade

The sockets and timers of probes are in `health.aio`.
"""
