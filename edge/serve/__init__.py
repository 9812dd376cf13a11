"""Serving one request.

pipeline.py   the nine steps, top-down: start here
tables.py     a Snapshot indexed for the pipeline, made once per reload
clock.py      the node's own time of day
reply.py      heads of replies: what is added, what is taken away; error replies
streaming.py  a committed reply, chunk by chunk; the sweep for silent ones
client.py     the seam to the ingress
"""
