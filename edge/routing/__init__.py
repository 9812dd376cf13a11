"""Which paths a request may take, and in which order.

controls.py     what operators have said by hand
ranking.py      why a request went where it went
candidates.py   the ranked paths of one request, from a Snapshot and a HealthView
selector.py     Selector: the order of lines; Weighted is the policy of operator weights
"""
