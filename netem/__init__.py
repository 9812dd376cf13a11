"""Bad networks, on purpose: the same ones for everybody, and the same again tomorrow.

link/           the model of one line: pure, seeded, no clock (start here)
profiles.py     the named lines: premium, cn2, cmi-evening, internet-bad, …
scenario.py     lines, events and times from one TOML file
topology.py     client – edge – lines – far side: addresses, routes, names
packets.py      the few things a line does to the bytes of a packet
tc.py           conditions as tc commands; toxics.py: as Toxiproxy's toxics
verify.py       was the emulation true? measured against the model
aio/            the shells: Lab (namespaces, TUN or tc), RelayLab (no root), ToxiLab, probes, doctor
provider/       a provider that can misbehave
demo/           a direct connection beside an edge, live in the terminal

`farline netem` is the command; docs/lab.md the guide.
"""
