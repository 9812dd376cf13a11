"""Who may use this node, and now?

access.py    client keys → Principal, or a refusal
permits.py   concurrency permits, released in the pipeline's `finally`
"""
