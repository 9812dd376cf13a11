"""Stores and what is around them.

opened.py          the cache that settings describe
cache.py           Cache: look up, keep, purge; what the edge calls
store.py           what every store can do
memory.py, disk.py, redis_store.py (with redis_client.py)
tiered.py          memory in front of a farther one
guarded.py         time bounds, and faults that are misses
replay.py          a stored reply in its original cadence
shared_flight.py   single flight between nodes, through Redis
"""
