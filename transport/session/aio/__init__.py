"""Sessions over real sockets: the shells that drive a SessionCore.

endpoint.py     SessionDriver: one core, its carriers, clock and timer; what users see as a LiveSession
identity.py     NodeKey: a node's key, its certificate, TLS contexts
framed.py       packets and notes on a TLS connection, both ends

connection.py   RelayConnection: a session as requests see it
exchange.py     RelayExchange: one of them and its reply

link.py         RelayLink, at an edge: a session to a relay, kept up for ever
line_end.py     one line of it: TLS always, datagrams beside it where they pass
datagrams.py    the edge's end of a datagram carrier

server.py       SessionServer, at a relay: listeners, peers, sessions
ports.py        its sockets; datagrams answered from where they came to
visitor.py      an edge's carriers as the relay has them
"""
