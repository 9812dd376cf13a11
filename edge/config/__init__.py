"""TOML → `Snapshot`, or every fault with its line.

model.py         the frozen values: what the rest of the node reads
values.py        of them, what several sections are made of
clustered.py     of them, what concerns nodes that act as one
watch.py         load(path); ConfigWatcher: reload on SIGHUP and on change         (shell)
read.py          text → Outcome(snapshot or faults)
published.py     a version of the configuration that nodes share, and its signature
layers.py        the node's own file and the published one, joined
sections.py      every section and key, with its parser: the one list
reading.py       one table read by such a list, faults collected
kinds.py         parsers: words, numbers, arrays
places.py        parsers: addresses, URLs
secret.py        parsers: secrets, digests of client keys
certificates.py  parsers: PEM files
headers.py       parser: headers added for a provider
local.py         parsers: models of the local pool
caching.py       [cache] and its rules; what stores are made from
build.py         fields → Line, Provider, Endpoint, Model, ClientKey
agree.py         checks across sections
presets.py       providers that need no configuration; defaults(environment)
hosts.py         look-alikes of providers' hosts
unavailable.py   what this version doesn't have yet
positions.py     key path → line of a TOML text
fault.py         Fault, ConfigError, and what may be shown of a value
change.py        what a reload may change
summary.py       a snapshot in a few words; warnings
"""
