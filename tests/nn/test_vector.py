"""Parameters as one vector, modules called with other numbers, and modules stacked."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, compile, nn, optim
from clearprop.compiler.step import available_executors

X = np.random.default_rng(0).normal(size=(5, 2))
EXECUTORS = (None, *available_executors())  # None: eager


def model():
    clearprop.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double()


def test_a_vector_and_back():
    m = model()
    v = nn.parameters_to_vector(m.parameters())
    assert v.shape == (m.count_parameters(),)
    (v**2).sum().backward()
    assert np.array_equal(m[0].bias.grad, 2 * m[0].bias.value)

    nn.vector_to_parameters(2 * v.value, m.parameters())
    np.testing.assert_allclose(nn.parameters_to_vector(m.parameters()).value, 2 * v.value)


@pytest.mark.parametrize("size", [12, 14])
def test_a_vector_of_another_size_changes_nothing(size):
    m = model()
    before = m.state_dict()
    with pytest.raises(ValueError, match="wants a vector of 13 numbers"):
        nn.vector_to_parameters(np.zeros(size), m.parameters())
    assert all(np.array_equal(v, before[k]) for k, v in m.state_dict().items())


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", ["", "numpy", "llvm"])
def test_an_inner_step_is_differentiated_through(executor):
    m, optimizer_of = model(), lambda m: optim.SGD(m.parameters(), lr=0.0)
    params = dict(m.named_parameters())

    def outer(x):
        optimizer_of(m).zero_grad()
        loss = (nn.functional_call(m, params, x) ** 2).mean()
        loss.backward(create_graph=True)
        inner = {k: p - 0.1 * p.grad for k, p in params.items()}
        for p in params.values():
            p.grad = None
        (nn.functional_call(m, inner, x) ** 2).mean().backward()
        return [p.grad for p in params.values()]

    found = (compile(outer, executor=executor) if executor else outer)(X)
    found = [np.asarray(g.value if isinstance(g, Tensor) else g) for g in found]

    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)).double()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in m.state_dict().items()})
    named, x = dict(theirs.named_parameters()), torch.tensor(X)
    slopes = torch.autograd.grad((theirs(x) ** 2).mean(), list(named.values()), create_graph=True)
    inner = {k: p - 0.1 * g for (k, p), g in zip(named.items(), slopes, strict=True)}
    loss = (torch.func.functional_call(theirs, inner, x) ** 2).mean()
    for a, b in zip(found, torch.autograd.grad(loss, list(named.values())), strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-10)


def test_the_module_is_as_before():
    m = model()
    own = dict(m.named_parameters())
    with pytest.raises(ValueError, match="wants 2 features"):
        nn.functional_call(m, {"2.bias": Tensor([9.0])}, np.ones((1, 7)))
    assert all(p is own[k] for k, p in m.named_parameters())


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight
        self.register_buffer("shift", np.array([1.0, 2.0]))

    def forward(self, x, scale=1.0):
        return scale * self.second(self.first(x)) + self.shift


@pytest.mark.parametrize("path", ["first.weight", "second.weight"])
def test_one_path_of_a_shared_parameter_stands_for_all(path):
    w = Tensor(2 * np.eye(2))
    y = nn.functional_call(Tied(), [{path: w}, {"shift": np.zeros(2)}], (np.ones((1, 2)),), {"scale": 3.0})
    assert np.array_equal(y.value, [[12.0, 12.0]])


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2, bias=False)
        self.again = self.first

    def forward(self, x):
        return self.again(self.first(x))


def test_a_module_under_two_names_is_reached_by_either():
    m, w = Twice(), 2 * np.eye(2)
    for values in ({"first.weight": w}, {"again.weight": w}, {"first.weight": w, "again.weight": w.copy()}):
        assert np.array_equal(nn.functional_call(m, values, np.ones((1, 2))).value, [[4.0, 4.0]])
    own = m(np.ones((1, 2))).value
    assert np.array_equal(nn.functional_call(m, m.state_dict(), np.ones((1, 2))).value, own)
    for other in (w + 1, Tensor(w)):
        with pytest.raises(ValueError, match="wants one value for"):
            nn.functional_call(m, {"first.weight": w, "again.weight": other}, np.ones((1, 2)))


@pytest.mark.parametrize(
    ("values", "error", "text"),
    [
        ({"2.weights": X}, KeyError, "it has 0.weight"),
        ({"7.weight": X}, KeyError, "it has 0.weight"),
        ({"2.weight": np.ones((1, 4))}, ValueError, r"of shape \(1, 3\)"),
    ],
)
def test_refused(values, error, text):
    with pytest.raises(error, match=text):
        nn.functional_call(model(), values, X)


def test_stacked():
    models = [nn.BatchNorm1d(2), nn.BatchNorm1d(2)]
    params, buffers = nn.stack_module_state(models)
    assert {k: v.shape for k, v in params.items()} == {"weight": (2, 2), "bias": (2, 2)}
    assert buffers["num_batches_tracked"].shape == (2,)
    assert params["weight"].requires_grad
    assert not buffers["running_mean"].requires_grad
    for wrong in ([], [nn.Linear(1, 2), nn.Linear(1, 3)]):
        with pytest.raises(ValueError, match="the same names, shapes and dtypes"):
            nn.stack_module_state(wrong)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_ensemble_learns_as_its_members_do(executor):
    """The members are one vmapped call of one of them, in a compiled step as well."""
    clearprop.manual_seed(1)
    models = [nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)).double() for _ in range(3)]
    params, buffers = nn.stack_module_state(models)
    optimizer = optim.AdamW(list(params.values()), lr=0.1)

    def step(x):
        optimizer.zero_grad()
        one = clearprop.vmap(lambda p, b, x: nn.functional_call(models[0], [p, b], x), (0, 0, None))
        loss = (one(params, buffers, x) ** 2).mean((1, 2)).sum()
        loss.backward()
        optimizer.step()

    run = compile(step, executor=executor) if executor else step
    others = [optim.AdamW(m.parameters(), lr=0.1) for m in models]
    for n in range(4):
        run(X + n)
    for m, other in zip(models, others, strict=True):
        for n in range(4):
            other.zero_grad()
            (m(X + n) ** 2).mean().backward()
            other.step()
    for i, m in enumerate(models):
        for path, value in m.state_dict().items():
            np.testing.assert_allclose({**params, **buffers}[path].value[i], value, atol=1e-9, err_msg=path)


def test_statistics_that_are_an_array_cannot_follow():
    models = [nn.BatchNorm1d(2), nn.BatchNorm1d(2)]
    _, buffers = nn.stack_module_state(models)
    fixed = {k: v.value for k, v in buffers.items()}
    with pytest.raises(TypeError, match="an array that f assigns to"):
        clearprop.vmap(lambda b: nn.functional_call(models[0], b, X))(fixed)


def test_get_by_path():
    m = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    assert m.get_parameter("0.weight") is m[0].weight
    assert m.get_buffer("1.running_mean") is m[1].running_mean
    with pytest.raises(AttributeError, match="wants a Parameter"):
        m.get_parameter("1.running_mean")


# --- a module that holds other Tensors for a while knows what they stand for --------------------------------
class Held(nn.Module):
    """Weights in a list and a dict, a layer, and a buffer that is no leaf."""

    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList([np.full((2, 2), 0.5), np.full((2, 2), 0.25)])
        self.scales = nn.ParameterDict({"a": np.array([1.5, 2.0])})
        self.layer = nn.Linear(2, 2).double()
        self.seen = nn.Buffer(np.ones(2))

    def forward(self, x):
        for w in [*self.weights, *self.weights[1:]]:
            x = np.tanh(x @ w)
        return self.layer(x) * self.scales["a"] * self.seen


def cube(m):
    return np.sum(m(X) ** 3)


def decay(m):
    return cube(m) + sum(np.sum(p**2) * len(name) for name, p in m.named_parameters())


def squares(m):
    return {name: p**2 for name, p in m.named_parameters()}


PENALTIES = {
    "forward": cube,
    "parameters()": decay,
    "leaves": lambda m: cube(m) + sum(np.sum(p**2) for p in clearprop.tree.leaves(m)),
    "flatten": lambda m: cube(m) * np.sum(clearprop.tree.flatten(m)[0] ** 2),
    "one vector": lambda m: cube(m) * np.sum(nn.parameters_to_vector(m.parameters()) ** 2),
    "get_parameter": lambda m: np.sum(m.get_parameter("layer.weight") ** 3) * m.count_parameters(),
    "nested grad": lambda m: sum(np.sum(g**2) for g in clearprop.grad(cube)(m).values()),
    "nested hvp": lambda m: np.sum(clearprop.hvp(cube)(m, squares(m))["weights.0"]),
    "checkpoint": lambda m: clearprop.checkpoint(cube)(m) * np.sum(m.weights[1]),
    "another call": lambda m: decay(m) * np.sum(nn.functional_call(m, {"scales.a": m.scales["a"] ** 2}, X)),
}  # fmt: skip


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", PENALTIES)
def test_gradients_by_a_module_reach_what_asks_it_for_its_parameters(name, executor):
    m, f = Held(), PENALTIES[name]
    vector, unflatten = clearprop.tree.flatten({k: p.value for k, p in m.named_parameters()})
    along = np.random.default_rng(0).normal(size=vector.shape)

    def at(step):
        nn.vector_to_parameters(vector + step * along, m.parameters())
        return float(f(m).value)

    slope = (at(1e-6) - at(-1e-6)) / 2e-6
    nn.vector_to_parameters(vector, m.parameters())
    found = (clearprop.compile(clearprop.grad(f), executor=executor) if executor else clearprop.grad(f))(m)

    assert [*found] == [*unflatten(vector)]
    np.testing.assert_allclose(clearprop.tree.flatten(found)[0].value @ along, slope, rtol=1e-6)
    assert all(isinstance(p, nn.Parameter) for p in m.parameters())


def test_a_rule_of_ones_own_is_used_for_a_module_that_is_differentiated_by():
    m = nn.Linear(2, 1).double()
    rule = lambda g, z, m, x: ({"weight": 7 * np.ones((1, 2)), "bias": np.ones(1)}, None)  # noqa: E731
    called = clearprop.custom_rule(lambda m, x: m(x), rule, check=False)

    for found in (
        clearprop.grad(lambda m: np.sum(called(m, X)))(m),
        clearprop.grad(lambda m: clearprop.grad(lambda x: np.sum(called(m, x) ** 2))(X)[0, 0] + m.bias[0])(m),
    ):
        assert [*found] == ["weight", "bias"]
    np.testing.assert_array_equal(
        clearprop.grad(lambda m: np.sum(called(m, X)))(m)["weight"].value, [[7.0, 7.0]]
    )


@pytest.mark.parametrize("compiled", [False, True])
def test_two_modules_of_which_one_lies_in_the_other_have_no_derivatives_apart(compiled):
    net, x = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)), np.ones((2, 3), np.float32)
    own = list(net.parameters())
    derivatives = clearprop.grad(lambda a, b, x: np.sum(a(x)) + np.sum(b[-1].weight), (0, 1))
    run = clearprop.compile(derivatives) if compiled else derivatives
    for a, b in [(net, net), (net, [net[1]]), (net[0], [net])]:
        with pytest.raises(ValueError, match=r"(?s)of which none is, or lies in, another.*At .*Try argnums"):
            run(a, b, x)
        assert all(p is q for p, q in zip(net.parameters(), own, strict=True))

    tied = nn.Sequential(nn.Linear(4, 1))
    tied[0].weight = net[1].weight  # a Parameter that two modules share, and each has its own place for
    by_net, by_tied = run(net, tied, x)
    assert np.allclose(by_tied["0.weight"].value, 1)
    alone = clearprop.grad(lambda a, x: np.sum(a(x)))(net, x)
    assert all(np.allclose(by_net[path].value, alone[path].value) for path in alone)


def test_examples_of_a_module_of_their_own():
    m = Held()
    many = {k: np.stack([p.value, 2 * p.value]) for k, p in m.named_parameters()}
    found = clearprop.vmap(lambda values: nn.functional_call(Whole(m), values))(
        {f"m.{k}": v for k, v in many.items()}
    )
    for i in range(2):
        wanted = nn.functional_call(Whole(m), {f"m.{k}": v[i] for k, v in many.items()})
        np.testing.assert_allclose(found[i], wanted.value)


class Whole(nn.Module):
    def __init__(self, m):
        super().__init__()
        self.m = m

    def forward(self):
        return decay(self.m)
