"""Shows of edge–relay sessions over the lab's lines: `python -m tests.bench.sessions --show NAME`; docs/sessions.md.

plan.py      what is played: ways, happenings, the course of a chaos run      (pure)
judging.py   replies, records of the provider → figures, verdicts             (pure)
report.py    tables as Markdown                                               (pure)
stand.py     a lab with a system in it whose processes can be stopped and killed
play.py      one turn: load, deeds at their moments, what came of it
mixed.py     voice calls and uploads, a process of its own
shows.py     each show: its turns and its tables
"""
