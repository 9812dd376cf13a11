"""How well an edge leaves a failing line: `python -m tests.bench.failover` (docs/failover.md).

plan.py      what happens to lines and provider, in which size of run
watching.py  what the node said and showed about its lines, as sightings in time
judging.py   replies and sightings → one row of figures
report.py    rows as a table, Markdown, JSON
place.py     the lab of a turn with providers, an edge and a client in it
play.py      one turn: what happens when, and what is collected
soak.py      a long run without an event: wrong ejections
weights.py   the show of operators' weights and draining
pool.py      the show of all lines cut and a local pool; callers.py is its application
"""
