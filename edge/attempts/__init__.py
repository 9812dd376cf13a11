"""The attempts of one request: where it is sent, when it is sent again, which reply is committed.

machine.py     decides: events in, commands out
attempt.py     one attempt: what is known of it, its limits, what its failure means
events.py      what it hears and what it wants done
runner.py      performs its commands over real connections
upload.py      the request body on its way up
budget.py      retries are a bounded share of requests
lines.py       which lines are dark, and who must hear of it at once
deadlines.py   how long to wait, by what this kind of request took lately
experience.py  what requests took → when the next one is overdue, hedged, or gone silent
"""
