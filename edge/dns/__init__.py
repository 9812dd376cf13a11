"""Which edge is near, told through the DNS: names of a zone that lead to the cluster's edges.

Pure
  zone.py     which nodes a name leads to, for whom, best first
  answer.py   one query → one reply (RFC 1035, EDNS, client subnet)
  limits.py   how many answers by UDP one network gets
  export.py   the zone as a file for other servers
Shell
  aio/responder.py  UDP and TCP listeners
  aio/names.py      a node's responder: its zone, the cluster's nodes, the geo file
"""
