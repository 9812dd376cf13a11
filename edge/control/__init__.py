"""The control plane: the admin listener and what operators change by it. The data plane never imports it.

Pure
  changes.py    what may be changed, and the next Controls
  requested.py  JSON from callers → changes
  documents.py  Controls as JSON and back; differences for the audit log
  access.py     who may: tokens and roles, local callers, foreign pages
  rate.py       how often
  figures.py    what one worker knows of lines, paths, endpoints
  together.py   … several workers as one picture
  lines.py      lines as operators see them
  nodes.py      the cluster's nodes; which edges a client should try
  cache.py      the cache's figures, and what is to be purged
  credentials.py  what is left of credentials' rate limits
  publications.py  published configurations, and what is to be published
  qlog.py       sessions on demand: what may be asked, several workers' records as one trace
  requests.py   requests that ended: filters, times
  why.py        why a request went where it went, as codes and in a sentence
  reasons.py    the node's other sentences as codes with arguments
  routes.py     every route in one table; the OpenAPI document
  schemas.py    the documents' shapes, with line_schemas.py, far_end_schemas.py, config_schemas.py
  shapes.py     what schemas are made of
  problem.py    errors (RFC 9457)
  times.py      RFC 3339
Shell
  admin.py      the listeners; /healthz, /readyz, /metrics
  api.py        a method for each route, those of changes
  gate.py       … who may ask it, how often, and how everybody is refused
  present.py    … of what is measured now
  publishing.py … of published configurations
  hindsight.py  … and those of history, scores and what-if
  watching.py   … and of what happens, as it happens
  people.py     those for whom an OpenID provider vouches: tokens, sign-in on the console
  replaying.py  what-if, asked of every worker for its own requests
  answers.py    bodies, query strings, replies
  pages.py      the console's files
  desk.py       where Controls change: checked, put in effect, saved, spread to the workers, audited
  state.py      controls.json
  audit.py      audit.jsonl
  events.py     what has happened, for those who watch
  worker.py     one worker's answers, and those of all
  internal.py   what workers serve each other
  peers.py      … and ask each other
  inside.py     what all this asks of the node
  merging.py    the metrics of several workers as one exposition
"""
