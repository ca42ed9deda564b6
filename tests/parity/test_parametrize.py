"""Weights computed from others, pruned weights and fused layers beside PyTorch's."""

import numpy as np
import pytest
from tests.parity.compare import Row, agree

from clearprop import Tensor, compile, gradcheck, manual_seed, nn, optim

torch = pytest.importorskip("torch")
pytest.importorskip("torch.nn.utils.prune")
rng = np.random.default_rng(4)
GIVEN = {
    "Linear": rng.normal(size=(5, 4)),
    "Conv1d": rng.normal(size=(2, 4, 6)),
    "Conv2d": rng.normal(size=(2, 4, 5, 4)),
    "ConvTranspose2d": rng.normal(size=(2, 4, 3, 3)),
    "Bilinear": rng.normal(size=(5, 4)),
    "LSTM": rng.normal(size=(3, 2, 4)),
    "Embedding": np.array([[1, 2], [0, 1]]),
}
ARGS = {
    "Linear": (4, 3), "Conv1d": (4, 3, 2), "Conv2d": (4, 3, 2), "ConvTranspose2d": (4, 3, 2),
    "LSTM": (4, 3), "Embedding": (4, 3),
}  # fmt: skip
NAMES = {"LSTM": "weight_hh_l0"}


def row(how, layer, *, size=None, second=True, moved=True, **options):
    def build(nn):
        made = getattr(nn, layer)(*(size or ARGS[layer]))
        return getattr(nn.utils.parametrizations, how)(made, NAMES.get(layer, "weight"), **options)

    x = GIVEN[layer] if size is None or layer != "Linear" else rng.normal(size=(5, size[0]))
    title = f"{how} {layer} {size or ''} {options}"
    return Row(
        title, getattr(nn, layer), f"nn.{layer}", (x,), build=build, second=second, moved=moved, rtol=1e-8
    )


def symmetric(nn):
    class Symmetric(nn.Module):
        def forward(self, x):
            return x + x.swapaxes(0, 1)

        def right_inverse(self, w):
            return w / 2

    class Doubled(nn.Module):
        def forward(self, x):
            return 2 * x

    layer = nn.Linear(4, 4)
    nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    nn.utils.parametrize.register_parametrization(layer, "weight", Doubled())
    return nn.Sequential(layer, nn.Tanh())


ROWS = [
    *(row("weight_norm", layer, second=False) for layer in ARGS),
    *(row("weight_norm", layer, dim=d, second=d in (None, 1) and layer != "Linear") for layer, d in
      (("Linear", 1), ("Linear", None), ("Conv2d", 1), ("Conv2d", 3), ("Conv1d", 2), ("Conv1d", None), ("ConvTranspose2d", 1))),
    *(row("spectral_norm", layer) for layer in ("Linear", "Conv1d", "Conv2d", "ConvTranspose2d")),
    *(row("spectral_norm", "Conv2d", dim=d, n_power_iterations=3) for d in (1, 3)),
    *(row("orthogonal", "Linear", size=s, moved=False, second=s[0] == s[1]) for s in ((4, 4), (4, 3), (3, 4))),
    *(row("orthogonal", "Linear", size=s, orthogonal_map=m, use_trivialization=t)
      for s in ((4, 4), (4, 3), (3, 4)) for m in ("matrix_exp", "cayley") for t in (False, True)),
    *(row("orthogonal", "Linear", size=s, orthogonal_map="householder", use_trivialization=False, moved=False, second=False) for s in ((4, 4), (4, 3), (3, 4))),
    row("orthogonal", "Conv2d", size=(4, 3, (3, 2)), moved=False, second=False),
    row("orthogonal", "LSTM", orthogonal_map="cayley"),
    Row("two of the user's own", nn.Linear, "nn.Linear", (GIVEN["Linear"],), build=symmetric),
]  # fmt: skip


# Where the axis is the first or the last, the second derivative of PyTorch's weight norm is not that of its own
# formula (2.13); the formula's is compared here instead.
@pytest.mark.parametrize("dim", [0, 1, 2, None])
def test_the_second_derivative_of_weight_norm(dim):
    norm = nn.utils.parametrizations.WeightNorm(dim)
    v = rng.normal(size=(3, 2, 4))
    gradcheck(lambda g, v: norm(g, v) ** 2, norm._norm(v), v, order=2)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_like_pytorch(row):
    agree(row)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_compiled_like_pytorch(row, executor):
    agree(row, np.float64, executor)


# --- pruning ------------------------------------------------------------------------------------------------
WEIGHTS = {
    layer: rng.normal(size=shape) for layer, shape in {"Linear": (3, 4), "Conv2d": (3, 4, 2, 2)}.items()
}
PRUNED = [
    ("Linear", [("l1_unstructured", {"amount": 0.3})]),
    ("Linear", [("l1_unstructured", {"amount": 5}), ("l1_unstructured", {"amount": 0.5})]),
    ("Conv2d", [("ln_structured", {"amount": 1, "n": 2, "dim": 0})]),
    ("Conv2d", [("ln_structured", {"amount": 0.5, "n": float("inf"), "dim": 1}), ("l1_unstructured", {"amount": 0.2})]),
    ("Conv2d", [("l1_unstructured", {"amount": 0.2}), ("ln_structured", {"amount": 0.3, "n": 1, "dim": -1})]),
    ("Linear", [("ln_structured", {"amount": 1, "n": -float("inf"), "dim": 1}), ("ln_structured", {"amount": 1, "n": 1, "dim": 1})]),
    ("Linear", [("identity", {})]),
]  # fmt: skip


def ours_and_theirs(layer):
    ours, theirs = getattr(nn, layer)(*ARGS[layer]).double(), getattr(torch.nn, layer)(*ARGS[layer]).double()
    theirs.weight.data = torch.tensor(WEIGHTS[layer])
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return ours, theirs


@pytest.mark.parametrize(("layer", "calls"), PRUNED)
def test_pruned_like_pytorch(layer, calls):
    ours, theirs = ours_and_theirs(layer)
    for name, options in calls:
        getattr(nn.utils.prune, name)(ours, "weight", **options)
        getattr(torch.nn.utils.prune, name)(theirs, "weight", **options)
    state = {k: v.numpy() for k, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    for name, value in ours.state_dict().items():
        np.testing.assert_array_equal(value, state[name], err_msg=name)
    nn.utils.prune.remove(ours, "weight")
    torch.nn.utils.prune.remove(theirs, "weight")
    assert list(ours.state_dict()) == list(theirs.state_dict())
    np.testing.assert_array_equal(ours.weight.value, theirs.weight.detach().numpy())


@pytest.mark.parametrize("twice", [False, True])
def test_pruned_together_like_pytorch(twice):
    pairs = [ours_and_theirs("Linear"), ours_and_theirs("Conv2d")]
    for prune, side in ((nn.utils.prune, 0), (torch.nn.utils.prune, 1)):
        places = [(pair[side], "weight") for pair in pairs]
        for _ in range(1 + twice):
            prune.global_unstructured(places, prune.L1Unstructured, amount=0.4)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours.weight_mask.value, theirs.weight_mask.numpy())


def test_random_pruning_and_masks():
    manual_seed(0)
    layer = nn.Linear(20, 30)
    nn.utils.prune.random_structured(layer, "weight", 0.5, 0)
    assert sorted(layer.weight_mask.value.sum(axis=1)) == [0] * 15 + [20] * 15
    nn.utils.prune.random_unstructured(layer, "weight", 0.1)
    assert layer.weight_mask.value.sum() == 270
    nn.utils.prune.custom_from_mask(layer, "bias", np.arange(30) % 2)
    assert not np.any(layer.bias.value[::2])
    assert nn.utils.prune.is_pruned(nn.Sequential(layer))

    class EverySecond(nn.utils.prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t, default_mask):
            mask = default_mask.copy()
            mask[::2] = 0
            return mask

    EverySecond.apply(layer, "weight")
    assert layer.weight_mask.value.sum() == 135


@pytest.mark.parametrize("executor", ["", "numpy", "llvm"])
def test_what_is_pruned_stays_0_in_training(executor):
    manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))
    nn.utils.prune.l1_unstructured(model[0], "weight", 0.5)
    gone, x = model[0].weight_mask.value == 0, GIVEN["Linear"].astype(np.float32)
    optimizer = optim.Adam(model.parameters(), lr=0.05)

    def step(x, y):
        optimizer.zero_grad()
        loss = nn.MSELoss()(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = compile(step, executor=executor) if executor else step
    losses = [float(run(x, x[:, :1] ** 2)) for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]
    assert not np.any(model[0].weight.value[gone])
    nn.utils.prune.l1_unstructured(model[0], "weight", 4)  # the plan has to see the new mask
    again = float(run(x, x[:, :1] ** 2))
    assert again != losses[-1]
    assert (model[0].weight.value == 0).sum() == gone.sum() + 4


# --- what is set, removed, kept -----------------------------------------------------------------------------
@pytest.mark.parametrize("how", ["weight_norm", "spectral_norm", "orthogonal"])
@pytest.mark.parametrize("size", [(4, 4), (4, 3), (3, 4)])
def test_a_weight_that_is_set_and_removed(how, size):
    q = np.linalg.svd(rng.normal(size=(size[1], size[0])), full_matrices=False)
    value = q[0] @ q[2]  # of norm 1, and orthonormal
    layer = nn.Linear(*size).double()
    assert getattr(nn.utils.parametrizations, how)(layer) is layer
    layer.weight = value
    for _ in range(200):
        layer.weight
    np.testing.assert_allclose(layer.weight.value, value, atol=1e-9)
    nn.utils.parametrize.remove_parametrizations(layer, "weight")
    np.testing.assert_allclose(layer.weight.value, value, atol=1e-9)
    assert list(layer.state_dict()) == ["bias", "weight"]
    assert not nn.utils.parametrize.is_parametrized(layer)
    assert layer.weight.requires_grad


def test_orthogonal_stays_so_in_training():
    manual_seed(0)
    for chosen in nn.utils.parametrizations.MAPS:
        layer = nn.utils.parametrizations.orthogonal(nn.Linear(3, 5).double(), orthogonal_map=chosen)
        optimizer = optim.SGD(layer.parameters(), lr=0.3)

        def step(x, y, layer=layer, optimizer=optimizer):
            optimizer.zero_grad()
            loss = nn.MSELoss()(layer(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = compile(step)
        start = layer.weight.value
        for _ in range(20):
            run(GIVEN["Linear"][:, :3], np.ones((5, 5)))
        w = layer.weight.value
        np.testing.assert_allclose(w.T @ w, np.eye(3), atol=1e-12)
        assert np.abs(w - start).max() > 0.05


def test_computed_once_inside_of_cached():
    calls = []

    class Counted(nn.Module):
        def forward(self, x):
            calls.append(1)
            return x * 2

    layer = nn.utils.parametrize.register_parametrization(nn.Linear(2, 2), "weight", Counted())
    calls.clear()
    with nn.utils.parametrize.cached():
        first = layer.weight
        assert layer.weight is first
        assert len(calls) == 1
        (first * first).sum().backward()
        optim.SGD(layer.parameters(), lr=0.1).step()
        assert layer.weight is not first  # the numbers are others now
    assert len(calls) == 2
    assert layer.weight is not layer.weight


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_batch_norm_melts_into_its_convolution(transpose, groups):
    manual_seed(0)
    kind = nn.ConvTranspose2d if transpose else nn.Conv2d
    conv, norm, x = (
        kind(4, 6, 2, groups=groups, bias=groups == 1).double(),
        nn.BatchNorm2d(6).double(),
        GIVEN["Conv2d"],
    )
    for k in range(3):
        norm(conv(x + k))
    conv.eval(), norm.eval()
    fused = nn.utils.fuse_conv_bn_eval(conv, norm, transpose)
    np.testing.assert_allclose(fused(x).value, norm(conv(x)).value, rtol=1e-9, atol=1e-12)
    linear, norm = nn.Linear(4, 6).eval(), nn.BatchNorm1d(6).eval()
    y = GIVEN["Linear"].astype(np.float32)
    np.testing.assert_allclose(
        nn.utils.fuse_linear_bn_eval(linear, norm)(y).value, norm(linear(y)).value, atol=1e-6
    )


P = nn.utils.parametrizations


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: P.weight_norm(nn.Linear(2, 3), dim=2), ValueError, "wants an axis of"),
        (lambda: P.weight_norm(nn.Tanh()), ValueError, "wants a module with a Tensor weight"),
        (lambda: P.spectral_norm(nn.Linear(2, 3), n_power_iterations=0), ValueError, "wants 1 or more"),
        (lambda: P.orthogonal(nn.Linear(2, 3), orthogonal_map="qr"), ValueError, "is one of matrix_exp"),
        (lambda: P.orthogonal(nn.BatchNorm1d(3)), ValueError, "two or more axes"),
        (
            lambda: nn.utils.parametrize.register_parametrization(nn.Linear(2, 3), "weight", nn.Flatten(0)),
            ValueError,
            "a result like the Tensor",
        ),
        (
            lambda: nn.utils.parametrize.register_parametrization(nn.Linear(2, 3), "kernel", nn.Tanh()),
            ValueError,
            "it has weight, bias",
        ),
        (
            lambda: nn.utils.parametrize.remove_parametrizations(nn.Linear(2, 3), "weight"),
            ValueError,
            "is not parametrized",
        ),
        (
            lambda: nn.utils.parametrize.remove_parametrizations(
                P.weight_norm(nn.Linear(2, 3)), "weight", False
            ),
            ValueError,
            "2 originals",
        ),
        (lambda: nn.utils.prune.l1_unstructured(nn.Linear(2, 3), "weight", 7), ValueError, "wants at most 6"),
        (
            lambda: nn.utils.prune.l1_unstructured(nn.Linear(2, 3), "weight", 1.5),
            ValueError,
            "wants at most 1.0, a share",
        ),
        (lambda: nn.utils.prune.random_unstructured(nn.Linear(2, 3), "weight", -1), ValueError, "0 or more"),
        (
            lambda: nn.utils.prune.ln_structured(nn.Linear(2, 3), "bias", 1, 2, 0),
            ValueError,
            "two or more axes",
        ),
        (
            lambda: nn.utils.prune.custom_from_mask(nn.Linear(2, 3), "weight", np.ones(3)),
            ValueError,
            "wants shape",
        ),
        (lambda: nn.utils.prune.remove(nn.Linear(2, 3), "weight"), ValueError, "is not pruned"),
        (
            lambda: setattr(nn.utils.prune.identity(nn.Linear(2, 3), "weight"), "weight", np.ones(3)),
            TypeError,
            "is pruned",
        ),
        (
            lambda: nn.utils.prune.global_unstructured(
                [(nn.Linear(2, 3), "weight")], nn.utils.prune.LnStructured, amount=1, n=2
            ),
            TypeError,
            "an unstructured method",
        ),
        (
            lambda: nn.utils.fuse_conv_bn_eval(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)),
            ValueError,
            "both in evaluation",
        ),
        (
            lambda: nn.utils.fuse_conv_bn_eval(nn.Conv2d(1, 2, 3).eval(), nn.BatchNorm2d(3).eval()),
            ValueError,
            "2 channels",
        ),
        (lambda: nn.utils.skip_init(np.array), TypeError, "a class of Modules"),
    ],
)
def test_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_gradients_pass_to_a_mask_that_needs_none():
    layer = nn.utils.prune.l1_unstructured(nn.Linear(2, 3), "weight", 0.5)
    (layer(Tensor(np.ones((1, 2), np.float32))) ** 2).sum().backward()
    assert layer.weight_mask.grad is None
    assert np.array_equal(layer.weight_orig.grad == 0, layer.weight_mask.value == 0)


def test_a_value_that_no_original_is_known_to_give_is_refused():
    """A parametrization that doubles gave twice the value that was set."""
    from clearprop import nn
    from clearprop.nn.utils import parametrize

    class Double(nn.Module):
        def forward(self, x):
            return 2 * x

    layer = nn.Linear(3, 3)
    parametrize.register_parametrization(layer, "weight", Double())
    before = np.array(layer.weight.value)
    with pytest.raises(RuntimeError, match=r"(?s)Linear\.weight.*right_inverse.*Try"):
        layer.weight = np.ones((3, 3))
    np.testing.assert_array_equal(layer.weight.value, before)
