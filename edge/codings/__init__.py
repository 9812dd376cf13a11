"""Content codings between clients and the node (RFC 9110 §8.4). All pure.

accept.py       Accept-Encoding: which coding a client wants, of those that can be had
eligible.py     which replies are worth it, and how their head changes
encoders.py     gzip, zstd and br with little memory; what is fed comes out at once
decoding.py     request bodies that come compressed, with bounds against bombs
"""
