"""Serving one request.

pipeline.py   the nine steps, top-down: start here (1 to 3 in question.py)
tables.py     a Snapshot indexed for the pipeline, made once per reload
clock.py      the node's own time of day
reply.py      heads of replies: what is added, what is taken away; error replies
streaming.py  a committed reply, chunk by chunk; the sweep for silent ones
cached.py     step 4: stored answers, and exchanges that several share (flying.py, replay.py)
stores.py     the cache's stores, as configured
throttling.py endpoints that want no more: who is asked instead, who waits (waiting.py: where the time passes)
alike.py      similar questions: a part of step 4, off by default
local.py      the local pool's stage; translated.py: its replies in other dialects
coded.py      a client whose words are compressed; packed.py: a provider that takes them so
notes.py      what attempts and stream know, into the record
client.py     the seam to the ingress
"""
