"""Taking up what a broken connection interrupted (docs/resuming.md). Pure.

asked.py       what a request names: a stream to go on with, a response that exists already, its caller
later.py       the events of a stream after one of them
recording.py   streams as they went by, within a bound, and who follows them
reading.py     a reader's place in one of them
places.py      which endpoint made what later requests refer to
"""
