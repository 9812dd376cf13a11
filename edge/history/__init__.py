"""What lines, relays, paths, far ends and keys were like: an hour by seconds, a day by tens of them, weeks by minutes.

Pure
  sketch.py    quantiles that can be added up: a histogram of geometric buckets
  cell.py      what one subject did in one stretch of time; two such as one
  recorder.py  observations → the cells of the second that is going on
  rollup.py    seconds → blocks of each resolution
  blocks.py    a block as bytes and back
  periods.py   days, weeks and months on the node's clock
  spans.py     which resolution a chart of so many hours reads, and how many cells become one point
  series.py    cells → columns for charts, and sums for tables
Shell
  aio/store.py    the file: blocks, the journal of the last minute, events; SQLite in a thread of its own
  aio/history.py  the clock, the other workers' cells, questions
"""
