"""Hooks on modules beside PyTorch's: what they are told, and what they may put in its place."""

import numpy as np
import pytest

from clearprop import Tensor, compile, nn

X = np.random.default_rng(0).normal(size=(3, 4))
EXECUTORS = ["", "numpy", "llvm"]


class Two(nn.Module):
    """Two inputs of different shapes, two outputs."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(np.array([1.0, 2.0, 3.0, 4.0]))

    def forward(self, x, y, flag=True):
        return x * self.scale + y, (x * y).sum(axis=1) if flag else x


def two_of_torch(torch):
    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64))

        def forward(self, x, y, flag=True):
            return x * self.scale + y, (x * y).sum(dim=1) if flag else x

    return Theirs()


def gradients(model, x, y):
    """Run a model under every kind of hook; return what came out and what the hooks saw."""
    seen = []

    def arrays(grads):
        return [None if g is None else np.asarray(g.detach() if hasattr(g, "detach") else g) for g in grads]

    def before(module, args):
        return args[0] * 2, args[1]

    def after(module, args, output):
        return output[0] + 1, output[1]

    def arriving(module, grads):
        seen.append(arrays(grads))
        return grads[0] * 3, grads[1]

    def backward(module, inputs, outputs):
        seen.append(arrays((*inputs, *outputs)))
        return inputs[0] * 5, inputs[1]

    model.register_forward_pre_hook(before)
    model.register_forward_hook(after)
    model.register_full_backward_pre_hook(arriving)
    model.register_full_backward_hook(backward)
    a, b = model(x, y)
    ((a**2).sum() + b.sum()).backward()
    return [x.grad, y.grad, model.scale.grad, *(g for part in seen for g in part)]


def test_like_pytorch():
    torch = pytest.importorskip("torch")
    y = X[0]
    ours = gradients(Two(), Tensor(X), Tensor(y))
    theirs = gradients(two_of_torch(torch), *(torch.tensor(v, requires_grad=True) for v in (X, y)))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-12)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_in_a_step(executor):
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh()).double()

    def step(x):
        model.zero_grad()
        (model(x) ** 2).sum().backward()
        return model[0].weight.grad

    def eager(x):
        return np.array(step(x))

    run = compile(step, executor=executor) if executor else step
    results = []
    for hook in (None, lambda m, given, out: out * 0.5):
        handle = model[0].register_forward_hook(hook) if hook else None
        back = (
            model[1].register_full_backward_hook(lambda m, i, o: (np.clip(i[0], -0.1, 0.1),))
            if hook
            else None
        )
        for k in range(3):
            np.testing.assert_allclose(np.asarray(run(X + k)), eager(X + k), rtol=1e-9, atol=1e-12)
        results.append(np.asarray(run(X)))
        for h in filter(None, (handle, back)):
            h.remove()
    np.testing.assert_allclose(np.asarray(run(X)), results[0], rtol=1e-9)
    assert not np.allclose(*results)
    assert model[0]._hooks is None


def test_keywords_and_order():
    with pytest.raises(TypeError, match="wants a function"):
        nn.Identity().register_forward_hook(3)
    model, seen = nn.Identity(), []
    model.register_forward_hook(lambda *a: seen.append("b"))
    model.register_forward_hook(lambda *a: seen.append("a"), prepend=True)
    model.register_forward_pre_hook(lambda m, args, kwargs: ((args[0] + 1,), kwargs), with_kwargs=True)
    assert model(np.zeros(1)) == 1
    assert seen == ["a", "b"]


def test_no_gradient_no_gate():
    model = Two()
    model.register_full_backward_hook(lambda m, i, o: None)
    with pytest.raises(TypeError, match="wants inputs of one dtype"):
        model(Tensor(X), Tensor(X[0].astype(np.float32)))
    grads = []
    model.register_full_backward_hook(lambda m, i, o: grads.append((i, o)))
    model(X, X[0])[0].sum().backward()
    assert grads[0][0] == (None, None)
    np.testing.assert_array_equal(grads[0][1][0], np.ones((3, 4)))
    assert grads[0][1][1] is None  # it is of arrays alone


def test_state_hooks():
    model = nn.Sequential(nn.Linear(2, 1))

    def saved(module, state, prefix, _):
        state[prefix + "kernel"] = state.pop(prefix + "weight")

    def loading(module, state, prefix, *_):
        state[prefix + "weight"] = state.pop(prefix + "kernel")

    loaded = []
    model[0].register_state_dict_post_hook(saved)
    model[0].register_load_state_dict_pre_hook(loading)
    model.register_load_state_dict_post_hook(lambda module, keys: loaded.append(keys))
    state = model.state_dict()
    assert sorted(state) == ["0.bias", "0.kernel"]
    state["0.kernel"] = np.array([[5.0, 6.0]])
    model.load_state_dict(state)
    assert "0.kernel" in state
    assert model[0].weight.value.tolist() == [[5, 6]]
    assert loaded[0].missing_keys == []


def test_a_hook_on_the_output_comes_before_the_layers_own():
    layer, told = nn.Tanh(), []
    layer.register_full_backward_hook(lambda module, i, o: told.append(("layer", o[0].copy())))
    x = Tensor(X)
    y = layer(x)
    y.register_hook(lambda g: told.append(("output", g.copy())) or 3 * g)
    y.sum().backward()

    assert [who for who, _ in told] == ["output", "layer"]
    np.testing.assert_array_equal(told[1][1], 3 * np.ones_like(X))
