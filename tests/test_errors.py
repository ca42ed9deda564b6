"""The place of a lesson: the user's line as a sentence, and nothing where there is no such line."""

import numpy as np
import pytest

from clearprop import Tensor, errors, vmap


def store():
    np.zeros(2)[0] = Tensor(1.0)


CALLS = {
    "vmap": lambda: vmap(np.sin, in_axes=(0, 1, 2))(Tensor([1.0, 2.0])),
    "array[i] = t": store,
    "np.asarray(t)": lambda: np.asarray(Tensor([1.0, 2.0])),
    "an op": lambda: Tensor([1.0, 2.0]) + np.zeros(3),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("known", [True, False])
def test_a_place_is_said_where_there_is_one(name, known, monkeypatch):
    if not known:
        monkeypatch.setattr(errors, "_PACKAGE", "")  # as if no caller were outside

    with pytest.raises((TypeError, ValueError)) as caught:
        CALLS[name]()

    said = f"{caught.value} {caught.value.__cause__}"  # NumPy puts its own error before that of array[i] = t
    assert (f"At {__file__}:" in said) is known
    assert "At ." not in said
