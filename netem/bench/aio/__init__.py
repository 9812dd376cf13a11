"""The benchmark's shells: the load client, one turn inside a lab, all turns.

load        the client's process: starts requests at their times, collects what came
h1 h2 h3    connections of the load client, one module per protocol
websocket   the Realtime conversation
stage       one turn: lab, provider, system, client
processes   commands inside a lab, the load client among them
run         all turns of a plan
"""
