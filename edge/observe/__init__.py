"""What the node tells about itself.

record.py    RequestRecord: everything known about one request, filled on its way through the pipeline
metrics.py   the `farline_*` metrics, those of requests counted once from the record
exposition.py  the metrics as text, also as OpenMetrics with exemplars
prices.py    what requests cost at their providers, by [[price]]
hot.py       counters and histograms cheap enough for every request and chunk
health.py    the health view as metrics and log lines
stores.py    the cache's stores as metrics
pulse.py     the health board's heartbeat
recent.py    the last requests, with why each went where it went
log.py       one JSON line per request: no bodies, no keys
"""
