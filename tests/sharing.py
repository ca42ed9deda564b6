"""Of a long sweep a share is tried by `make test`, and the rest waits for a tier that tries it at length."""

import pytest

SHARE = 4  # one case in so many


def a_share_first(cases):
    """Return the cases for `parametrize`, of which all but every fourth are marked `at_length`."""
    later = pytest.mark.at_length
    return [pytest.param(*case, marks=later if k % SHARE else ()) for k, case in enumerate(cases)]
