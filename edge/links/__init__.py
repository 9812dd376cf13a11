"""The edge's links to its relays: which lines their sessions use, and the way requests take into them.

seam.py         a link, as what keeps sessions alive gives it
facts.py        what is counted of a relay and its sessions; JSON-ready documents
traffic.py      what sessions carried over lines, and for which line a request through a relay counts
look.py         one second of a relay, for history
silence.py      of a relay, over all lines at once
aio/links.py    all links: looks after them once a second and when the picture changes
aio/ear.py      hears one link's sessions, tells the board
aio/ways.py     the Connector of the node: lines' pools, and links
"""
