"""See it in the terminal: the same streams straight over one bad line and through an edge over several.

spread.py     a distribution in little room; percentiles
figures.py    what became of the requests of one side, in all and lately
tokens.py     server-sent events → numbered tokens
course.py     one stream from its request to its end: gaps, stalls, lost and repeated tokens
sdk.py        what a vendor's SDK does when a line is bad: time-outs, retries, back-off
script.py     "5:blackhole cn2,10:heal cn2" → steps
board.py      the lines, what is in force on them, and the keys that change it
exposition.py what an edge says about its lines in /metrics
show.py       all that is on the screen, as values; the summary
screen.py     the same as rich renderables
aio/          the shells: processes, lines, traffic, keyboard (start at aio/run.py)

`farline demo` is the command; docs/demo.md the guide.
"""
