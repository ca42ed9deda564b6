"""What a pickle may ask for, before it is read: no more memory than its own bytes are worth.

A reader of pickles keeps a table of what it has read, as long as the highest number that the pickle names:
six bytes can ask for a table of 30 GB. Such numbers, and lengths beyond the end, are found by reading the
steps without taking them.
"""

from __future__ import annotations

import io
import pickletools

_KEEPS = ("PUT", "BINPUT", "LONG_BINPUT")


def bounded(content: bytes) -> io.BytesIO:
    """Return a pickle as a file to be unpickled; ValueError for one that is cut short or asks for too much.

    >>> import pickle
    >>> pickle.load(bounded(pickle.dumps([1, 2])))
    [1, 2]
    >>> bounded(b"\\x80\\x02Nr\\xff\\xff\\xff\\x7f.")
    Traceback (most recent call last):
    ValueError: it keeps 2147483647 things, and has 9 bytes
    """
    for step, number, _ in pickletools.genops(content):
        if step.name in _KEEPS and isinstance(number, int) and number > len(content):
            raise ValueError(f"it keeps {number} things, and has {len(content)} bytes")
    return io.BytesIO(content)
