"""What the node tells about itself.

record.py    RequestRecord: everything known about one request, filled on its way through the pipeline
metrics.py   the `farline_*` metrics, children bound at start
histogram.py a histogram cheap enough to observe every chunk of every stream
log.py       one JSON line per request: no bodies, no keys
"""
