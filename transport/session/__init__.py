"""Sessions between an edge and a relay.

events/     byte streams, requests and heads made small
"""
