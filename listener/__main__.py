"""`python -m listener`: the command line."""

import sys

from listener.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
