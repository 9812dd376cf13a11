"""`python -m netem.provider`: the fake provider as a process."""

from __future__ import annotations

import argparse
import sys

from netem.provider.aio.command import add_arguments, serve

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m netem.provider", description=__doc__)
    add_arguments(parser)
    sys.exit(serve(parser.parse_args()))
