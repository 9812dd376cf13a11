"""Several nodes that act as one, through a Redis they share; each goes on with what it knows when that is gone.

Pure
  registry.py   who is alive: a beat that goes on, by the reader's own clock
  shared.py     entries of which the last written counts, wherever and in whatever order they arrive
  controls.py   operators' Controls ↔ entries
  penalties.py  throttled endpoints, told under the hash of address and credential
  taking.py     which of the published configurations a node tries
  near.py       which edges a client should try first
  places.py     where a client is
Shell
  aio/member.py        tells, hears and agrees, 2.5 times a second
  aio/channels.py      published configurations in Redis
  aio/distribution.py  takes up what is published
  aio/geo.py           the geo file
  aio/membership.py    what this node tells of itself, and does with what it hears
"""
