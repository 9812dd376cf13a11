"""The shells of the demo.

run.py          the command, from its options to its summary
performance.py  one run: traffic on both sides, the script, the keys, the screen
stage.py        the lines, the provider and the edge: in namespaces, or rootless through relays
children.py     processes that end with us, however we end
tunnel.py       the far end of a rootless line
ways.py         how a client's sockets reach a server
traffic.py      the client: streaming requests over kept-alive connections, again and again
keyboard.py     keys
"""
