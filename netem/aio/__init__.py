"""The shells: namespaces, TUN interfaces, clocks, processes.

namespaces.py   make and remove namespaces and TUN interfaces; sweep up what dead labs left
forwarder.py    the loop of the tun backend: read, ask the link model, write when it is time
shaper.py       the loop of the tc backend: qdiscs changed when conditions change
emulator.py     the process of either loop, and its control socket
control.py      what a control socket understands, and how to talk to it
lab.py          Lab: a scenario, running; commands inside its namespaces
relay.py        rootless: impaired UDP and TCP relays on loopback
toxi.py         TCP faults through a Toxiproxy server
probe.py        UDP and TCP measurements between two namespaces
doctor.py       what this machine can do, and whether the emulation is true
"""
