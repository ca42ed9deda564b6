"""`python -m clearprop` is the same as the command `clearprop`."""

import sys

from clearprop.cli import main

sys.exit(main())
