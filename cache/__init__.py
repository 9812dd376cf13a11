"""The cache: never pay for the same answer twice.

A request's way through it, top-down:

    question.py     what is asked, as facts; the tenant's scope
    policy.py       may it be answered from the cache, may the reply be stored, is what was found fresh enough
      directives.py   what the caller says: x-farline-cache, Cache-Control (RFC 9111)
      rules.py        what the operator says, per route, model and tenant
      nature.py       what the request itself says: drawn or determined, from itself or from the world
    key.py          SHA-256 over everything that can change the answer
      canonical.py    one spelling for all spellings of a JSON document
      fields.py       what doesn't change the answer, per dialect
    similar/        off by default: may the answer to one question answer another?
    flight.py       identical requests in flight share one exchange
    entry.py        a stored reply, and the recorder that takes it down while it goes by
    replay.py       its parts and when each is due
    seal.py         entries as bytes: compressed, checked, encrypted
      skeleton.py     the dictionary for that

What a store keeps and when it is left alone:

    tinylfu.py, sketch.py   W-TinyLFU, bounded in bytes
    circuit.py              a store that doesn't answer
    purge.py, address.py    what is to go; where a Redis is
    settings.py             what stores are made from

All of that is pure. `aio/` has the shells: stores (memory, disk, Redis), `Tiered` and `Guarded` around them,
`SharedFlights` between nodes (flight_wire.py is what they say to each other), and `Cache`, which the edge calls.
"""
