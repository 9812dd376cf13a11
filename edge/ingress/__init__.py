"""The HTTP/1.1 server that clients talk to. A shell: what a request means is the pipeline's business.

server.py      the listeners of one process: TCP, unix sockets, TLS with reload, drain
workers.py     several processes on one port: start, restart, pass signals on
handover.py    a new process takes over the listening sockets of an old one (relays, too)
connection.py  one client connection: bytes → requests, one at a time, and replies → bytes
request.py     one request on it: the ClientExchange that the pipeline sees
sockets.py     how listeners are opened

head.py        a request's head, parsed and checked                              (pure)
chunked.py     chunked bodies, strictly                                          (pure)
reply.py       heads and framing of replies; plain error replies                 (pure)
patience.py    how long a client may take, phase by phase                        (pure)
"""
