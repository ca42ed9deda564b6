"""Layers for tables: pieces of numbers, vectors of categories, members that share weights."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, gradcheck, nn, optim


def features():
    return nn.TableFeatures(3, edges={0: [0.0, 1.0, 3.0], 2: [-1.0, 1.0]}, codes=[1], sizes=[4], embedding=2)


def test_a_number_in_pieces_goes_on_beyond_its_ends():
    layer = features()
    x = np.array([[-2.0, 0, 0.0], [0.5, 1, 3.0], [2.0, 2, -3.0], [7.0, 3, 1.0]], np.float32)
    out = np.asarray(layer(x).value)

    np.testing.assert_allclose(out[:, 2:4], [[-2, 0], [0.5, 0], [1, 0.5], [1, 3]])
    np.testing.assert_allclose(out[:, 4], [0.5, 2, -1, 1])
    np.testing.assert_array_equal(out[:, :2], x[:, [0, 2]])
    np.testing.assert_array_equal(out[:, 5:], layer.table.value)
    assert layer.places == [0, 2, 0, 0, 2, 1, 1]
    assert layer.out_features == 7 == out.shape[1]


def test_the_pieces_of_a_number_add_up_to_where_it_lies():
    edges = np.sort(np.random.default_rng(0).normal(size=9))
    layer = nn.TableFeatures(1, edges={0: edges.tolist()})
    x = np.linspace(edges[0], edges[-1], 50, dtype=np.float32)[:, None]
    pieces = np.asarray(layer(x).value)[:, 1:]

    np.testing.assert_allclose(edges[0] + pieces @ np.diff(edges), x[:, 0], atol=1e-5)


def test_the_vector_of_what_was_never_seen_is_nothing():
    layer = nn.TableFeatures(1, codes=[0], sizes=[3], embedding=4)
    assert np.all(layer.table.value[:2] != 0)
    assert not layer.table.value[2].any()


@pytest.mark.parametrize("given", [{"codes": [5], "sizes": [2]}, {"codes": [0]}, {"edges": {-1: [0.0, 1.0]}}])
def test_places_that_there_are_not_are_refused(given):
    with pytest.raises(ValueError, match="wants places below 3"):
        nn.TableFeatures(3, **given)


@pytest.mark.parametrize("sizes", [(0, 3, 2), (3, 0, 2), (3, 2, 0), (3, 2, 1.5)])
def test_sizes_below_one_are_refused(sizes):
    with pytest.raises(ValueError, match="MemberLinear"):
        nn.MemberLinear(*sizes)


def test_members_are_the_linear_layers_that_their_scales_say():
    clearprop.manual_seed(0)
    layer = nn.MemberLinear(3, 2, members=4)
    x = np.random.default_rng(1).normal(size=(4, 5, 3)).astype(np.float32)
    w, r, s, b = (
        np.asarray(p.value) for p in (layer.weight, layer.input_scale, layer.output_scale, layer.bias)
    )

    for i, out in enumerate(np.asarray(layer(x).value)):
        whole = s[i].T * w * r[i]
        np.testing.assert_allclose(out, x[i] @ whole.T + b[i], rtol=1e-5, atol=1e-6)
    assert set(np.unique(r)) == {-1.0, 1.0}


def test_the_last_layer_of_members_shares_nothing():
    layer = nn.MemberLinear(3, 2, members=4, shared=False)
    x = np.ones((5, 3), np.float32)
    assert layer.weight.shape == (4, 3, 2)
    np.testing.assert_allclose(layer(x).value[2], x @ layer.weight.value[2] + layer.bias.value[2], rtol=1e-6)


def test_the_mean_is_of_probabilities_and_each_members_own_while_training():
    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    shares = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    mean = nn.MemberMean("probabilities")
    assert mean(x).shape == (3, 4, 2)

    np.testing.assert_allclose(np.exp(mean.eval()(x)), shares.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(nn.MemberMean("values").eval()(x), x.mean(axis=0), rtol=1e-12)
    with pytest.raises(ValueError, match="values or probabilities"):
        nn.MemberMean("votes")


def network():
    return nn.Sequential(
        features(), nn.MemberLinear(7, 6, 3, first=True), nn.Tanh(), nn.MemberLinear(6, 5, 3), nn.Tanh(),
        nn.MemberLinear(5, 2, 3, shared=False), nn.MemberMean("probabilities"),
    )  # fmt: skip


@pytest.mark.parametrize("training", [True, False])
def test_gradients_of_first_and_second_order(training):
    clearprop.manual_seed(1)
    model = network().double().train(training)
    x = np.array([[0.4, 1, 0.3], [2.2, 3, -0.4]])
    rows = Tensor(x[:, [0, 2]])

    def outputs(numbers):
        whole = np.concatenate([numbers[:, :1], x[:, 1:2], numbers[:, 1:]], axis=1)
        return np.sum(np.sin(model(whole)))

    assert gradcheck(outputs, rows.value)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_a_step_is_one_program_and_gives_the_same(executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(size=32), rng.integers(0, 4, 32), rng.normal(size=32)], axis=1).astype(
        np.float32
    )
    y = rng.integers(0, 2, 32)
    ends = []
    for compiled in (False, True):
        clearprop.manual_seed(2)
        model = network()
        optimizer = optim.AdamW(model.parameters(), lr=0.01)

        def step(x, y, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x).reshape(3 * 32, 2), np.tile(y, 3))
            loss.backward()
            optimizer.step()
            return loss

        run = clearprop.compile(step, executor=executor) if compiled else step
        ends.append([float(run(x, y)) for _ in range(6)])
    np.testing.assert_allclose(ends[0], ends[1], rtol=2e-5)
    assert ends[0][-1] < ends[0][0]


def test_scales_of_one_beside_random_weights_are_no_symmetry():
    clearprop.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    x[:, 1] = np.arange(64) % 4
    model = network().eval()
    found = clearprop.doctor(model, (x, (x[:, 0] > 0).astype(int)), nn.CrossEntropyLoss())
    assert "symmetric initialisation" not in found.names
