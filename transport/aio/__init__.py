"""The shells of the transport layer: everything that touches asyncio, sockets, ssl or clocks.

standard.py     make_pools(): the pools as a node uses them
pool.py         Pools, the Connector; path_pool.py: one line to one target
dial.py         address races, proxies, TLS, ALPN; line.py: sockets bound to a line
tls.py          client contexts that resume sessions
resolver.py     names, over the pure cache
h1.py           HTTP/1.1 connection; h1_exchange.py: one exchange on it
multiplexed.py  what HTTP/2 and HTTP/3 connections share: slots, draining, keep-alive
h2.py, h3.py    the connections; quic.py: the UDP socket and timer under HTTP/3
openers.py      how the pools make connections; tasks.py: background tasks with an owner
"""
