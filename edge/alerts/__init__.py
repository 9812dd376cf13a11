"""Alerts: what the node measures, judged by rules, told to people.

health/alerts.py   the rules' state machine and the gathering of notices (pure)
rules.py           the rules that are there without configuration, and how the configuration changes them
figures.py         what one process measures, and the joining of several processes' figures
message.py         notices as text
aio/sender.py      the notification library behind a task of its own
aio/watch.py       the loop: measure, judge, send
"""
