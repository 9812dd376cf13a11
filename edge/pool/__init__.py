"""The local pool: inference servers beside the edge that answer when nothing overseas does, or nothing else may.

when.py       which requests stay here, and why
mapping.py    which of its models stands in for the one that was asked for
prepare.py    the request as an engine is to see it: path, body, translation
tokens.py     how long a prompt is at least and at most, before anybody counts it
load.py       what the engines tell of themselves: metrics, models, context
board.py      the servers' standing and load
choice.py     the least loaded first
admission.py  a bounded number at each server, a short queue before them
observer.py   what real traffic teaches the board
aio/          the poller: health, load and models of each server, and its warm-up (shell)

The stage of the pipeline that puts them together is `edge/serve/local.py`.
"""
