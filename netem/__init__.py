"""Bad networks, and something at their far end.

provider/    a fake LLM provider: real API shapes, settable pace, faults on demand, counts what it executed

Nothing in here imports the node; tests and the demo commands import this.
"""
