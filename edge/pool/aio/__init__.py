"""The poller's sockets.

poller.py  asks each server how it is, and warms it up
"""
