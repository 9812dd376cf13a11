"""Who may use this node, and now?

access.py     client keys → Principal, or a refusal
permits.py    concurrency permits, released in the pipeline's `finally`
ratelimit.py  what providers say of their rate limits; who has none left for now
headroom.py   … and how much is left of which, for operators
queue.py      who waits and who goes while every endpoint wants no more
"""
