"""`python -m clearprop` is the same as the command `clearprop`."""

import sys

from clearprop.cli import main

if __name__ == "__main__":
    sys.exit(main())
