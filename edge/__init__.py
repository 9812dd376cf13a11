"""The node.

cli/         commands: edge, check, demo, keys, …
app.py       composition root: the only place that knows every concrete part
told.py      what the node tells its control plane                                   (shell)
config/      TOML → Snapshot; faults with their line; reload
ingress/     HTTP/1.1 server: listeners, connections, drain                       (shell)
serve/       pipeline.py: one request, one way; streaming                         (shell)
dialects/    OpenAI, Anthropic, Gemini, Azure: facts, usage, errors               (pure)
codings/     gzip, zstd and br: who gets which, for what; bounds                  (pure)
policy/      who may, and now?                                                    (pure)
routing/     which paths, in which order                                          (pure)
pool/        the local pool: when, which model, which server; aio/ polls them       (pure but for aio/)
attempts/    machine.py: launch, race, fail over, commit (pure); runner.py performs it (shell)
links/       sessions to relays: which lines, who may go in, what is heard; aio/ keeps them (pure but for aio/)
relay/       the other role: executes edges' requests once, near the providers; node.py is its root (shell)
alerts/      rules judged on the node, told to people; aio/ sends                  (pure but for aio/)
observe/     metrics and the request log                                          (shell)
history/     what lines, paths and keys were like, for charts and reports; aio/ keeps it (pure but for aio/)
cluster/     several nodes as one: who is alive, what all share; aio/ talks to Redis (pure but for aio/)
control/     admin API: operators' controls, figures, audit (pure); its listener   (shell)
dns/         names for clients: which edges are near; aio/ answers resolvers         (pure but for aio/)
oidc/        people an OpenID provider vouches for; aio/ asks it                   (pure but for aio/)
resume/      streams that a client takes up again                                  (pure)
console/     the pages at / of the admin listener, and their files
"""
