"""Stores and what is around them.

opened.py          the cache that settings describe
cache.py           Cache: look up, keep, purge; what the edge calls
store.py           what every store can do
memory.py, disk.py, redis_store.py (with redis_client.py)
tiered.py          memory in front of a farther one
guarded.py         time bounds, and faults that are misses
replay.py          a stored reply in its original cadence
similar.py         similar questions
embedder.py        texts as vectors: no model, a small one here, or a server's
shared_flight.py   single flight between nodes, through Redis
"""
