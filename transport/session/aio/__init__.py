"""Sessions over real sockets: the shells that drive a SessionCore.

endpoint.py     SessionDriver: one core, its carriers, clock and timer; what users see as a LiveSession
"""
