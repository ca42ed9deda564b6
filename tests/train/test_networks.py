"""The networks that are known by name."""

import numpy as np
import pytest

from clearprop.errors import InputError
from clearprop.interop import load_model, save_model
from clearprop.modes import no_grad
from clearprop.train.networks import NETWORKS


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 14), (1, 28, 28), (3, 32, 32), (3, 64, 50), (5,)])
def test_each_makes_a_score_for_each_output_and_fits_into_a_file(tmp_path, name, shape):
    if name == "lenet" and len(shape) == 1:
        with pytest.raises(InputError, match="is for pictures of 8 x 8 pixels or more"):
            NETWORKS[name](shape, 4)
        return
    network = NETWORKS[name](shape, 4)
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    network(x)  # running means
    save_model(tmp_path / "m", network)
    loaded, _ = load_model(tmp_path / "m")

    with no_grad():
        expected, found = network.eval()(x), loaded(x)
    assert expected.shape == (3, 4)
    np.testing.assert_array_equal(np.asarray(expected), np.asarray(found))


def test_pictures_that_are_too_small_are_refused():
    for name in ("lenet", "resnet"):
        with pytest.raises(InputError, match=r"8 x 8 pixels or more.*: the shape \(1, 7, 9\)"):
            NETWORKS[name]((1, 7, 9), 2)
