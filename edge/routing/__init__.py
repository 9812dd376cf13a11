"""Which paths a request may take, and in which order: docs/routing.md in operators' words.

chooser.py      Chooser: one call per request; start here
ask.py          what a request needs; the moment on the node's clock
scene.py        the lines and relays now: usable or not, and what stands against each (marks)
lane.py         the ranked paths of one kind of request
cost.py         what a path costs, term by term (best)
classic.py      the classic score
hold.py         hysteresis
turns.py        turns by weight (weighted)
sticky.py       one conversation, one endpoint
redundancy.py   what a class asks of a relay's session
controls.py     what operators have said by hand
ranking.py      why a request went where it went: the values
explain.py      … made from a choice
foresight.py    the lines' scores; shares under other weights; a ranking for nobody in particular
replay.py       what if: requests of before under other weights or another policy
"""
