"""`python -m edge.cli`: the same as the command `farline`."""

import sys

from edge.cli import main

if __name__ == "__main__":
    sys.exit(main())
