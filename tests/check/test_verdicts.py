"""A check says right only of what it compared, WRONG only of what is wrong, and else that it cannot tell."""

import os

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, Tensor, nn
from clearprop.check import check_model, gradcheck, taylor_check, trust
from clearprop.check.cause import Evidence, likely_cause
from clearprop.nn import functional
from clearprop.record import assign
from clearprop.registry import ops
from clearprop.testing import broken, cases

CHECKS = [gradcheck, taylor_check]
INTEGERS = np.array([0, 1, 2])
OURS = [name for name, op in ops.items() if op.__module__.startswith("clearprop.") and op.differentiable]


def hilbert(n):
    return 1 / (np.arange(n)[:, None] + np.arange(n) + 1.0)


def logistic(links):
    def f(x):
        for _ in range(links):
            x = 3.9 * x * (1 - x)
        return x

    return f


def twice(d, *rest, **attrs):
    return 2 * d


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("x", [INTEGERS, INTEGERS.astype(np.uint8), 1, [1, 2]], ids=str)
def test_integers_are_lifted_as_grad_lifts_them(check, x):
    f = lambda x: np.sum(np.tanh(x))  # noqa: E731
    assert check(f, x)
    with broken(ops["tanh"], 0, twice):
        assert check(f, x, raise_on_failure=False).verdict == "WRONG"


def test_integers_beside_numbers_that_move_are_said_to_be_held():
    assert "input 1 (int64) was held as it is" in repr(gradcheck(lambda x, i: x[i], np.ones(3), INTEGERS))


NOTHING_TO_COMPARE = {
    "nan at the point": (lambda x: np.sum(np.log(x)), np.array([-1.0, -2.0]), "f is nan at this point"),
    "infinite at the point": (lambda x: np.sum(np.log(x)), np.array([0.0, 1.0]), "f is infinite"),
    "an input is nan": (lambda x: np.sum(x), np.array([np.nan, 1.0]), "f is nan at this point"),
    "every entry on a jump": (lambda x: np.sum(np.floor(x)), np.array([1.0, 2.0]), "did not converge"),
    "every entry on a kink": (lambda x: np.sum(abs(x)), np.zeros(3), "on a kink"),
    "an empty input": (np.sum, np.zeros(0), "Input 0 has no entries"),
    "an empty output": (lambda x: x[:0], np.ones(3), "f returned no numbers"),
    "nothing that moves": (lambda x: x, Tensor(1.0, requires_grad=False), "None of the inputs can move"),
    "booleans": (lambda x: np.sum(np.where(x, 1.0, 0.0)), np.array([True]), "None of the inputs can move"),
    "random numbers": (
        lambda x: np.sum(functional.dropout(x, 0.5)),
        np.ones(3),
        r"clearprop\.manual_seed\(0\) inside f\), or switch it off \(model\.eval\(\)\)",
    ),
    "chaos": (logistic(60), 0.3, "little but rounding"),
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("what", NOTHING_TO_COMPARE)
def test_where_nothing_was_compared_there_is_no_verdict(check, what):
    f, x, why = NOTHING_TO_COMPARE[what]
    found = check(f, x, raise_on_failure=False)

    assert found.verdict == "cannot tell"
    assert not found
    assert found.compared == 0
    with pytest.raises(GradientError, match=f"cannot tell(.|\n)*{why}"):
        check(f, x)


@pytest.mark.parametrize("check", CHECKS)
def test_a_function_of_no_inputs_tells_nothing(check):
    with pytest.raises(GradientError, match="f was given no inputs"):
        check(lambda: 3.0)


@pytest.mark.parametrize("check", CHECKS)
def test_a_random_function_is_refused_with_every_seed_and_a_seeded_one_is_not(check):
    for seed in range(30):
        clearprop.manual_seed(seed)
        x = np.random.default_rng(seed).normal(size=2)
        found = check(lambda x: np.sum(functional.dropout(x, 0.5)), x, raise_on_failure=False)
        assert found.verdict == "cannot tell"

    def seeded(x):
        clearprop.manual_seed(3)
        return np.sum(functional.dropout(x, 0.5))

    assert check(seeded, np.array([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("check", CHECKS)
def test_a_function_that_counts_its_calls_is_refused(check):
    calls = []
    found = check(lambda x: calls.append(1) or x * len(calls), 2.0, raise_on_failure=False)

    assert found.verdict == "cannot tell"


class Running(nn.Module):
    """Keeps a running mean, as batch normalisation does."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Buffer(np.zeros(3))

    def forward(self, x):
        own = np.mean(x, axis=0)
        assign(self.mean, 0.9 * self.mean.value + 0.1 * clearprop.no_grad()(lambda: own.value)())
        return x - own


@pytest.mark.parametrize("check", CHECKS)
def test_running_means_are_given_back(check):
    model = Running()

    def f(x):
        x = x if isinstance(x, Tensor) else Tensor(x)
        return np.sum(model(x) ** 2)

    assert check(f, np.arange(12.0).reshape(4, 3))
    assert model.mean.value.tolist() == [0.0, 0.0, 0.0]


def test_an_entry_that_was_skipped_is_counted_apart():
    found = gradcheck(lambda x: np.sum(abs(x)), np.array([0.0, 1.0, 2.0]))

    assert (found.checked, found.compared, found.skipped) == (3, 2, 1)
    assert "right. 2 compared, 1 skipped" in repr(found)


def test_outputs_that_are_nan_are_left_out_with_the_entries_they_depend_on():
    found = gradcheck(np.sqrt, np.array([-1.0, 2.0]))

    assert (found.compared, found.skipped) == (1, 1)
    assert "f is nan at this point: 1 of 2 outputs, left out." in repr(found)


ON_A_KINK = np.concatenate([[0.0], np.ones(9)])


def test_a_kink_is_no_excuse_for_the_other_entries():
    found = taylor_check(
        lambda x: np.sum(np.maximum(x, 0)), ON_A_KINK, gradient=np.full(10, 1e6), raise_on_failure=False
    )
    assert found.verdict == "WRONG"
    assert found.skipped == 1

    found = taylor_check(
        lambda x: np.sum(abs(x)), ON_A_KINK, gradient=-np.sign(ON_A_KINK), raise_on_failure=False
    )
    assert found.verdict == "WRONG"
    assert taylor_check(lambda x: np.sum(abs(x)), ON_A_KINK)


def test_an_entry_on_a_kink_is_held_against_the_slopes_on_both_sides():
    f = lambda x: np.sum(np.maximum(x, 0))  # noqa: E731
    for inside in (0.0, 0.5, 1.0):
        assert taylor_check(f, ON_A_KINK, gradient=np.concatenate([[inside], np.ones(9)]))

    found = taylor_check(f, ON_A_KINK, gradient=np.concatenate([[5.0], np.ones(9)]), raise_on_failure=False)
    assert found.verdict == "WRONG"
    assert found.entry.index == (0,)


def test_a_thousand_entries_on_kinks_are_left_out_and_the_others_compared():
    x = np.random.default_rng(0).normal(size=2000)
    x[::2] = 0
    right = np.sign(x)
    assert taylor_check(lambda x: np.sum(abs(x)), x, gradient=right)

    right[77] *= -1
    found = taylor_check(lambda x: np.sum(abs(x)), x, gradient=right, raise_on_failure=False)
    assert (found.verdict, found.entry.index) == ("WRONG", (77,))


@pytest.mark.parametrize("n", [4, 7, 40, 150, 400])
def test_two_swapped_entries_are_found_with_every_seed(n):
    for seed in range(60):
        numbers = np.random.default_rng(seed)
        x, (i, j) = numbers.normal(size=n), numbers.choice(n, 2, replace=False)
        wrong = 2 * x
        wrong[[i, j]] = wrong[[j, i]]
        found = taylor_check(
            lambda x: np.sum(x**2), x, gradient=wrong, raise_on_failure=False, seed=seed, locate=False
        )
        assert found.verdict == "WRONG"
        assert "4 of 4 directions compared" in repr(found)


def test_one_entry_outside_of_the_sample_is_found_beside_a_kink(monkeypatch):
    monkeypatch.setattr("clearprop.check.compare.MOST", 20)
    for seed in range(25):
        numbers = np.random.default_rng(seed)
        x = numbers.normal(size=2500)
        kink, wrong = numbers.choice(2500, 2, replace=False)
        x[kink] = 0.0
        factor = np.where(np.arange(2500) == wrong, 3.0, 1.0)
        with broken(ops["absolute"], 0, lambda d, *rest, factor=factor: d * factor):
            found = gradcheck(lambda x: np.sum(abs(x)), x, raise_on_failure=False, seed=seed)
        assert found.verdict == "WRONG"


HARD = {
    "inv of Hilbert 6": (lambda x: np.sum(np.linalg.inv(x)), hilbert(6)),
    "each entry of inv of Hilbert 6": (np.linalg.inv, hilbert(6)),
    "inv of Hilbert 10": (np.linalg.inv, hilbert(10)),
    "solve with Hilbert 8": (lambda a: np.linalg.solve(a, np.ones(8)), hilbert(8)),
    "sum of solve with Hilbert 8": (lambda a: np.sum(np.linalg.solve(a, np.ones(8))), hilbert(8)),
    "log_softmax": (clearprop.log_softmax, np.array([0.0, -13.0])),
    "log_softmax further apart": (clearprop.log_softmax, np.array([0.0, -20.0])),
    "one entry of log_softmax": (lambda x: clearprop.log_softmax(x)[0], np.array([0.0, -13.0])),
    "sort of integers": (lambda x: np.sort(x) * np.arange(1, 6), np.array([3.0, 1, 2, 5, 4])),
    "sort of thousands": (lambda x: np.sort(x) * np.arange(1, 6), 1000 + np.array([3.0, 1, 2, 5, 4])),
    "sort of millions": (lambda x: np.sort(x) * np.arange(1, 6), 1e6 + np.array([3.0, 1, 2, 5, 4])),
    "sort of a hundred": (
        lambda x: np.sum(np.sort(x) * np.arange(1, 101)),
        np.random.default_rng(0).permutation(100) * 1.0,
    ),
    "max of thousands": (np.max, np.arange(1000.0, 1010.0)),
    "log near 0": (lambda x: np.sum(np.log(x)), np.array([1e-12, 1e-6, 1])),
    "sqrt near 0": (lambda x: np.sum(np.sqrt(x)), np.array([1e-12, 1e-6, 1])),
    "1/x near 0": (lambda x: np.sum(1 / x), np.array([1e-12, 1e-6, 1])),
    "arcsin near 1": (lambda x: np.sum(np.arcsin(x)), np.array([1 - 1e-12, -1 + 1e-6, 0.5])),
    "binary cross entropy": (
        lambda p: functional.binary_cross_entropy(p, np.array([1.0, 0, 1])),
        np.array([1e-9, 0.9999999, 0.5]),
    ),
    "binary cross entropy at 0 and 1": (
        lambda p: functional.binary_cross_entropy(p, np.array([1.0, 0, 1])),
        np.array([0.0, 1.0, 0.5]),
    ),
    "a root by cancellation": (lambda x: (-x[0] + np.sqrt(x[0] ** 2 - 4 * x[1])) / 2, np.array([1e8, 1.0])),
    "solve with Vandermonde": (lambda a: np.linalg.solve(a, np.ones(7)), np.vander(np.linspace(1, 2, 7))),
    "softplus as written": (lambda x: np.log(1 + np.exp(x)), np.array([-40.0, -36.0, 0.0])),
    "logsumexp as written": (lambda x: np.log(np.sum(np.exp(x))), np.array([0.0, -50.0, -700.0])),
    "sigmoid as written": (lambda x: 1 / (1 + np.exp(-x)), np.array([-40.0, -700.0])),
    "1 - cos": (lambda x: (1 - np.cos(x)) / x**2, np.array([1e-3, 1e-7, 0.1])),
    "sin(x) / x": (lambda x: np.sin(x) / x, np.array([1e-9, 1e-3, 3.0])),
    "a bound a billionth away": (lambda x: np.clip(x, 0, 1) ** 2, np.array([1 + 1e-9, 0.5])),
    "float16 inside": (lambda x: np.sum(np.tanh(x.astype(np.float16)).astype(float)), np.array([0.3, -1.1])),
    "a large number in between": (lambda x: (x[0] + 1e8) - 1e8 + x[1] ** 2, np.array([0.3, 1.0])),
    "terms that cancel": (lambda x: np.sum(x * 1e16) - np.sum(x * 1e16) + np.sum(x), np.array([0.3, 1.7])),
    "gammaln": (clearprop.scipy.special.gammaln, np.array([1e-8, 2.0, 1e6, -0.5 + 1e-9])),
    **{f"logistic map, {n} links": (logistic(n), 0.3) for n in (10, 20, 30, 40, 45, 50, 60, 80)},
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("what", HARD)
def test_a_right_function_is_never_called_wrong(check, what):
    f, x = HARD[what]

    assert check(f, x, raise_on_failure=False).verdict != "WRONG"


TOLD = ["inv of Hilbert 6", "log_softmax", "sort of a hundred", "log near 0", "binary cross entropy"]


@pytest.mark.parametrize("what", TOLD)
def test_near_the_edge_of_what_can_be_told_most_is_told(what):
    found = gradcheck(*HARD[what])

    assert found.skipped == 0


@pytest.mark.parametrize(("name", "what"), [("log", "log near 0"), ("sort", "sort of a hundred")])
def test_and_a_fault_of_a_tenth_of_a_percent_is_found_there(name, what):
    f, x = HARD[what]
    with broken(ops[name], 0, lambda d, *rest, **attrs: 1.001 * d):
        assert gradcheck(f, x, raise_on_failure=False).verdict == "WRONG"
        assert taylor_check(f, x, raise_on_failure=False).verdict == "WRONG"


@pytest.mark.parametrize("seed", range(1, 1 + int(os.environ.get("CLEARPROP_ALARMS", "1"))))
@pytest.mark.parametrize("initial", sorted({name[0] for name in OURS}))
def test_no_op_is_called_wrong_at_random_points(seed, initial):
    for name in (name for name in OURS if name[0] == initial):
        for case in cases(ops[name], seed=seed):
            for check in CHECKS:
                found = check(case.function, *case.inputs, raise_on_failure=False, seed=seed)
                assert found.verdict != "WRONG", (case.label, found)


def test_a_gradient_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"wants one array per input that can move, of shapes \(3,\)"):
        taylor_check(np.sum, np.ones(3), gradient=np.ones((3, 1)))


def test_a_gradient_that_is_nan_where_the_derivative_is_not_is_wrong():
    g = np.array([1.0, np.nan, 1.0])
    found = taylor_check(np.sum, np.ones(3), gradient=g, raise_on_failure=False)

    assert (found.verdict, found.entry.index) == ("WRONG", (1,))


@pytest.mark.parametrize("check", CHECKS)
def test_complex_numbers_are_checked_as_pairs(check):
    z = np.array([1 + 2j, 0.5 - 1j])

    assert check(np.exp, z).verdict == "right"
    assert check(lambda z: np.sum(np.abs(z) ** 2), z).verdict == "right"


def test_a_conjugate_that_is_missing_is_found():
    z = np.array([1 + 2j, 0.5 - 1j])

    assert taylor_check(lambda z: np.real(np.sum(z**2)), z, gradient=2 * z.conj()).ok
    assert not taylor_check(lambda z: np.real(np.sum(z**2)), z, gradient=2 * z, raise_on_failure=False).ok


def test_a_model_whose_values_are_not_finite_has_no_verdict():
    with np.errstate(invalid="ignore"):
        logarithms = np.log(Tensor([-1.0, 2.0]))
    found = check_model(logarithms, raise_on_failure=False)

    assert found.verdict == "cannot tell"
    assert "0 compared, 1 skipped" in repr(found)
    with pytest.raises(GradientError, match="cannot tell"):
        check_model(logarithms)


def test_a_model_of_ill_conditioned_ops_is_never_called_wrong():
    for n in (4, 6, 8, 10):
        assert check_model(np.linalg.inv(Tensor(hilbert(n))), raise_on_failure=False).verdict != "WRONG"


RIGHT = np.random.default_rng(0).normal(size=(3, 3))
X = RIGHT + 2


def test_a_small_factor_is_not_taken_for_one_wrong_row():
    assert likely_cause(Evidence(RIGHT * (1 + 1e-6), RIGHT, X)) == "off by +0.0001 %"
    for size in (1e-5, 1e-6, 1e-7):
        assert "only index" not in likely_cause(Evidence(RIGHT * (1 + size * X), RIGHT, X))
        assert "one entry" not in likely_cause(Evidence(RIGHT * (1 + size * X), RIGHT, X))


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_place_of_the_smallest_is_not_taken_for_a_neighbour(n):
    for k in range(1, n):
        right, found = np.zeros(n), np.zeros(n)
        right[0], found[k] = 1.0, 1.0
        said = likely_cause(Evidence(found, right, np.arange(n, 0.0, -1.0)))
        assert said == "the right numbers in the wrong places"


def test_any_two_numbers_differ_by_a_factor():
    assert likely_cause(Evidence(np.array([np.pi]), np.array([np.e]), np.array([1.0]))) == ""
    assert likely_cause(Evidence(np.array([4.0]), np.array([2.0]), np.array([1.0]))) == "off by a factor 2"


def test_trust_looks_at_each_entry_however_small():
    x = Tensor([1e8, 1.0])
    found = trust((-x[0] + np.sqrt(x[0] ** 2 - 4 * x[1])) / 2).gradients[0]

    assert found.worst < 2
    assert found.index == (0,)
    assert found.entries.shape == (2,)
    assert found.entries[1] > 14


def test_trust_does_not_count_what_is_nothing_but_rounding():
    x = Tensor(np.array([0.3, 0.7]))
    found = trust((x[0] - x[0]) * x[1] + x[1]).gradients[0]

    assert found.entries[1] > 15
    assert np.isnan(found.entries[0]) or found.entries[0] > 15
