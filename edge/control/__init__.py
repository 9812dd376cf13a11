"""The admin listener, apart from the data plane, which never imports it.

admin.py     /healthz, /readyz, /metrics
merging.py   the metrics of several worker processes as one exposition
"""
