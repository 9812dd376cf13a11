"""The benchmark over bad networks: what a user of a system sees when the line is not what the brochure says.

plan       what is run: systems × conditions × rounds, and the schedule of requests      (pure)
systems/   each system under test: its configuration files, its commands, where a client connects   (pure)
tokens     a reply's bytes → numbered, stamped tokens and how it ended                    (pure)
record     one request as the client saw it, one turn of a system                         (pure)
stats      quantiles and bootstrap intervals                                              (pure)
figures    turns → the figures of a cell, and paired ratios                               (pure)
report     everything as one JSON document; tables, plots and page render it              (pure)
aio/       the load client, one turn inside a lab, all turns                              (shells)
"""
