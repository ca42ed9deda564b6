"""Short trainings of the command line, whose curves nobody looks at, lay them out and do not paint them."""

from importlib.util import find_spec

import pytest
from tests.unpainted import unpainted

PAINTED = {"test_the_same_seed_gives_the_same_bytes"}


@pytest.fixture(autouse=True)
def _unpainted(request):
    if request.node.originalname in PAINTED or find_spec("matplotlib") is None:
        yield
    else:
        with unpainted():
            yield
