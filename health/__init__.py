"""What we know about lines and far ends.

standing.py   ADMITTED / EJECTED / PROBATION as a table with time as an argument
board.py      observations in, immutable HealthView out
"""
