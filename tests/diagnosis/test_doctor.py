"""doctor(model, data): each disease is named where it sits, and a healthy model has none."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, doctor, nn, optim
from clearprop.nn import functional as F
from clearprop.ops.random import get_rng_state


@pytest.fixture(scope="module")
def digits():
    """Handwritten digits, 8 x 8, scaled to 0 to 1."""
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y


@pytest.fixture(autouse=True)
def _seeded():
    clearprop.manual_seed(0)


def network(activation=nn.ReLU, sizes=(64, 32, 10)):
    layers = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), activation()]
    return nn.Sequential(*layers[:-1])


def fill(parameter, value):
    clearprop.assign(parameter, np.full(parameter.shape, value, parameter.dtype))


# --- no false alarms ----------------------------------------------------------------------------------------
OPTIMIZERS = {
    "Adam": lambda p: optim.Adam(p, lr=1e-3),
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.01, momentum=0.9),
}


@pytest.mark.parametrize(
    ("activation", "sizes", "made"),
    [
        (nn.ReLU, (64, 32, 10), "Adam"),
        (nn.ReLU, (64, 32, 32, 32, 10), "momentum"),
        (nn.Tanh, (64, 32, 10), "SGD"),
        (nn.Tanh, (64, 32, 32, 32, 10), "Adam"),
        (nn.Sigmoid, (64, 32, 10), "Adam"),
        (nn.Sigmoid, (64, 32, 32, 10), "SGD"),
        (nn.GELU, (64, 32, 10), "momentum"),
        (nn.ReLU, (64, 10), "SGD"),
    ],
)
def test_a_healthy_digits_network_has_no_finding(digits, activation, sizes, made):
    model = network(activation, sizes)

    report = doctor(model, digits, optimizer=OPTIMIZERS[made](model.parameters()))

    assert report.healthy, report
    assert "No finding" in str(report)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_a_trained_network_has_no_finding(digits, activation):
    model = network(activation)
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    clearprop.train.fit(model, nn.CrossEntropyLoss(), digits, epochs=5, optimizer=optimizer, progress=False)

    report = doctor(model, digits, optimizer=optimizer)

    assert report.healthy, report


def test_healthy_networks_of_other_kinds_have_no_finding(digits):
    x, y = digits
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(300, 5)).astype(np.float32)
    target = (numbers @ generator.normal(size=(5, 1)) + 0.1).astype(np.float32)
    twenty = network(nn.ReLU, (64, *[64] * 8, 10))
    cases = [
        (nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1)), (numbers, target), nn.MSELoss()),
        (nn.Linear(5, 1), (numbers, target), None),
        (nn.Sequential(nn.Linear(64, 32), nn.Dropout(0.5), nn.ReLU(), nn.Linear(32, 10)), (x, y), None),
        (nn.Sequential(*network().children(), nn.LogSoftmax()), (x, y), nn.NLLLoss()),
        (
            nn.Sequential(nn.Linear(64, 1), nn.Flatten(0)),
            (x, (y > 4).astype(np.float32)),
            nn.BCEWithLogitsLoss(),
        ),
        (twenty, (x, y), None),
        (network().double(), (x.astype(np.float64), y), None),
    ]
    for model, data, loss in cases:
        optimizer = optim.Adam(model.parameters(), lr=1e-3)

        report = doctor(model, data, loss, optimizer)

        assert report.healthy, (model, report)


def test_a_data_loader_will_do_and_keeps_its_order(digits):
    loader = clearprop.data.DataLoader(digits, batch_size=64, shuffle=True, seed=1)
    same = clearprop.data.DataLoader(digits, batch_size=64, shuffle=True, seed=1)

    assert doctor(network(), loader).healthy
    assert np.array_equal(next(iter(loader))[1], next(iter(same))[1])
    assert doctor(network(), iter([(digits[0][i : i + 64], digits[1][i : i + 64]) for i in (0, 64)])).healthy


# --- one disease at a time ----------------------------------------------------------------------------------
def only(report, name):
    """The one finding of that name."""
    found = [f for f in report.findings if f.name == name]
    assert len(found) == 1, report
    return found[0]


def test_a_chain_of_152_sigmoids_vanishes_at_layer_1(digits):
    layers = []
    for i in range(152):
        layers += [nn.Linear(16 if i else 64, 16), nn.Sigmoid()]
    model = nn.Sequential(*layers, nn.Linear(16, 10))

    report = doctor(model, digits)

    assert report.names == ("vanishing",)
    assert "vanishing at layer 1 (0)" in str(report)
    assert report.findings[0].node is model[0].weight
    assert "shrinks layer by layer" in report.findings[0].measured


def test_a_chain_of_152_sigmoids_of_one_unit_in_float64_says_by_how_much():
    class Chain(nn.Module):
        def __init__(self):
            super().__init__()
            self.links = nn.ModuleList([nn.Linear(1, 1, dtype=np.float64) for _ in range(152)])

        def forward(self, x):
            for link in self.links:
                x = clearprop.sigmoid(link(x))
            return x

    x = np.linspace(-1, 1, 32).reshape(-1, 1)

    finding = only(doctor(Chain(), (x, x / 2)), "vanishing")

    assert finding.where == "layer 1 (links.0)"
    assert "e-1" in finding.measured


def test_activations_that_explode(digits):
    layers = [nn.Linear(64, 64) for _ in range(20)]
    for layer in layers:
        clearprop.assign(layer.weight, layer.weight.value * 8)

    finding = only(doctor(nn.Sequential(*layers, nn.Linear(64, 10)), digits), "exploding")

    assert finding.where.startswith("layer 2")
    assert "times that of layer 1" in finding.measured


def test_a_module_that_forward_forgets(digits):
    class Forgetful(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.extra = network(), nn.Linear(3, 3)

        def forward(self, x):
            return self.used(x)

    model = Forgetful()

    finding = only(doctor(model, digits), "parameter never used")

    assert finding.where == "extra.weight, extra.bias"
    assert finding.node is model.extra.weight


def test_dead_units_and_the_zero_gradients_they_make(digits):
    model = network()
    fill(model[0].bias, -100)

    report = doctor(model, digits)

    assert report.names == ("gradient exactly zero", "dead units")
    assert only(report, "dead units").where == "1 (relu)"
    assert "32 of 32 ReLU units are 0 for all 512 rows" in only(report, "dead units").measured
    assert only(report, "gradient exactly zero").where == "0.weight, 0.bias, 2.weight"


def test_saturated_units(digits):
    model = network(nn.Tanh)
    clearprop.assign(model[0].weight, model[0].weight.value * 1000)

    assert only(doctor(model, digits), "saturated units").where == "1 (tanh)"


@pytest.mark.parametrize("value", [0.0, 0.05])
def test_symmetric_initialisation(digits, value):
    model = network()
    fill(model[0].weight, value)

    finding = only(doctor(model, digits), "symmetric initialisation")

    assert finding.where == "0.weight, layer 1 (0)"
    assert finding.node is model[0].weight


def test_a_last_layer_of_zeros_is_no_disease(digits):
    model = nn.Sequential(nn.Linear(64, 10))
    fill(model[0].weight, 0.0)

    assert doctor(model, digits).healthy


@pytest.mark.parametrize(("make", "name"), [
    (lambda p: optim.SGD(p, lr=100.0), "learning rate too high"),
    (lambda p: optim.Adam(p, lr=10.0), "learning rate too high"),
    (lambda p: optim.SGD(p, lr=1e-6), "learning rate too low"),
    (lambda p: optim.Adam(p, lr=1e-7), "learning rate too low"),
])  # fmt: skip
def test_learning_rates(digits, make, name):
    model = network()

    report = doctor(model, digits, optimizer=make(model.parameters()))

    assert report.names == (name,)
    assert "20 steps take the loss from" in report.findings[0].measured
    assert "Try" not in report.findings[0].attempt
    assert report.findings[0].attempt.startswith("lr=")


def test_parameters_that_the_optimizer_does_not_know(digits):
    model = network()

    finding = only(
        doctor(model, digits, optimizer=optim.Adam(model[0].parameters())),
        "parameters the optimizer does not know",
    )

    assert finding.where == "2.weight, 2.bias"


def test_gradients_that_have_piled_up(digits):
    model, loss = network(), nn.CrossEntropyLoss()
    x, y = digits
    for _ in range(30):
        loss(model(x[:32]), y[:32]).backward()

    assert only(doctor(model, digits), "zero_grad() forgotten").where == "the gradients in the model"


@pytest.mark.parametrize("made", OPTIMIZERS)
@pytest.mark.parametrize("rows", [1, 8, 32, 128])
@pytest.mark.parametrize("forgets", [True, False], ids=["forgets", "careful"])
def test_twenty_steps_without_zero_grad_are_told_from_twenty_with_it(digits, made, rows, forgets):
    model, loss = network(), nn.CrossEntropyLoss()
    optimizer = OPTIMIZERS[made](model.parameters())
    generator = np.random.default_rng(rows)
    for _ in range(20):
        chosen = generator.integers(0, len(digits[0]), rows)
        if not forgets:
            optimizer.zero_grad()
        loss(model(digits[0][chosen]), digits[1][chosen]).backward()
        optimizer.step()

    assert ("zero_grad() forgotten" in doctor(model, digits).names) is forgets


def test_a_step_that_forgets_zero_grad_is_found_for_certain_and_leaves_no_trace(digits):
    model, loss = nn.Sequential(nn.Linear(64, 32), nn.Dropout(0.2), nn.Linear(32, 10)), nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters())
    before = {k: v.tobytes() for k, v in model.state_dict().items()}
    state = get_rng_state()

    def forgetful(x, y):
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value

    def careful(x, y):
        optimizer.zero_grad()
        return forgetful(x, y)

    assert (
        only(doctor(model, digits, optimizer=optimizer, step=forgetful), "zero_grad() forgotten").where
        == "step(x, y)"
    )
    assert doctor(model, digits, optimizer=optimizer, step=careful).healthy
    assert {k: v.tobytes() for k, v in model.state_dict().items()} == before
    assert not optimizer.state
    assert np.array_equal(get_rng_state(), state)
    assert all(p.grad is None for p in model.parameters())


def test_the_model_the_gradients_and_the_optimizer_are_what_they_were(digits):
    model, loss = network(), nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=10.0)
    x, y = digits
    for _ in range(3):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
    everything = [*model.parameters(), *(t for held in optimizer.state.values() for t in held.values())]
    values = [t.value.tobytes() for t in everything]
    grads = [p.grad for p in model.parameters()]

    doctor(model, digits, optimizer=optimizer)

    assert [t.value.tobytes() for t in everything] == values
    assert all(p.grad is g for p, g in zip(model.parameters(), grads, strict=True))
    assert optimizer.lr == 10.0


def test_inputs_and_targets_that_are_not_scaled(digits):
    x, y = digits
    table = np.random.default_rng(0).normal(size=(100, 2)) * [1.0, 50_000.0]
    model = nn.Sequential(nn.Linear(2, 4, dtype=np.float64), nn.Linear(4, 1, dtype=np.float64))

    assert only(doctor(network(), (x * 255, y)), "inputs that are not scaled")
    assert only(doctor(network(), (x * 1e-4, y)), "inputs that are not scaled")
    assert only(doctor(model, (table, table[:, :1])), "inputs that are not scaled").where == "column 1"
    assert only(doctor(model, (table / 50_000, table[:, 1:])), "targets that are not scaled")


def test_losses_without_a_slope(digits):
    def mistakes(output, y):
        return 1 - (np.argmax(output, axis=1) == y).astype(np.float32).mean()

    assert doctor(network(), digits, mistakes).names == ("the loss is locally constant",)
    assert doctor(network(), digits, lambda o, y: np.sign(o).mean()).names == (
        "the loss is locally constant",
    )


def test_a_graph_that_is_cut(digits):
    report = doctor(network(), digits, lambda o, y: Tensor(o.detach().numpy()).mean())

    assert report.names == ("the graph is cut",)


def test_bad_data(digits):
    x, y = digits
    bad = x.copy()
    bad[3, 4] = np.nan

    finding = only(doctor(network(), (bad, y)), "numbers that are not finite in the data")
    assert finding.measured == f"1 of {bad.size} entries; the first is nan at [3, 4]"
    assert (
        only(doctor(network(), (x, y + 1)), "labels out of range").attempt == "a last layer with 11 outputs"
    )
    assert only(doctor(network(), (x, y - 1)), "labels out of range").attempt == "labels counted from 0"
    assert only(doctor(network(), (x, y * 0)), "one class only")
    binary = nn.Sequential(nn.Linear(64, 1), nn.Flatten(0))
    assert only(doctor(binary, (x, y.astype(np.float32)), nn.BCEWithLogitsLoss()), "labels out of range")


def test_losses_that_do_not_fit_the_output(digits):
    x, y = digits
    binary = nn.Sequential(nn.Linear(64, 1), nn.Sigmoid(), nn.Flatten(0))

    softmax = doctor(nn.Sequential(*network().children(), nn.Softmax()), digits)
    assert softmax.names == ("softmax before CrossEntropyLoss",)
    assert "the loss stays above 1.46" in str(softmax)
    assert doctor(network(), digits, nn.NLLLoss()).names == ("NLLLoss without log-softmax",)
    names = doctor(binary, (x, (y > 4).astype(np.float32)), nn.BCEWithLogitsLoss()).names
    assert names == ("sigmoid before BCEWithLogitsLoss",)


def test_wrong_and_sure_of_it(digits):
    model = network()
    clearprop.assign(model[2].weight, model[2].weight.value * 500)

    assert "worse than guessing" in doctor(model, digits).names


SIGN = "a loss with its sign turned"


def mean_of_logarithms(output, y):
    return np.mean(output[np.arange(len(y)), y])


@pytest.mark.parametrize(
    ("last", "loss"),
    [
        ((), lambda output, y: -F.cross_entropy(output, y)),
        ((nn.LogSoftmax(1),), mean_of_logarithms),
    ],
)
def test_a_loss_of_classes_with_its_sign_turned(digits, last, loss):
    finding = only(doctor(nn.Sequential(*network().children(), *last), digits, loss), SIGN)

    assert "where the predictions are right, and falls to -" in finding.measured


@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.smooth_l1_loss])
def test_a_loss_of_numbers_with_its_sign_turned(digits, loss):
    data = digits[0], np.eye(10, dtype=np.float32)[digits[1]]

    assert only(doctor(network(), data, lambda output, y: -loss(output, y)), SIGN)
    assert doctor(network(), data, loss).names == ()


@pytest.mark.parametrize(
    ("last", "targets", "loss"),
    [
        ((), lambda y: y, lambda output, y: F.cross_entropy(-output, y)),  # distances to each class
        ((), lambda y: y, mean_of_logarithms),  # or these, pulled together
        ((), lambda y: np.eye(10)[y], lambda output, y: F.mse_loss(output, y) - 50.0),
        ((), lambda y: 2 * np.eye(10)[y] - 1, lambda output, y: np.mean(output * y)),  # a critic's
        ((nn.LogSoftmax(1),), lambda y: y, lambda output, y: -np.mean(np.exp(output)[np.arange(len(y)), y])),
    ],
)
def test_losses_below_0_and_scores_of_any_sign_are_no_finding(digits, last, targets, loss):
    x, y = digits
    found = targets(y)
    given = found.astype(np.float32) if found.dtype.kind == "f" else found

    assert doctor(nn.Sequential(*network().children(), *last), (x, given), loss).names == ()


def test_a_number_that_is_not_finite_is_told_with_its_place(digits):
    class Logarithm(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(64, 10)

        def forward(self, x):
            return np.log(self.linear(x) * 0)

    finding = only(doctor(Logarithm(), digits), "a number that is not finite")

    assert "computed -inf at [0, 0]" in finding.measured
    assert "return np.log(self.linear(x) * 0)" in finding.measured


def test_a_model_that_does_not_run_says_why(digits):
    finding = only(doctor(network(), (digits[0][:, :60], digits[1])), "the model does not run on this data")

    assert "wants 64 features along the last axis of x" in finding.measured


def test_what_is_no_model_or_no_data_is_a_lesson():
    with pytest.raises(TypeError, match="wants a model with named_parameters: function"):
        doctor(lambda x: x, (np.ones((2, 2)), np.ones(2)))
    with pytest.raises(TypeError, match=r"wants pairs \(inputs, targets\)"):
        doctor(nn.Linear(2, 1), iter([]))


def test_every_finding_says_what_why_and_what_to_do(digits):
    model = network()
    fill(model[0].weight, 0.0)
    report = doctor(model, (digits[0] * 1000, digits[1]), optimizer=optim.SGD(model[0].parameters(), lr=1e3))

    assert len(report.findings) >= 3
    for finding in report.findings:
        assert all((finding.name, finding.measured, finding.matters, finding.attempt))
        lines = str(finding).splitlines()
        assert [line.split(":")[0].strip() for line in lines[1:]] == ["measured", "matters", "try"]
    assert f"{len(report.findings)} findings:" in repr(report)


# --- shapes of models that cannot learn what they should ----------------------------------------------------
class Twice(nn.Module):
    """An "activation" with the same slope everywhere."""

    def forward(self, x):
        return 2 * x


@pytest.mark.parametrize(
    "between", [[], [nn.Identity()], [Twice()], [nn.Flatten()]], ids=lambda b: str(b)[:12]
)
def test_layers_in_a_row_without_an_activation(digits, between):
    model = nn.Sequential(nn.Linear(64, 32), *between, nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 10))

    finding = only(doctor(model, digits), "layers in a row without an activation")

    assert finding.where.startswith("0.weight, ")
    assert "one layer from 64 to 16" in finding.matters


class Ways(nn.Module):
    """Two layers in a row, where what lies between them may go another way too."""

    def __init__(self, around, doubled):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 10)
        self.around, self.doubled = around, doubled

    def forward(self, x):
        h = self.first(x)
        bent = np.maximum(self.second(h + h if self.doubled else h), 0)
        return self.last(h + bent if self.around else bent)


@pytest.mark.parametrize("around", [True, False])
@pytest.mark.parametrize("doubled", [True, False])
def test_a_layer_whose_output_goes_around_the_next_is_not_in_vain(digits, around, doubled):
    names = doctor(Ways(around, doubled), digits).names

    assert names == (() if around else ("layers in a row without an activation",))


def test_a_narrow_layer_between_two_wide_ones_is_there_for_its_rank(digits):
    x = digits[0]
    model = nn.Sequential(nn.Linear(64, 8), nn.Linear(8, 64))

    assert doctor(model, (x, x), nn.MSELoss()).healthy


def test_residual_blocks_and_products_of_signals_are_no_layers_in_a_row(digits):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside, self.out = nn.Linear(64, 64), nn.Linear(64, 64)
            self.gate = nn.Linear(64, 64)

        def forward(self, x):
            return x + self.out(clearprop.relu(self.inside(x))) * self.gate(x)

    model = nn.Sequential(Block(), Block(), nn.Linear(64, 10))

    assert doctor(model, digits).healthy


@pytest.mark.parametrize("share", ["all", "first"])
def test_frozen_parameters(digits, share):
    model = network()
    for p in model.parameters() if share == "all" else model[0].parameters():
        p.requires_grad = False

    report = doctor(model, digits, optimizer=optim.Adam(model.parameters()))

    assert report.names == ("frozen parameters",)
    assert report.findings[0].where.startswith("0.weight, 0.bias")


def test_frozen_parameters_that_the_optimizer_was_made_without_are_meant(digits):
    model = network()
    for p in model[0].parameters():
        p.requires_grad = False

    assert doctor(model, digits, optimizer=optim.Adam(model[2].parameters(), lr=1e-3)).healthy


@pytest.mark.parametrize("trained", [False, True])
def test_shuffled_labels(digits, trained):
    x, y = digits
    y = np.random.default_rng(1).permutation(y)
    model = network()
    if trained:
        clearprop.train.fit(model, nn.CrossEntropyLoss(), (x, y), epochs=3, progress=False)

    finding = only(doctor(model, (x, y)), "targets that the inputs do not tell")

    assert "held-out rows" in finding.measured


def test_targets_that_only_a_curve_or_an_interaction_tells_are_no_finding():
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (600, 2)).astype(np.float32)
    for y in (x[:, :1] ** 2, np.sign(x[:, :1] * x[:, 1:]), np.sin(6 * x[:, :1])):
        model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))

        assert doctor(model, (x, y.astype(np.float32))).healthy
    rare = (x.sum(axis=1) > 1.2).astype(int)
    assert doctor(nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2)), (x, rare)).healthy


def deep(scale, activation, sizes):
    model = network(activation, sizes)
    for p in model.parameters():
        if p.ndim == 2:
            clearprop.assign(p, scale * p.value)
    return model


def test_outputs_that_grow_from_layer_to_layer_explode():
    x = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    data = x, x[:, :1] + x[:, 1:2]

    report = doctor(deep(6, nn.ReLU, (8, *[64] * 5, 1)), data)

    assert report.names == ("exploding",)
    assert "that of an output of zeros" in report.findings[0].measured
    assert doctor(deep(1, nn.ReLU, (8, *[64] * 5, 1)), data).healthy


@pytest.mark.parametrize("stepped", [False, True])
def test_a_loss_of_steps_has_no_slope_and_a_training_step_that_fails_is_no_crash(digits, stepped):
    def mistakes(output, y):
        return np.mean(np.where(output > 0, 0, 1))

    model = network()
    optimizer = optim.Adam(model.parameters())

    def step(x, y):
        optimizer.zero_grad()
        loss = mistakes(model(x), y)
        loss.backward()
        optimizer.step()

    report = doctor(model, digits, mistakes, optimizer, step=step if stepped else None)

    assert report.names == ("the loss is locally constant",)


def test_a_training_step_that_fails_for_its_own_reasons_says_so(digits):
    model = network()

    def step(x, y):
        raise ZeroDivisionError("by the step")

    finding = only(doctor(model, digits, step=step), "the training step does not run")

    assert finding.measured == "ZeroDivisionError: by the step"


# --- what can be learned at all -----------------------------------------------------------------------------
def numbers(rows=128):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(rows, 5)).astype(np.float32)
    return x, (x[:, :1] * x[:, 1:2] - 1).astype(np.float32)


def ending(*last):
    return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1), *last)


@pytest.mark.parametrize(
    ("last", "scale"),
    [
        ([nn.ReLU()], 1.0),
        ([nn.Softplus()], 1.0),
        ([nn.Sigmoid(), nn.Flatten()], 1.0),
        ([nn.Tanh()], 5.0),
        ([nn.ReLU6()], 20.0),
        ([nn.Hardtanh()], 5.0),
        ([nn.Hardsigmoid()], 5.0),
    ],
    ids=["relu", "softplus", "sigmoid", "tanh", "relu6", "hardtanh", "hardsigmoid"],
)
@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.L1Loss(), nn.HuberLoss()])
def test_targets_that_the_last_function_never_gives(last, scale, loss):
    x, y = numbers()

    report = doctor(ending(*last), (x, scale * y), loss)

    assert "targets out of the output's reach" in report.names, report


@pytest.mark.parametrize(
    "last", [[], [nn.Tanh()], [nn.LeakyReLU()], [nn.Identity()], [nn.ELU(1.5)], [nn.Hardshrink()]]
)
def test_targets_within_reach_are_no_finding(last):
    x, y = numbers()

    report = doctor(ending(*last), (x, np.tanh(y)), nn.MSELoss())

    assert "targets out of the output's reach" not in report.names, report


def test_inputs_that_are_the_same_in_every_row():
    x, y = numbers()

    assert "inputs that never change" in doctor(ending(), (np.full_like(x, 0.5), y)).names
    assert "inputs that never change" not in doctor(ending(), (x, y)).names


@pytest.mark.parametrize(("p", "found"), [(0.99, True), (1.0, True), (0.5, False)])
def test_dropout_that_leaves_nothing(p, found):
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(p), nn.Linear(16, 1))

    assert ("dropout of nearly everything" in doctor(model, numbers()).names) is found


@pytest.mark.parametrize(
    ("make", "decay", "found"),
    [
        (optim.AdamW, 100.0, True),
        (optim.SGD, 9.0, True),
        (optim.AdamW, 0.01, False),
        (optim.SGD, 1e-4, False),
    ],
)
def test_weight_decay_that_outweighs_the_gradient(make, decay, found):
    x, y = numbers()
    model = ending()

    optimizer = make(model.parameters(), lr=0.01, weight_decay=decay)
    report = doctor(model, (x, y), optimizer=optimizer)

    assert ("weight decay too strong" in report.names) is found, report
    assert optimizer.param_groups[0]["weight_decay"] == decay


def test_a_rate_far_too_low_is_found_where_learning_is_slow_at_any_rate():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 10)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 2))

    assert doctor(model, (x, y), optimizer=optim.SGD(model.parameters(), lr=1e-9)).names == (
        "learning rate too low",
    )


class Ending(nn.Module):
    """A linear layer and a function of its output."""

    def __init__(self, function):
        super().__init__()
        self.linear, self.function = nn.Linear(4, 1), function

    def forward(self, x):
        return self.function(self.linear(x))


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (np.arcsinh, False),
        (np.cbrt, False),
        (lambda z: np.log(z * z + 0.1), False),
        (lambda z: np.log1p(z * z), False),
        (np.arctan, True),
        (np.tanh, True),
        (clearprop.sigmoid, True),
    ],
)
def test_a_function_that_grows_slowly_reaches_any_target(function, found):
    x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    y = 200 * x[:, :1]

    assert ("targets out of the output's reach" in doctor(Ending(function), (x, y)).names) is found


@pytest.mark.parametrize("optimizer", ["adam", 0.1, optim.Adam])
def test_what_is_no_optimizer_is_refused(optimizer):
    x, y = np.ones((8, 4), np.float32), np.ones((8, 1), np.float32)
    with pytest.raises(TypeError, match=r"doctor\(\.\.\., optimizer\): wants an optimizer"):
        doctor(nn.Linear(4, 1), (x, y), nn.MSELoss(), optimizer)


def test_lists_are_data_as_arrays_are():
    x, y = numbers()

    assert doctor(ending(), (x.tolist(), y.tolist())).names == doctor(ending(), (x, y)).names
