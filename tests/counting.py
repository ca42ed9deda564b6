"""How much a piece of work does, in calls of functions: the same on every machine, busy or quiet."""

import gc
import sys


def calls(run):
    """Return how many functions, Python's and C's, are called while `run()` runs in this thread."""
    count = 0

    def seen(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    before, collecting = sys.getprofile(), gc.isenabled()
    gc.disable()  # a collection calls what others have hung on it
    sys.setprofile(seen)
    try:
        run()
    finally:
        sys.setprofile(before)
        if collecting:
            gc.enable()
    return count
