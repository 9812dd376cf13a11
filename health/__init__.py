"""What we know about lines and far ends.

view.py        HealthView, the immutable picture: what choice, alerts, admin API and metrics read
board.py       observations in, views out
standing.py    ADMITTED / EJECTED / PROBATION as a table with time as an argument
probe.py       one active check and its result
quantiles.py   quantiles of a stream whose old samples fade
"""
