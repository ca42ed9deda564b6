"""What a beginner's mistakes are answered with: NumPy's reason, the line, and something to try."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn, optim
from clearprop import numpy as xp
from clearprop.advice import advice
from clearprop.refusal import shown

SIX, PAIR, NET = Tensor(np.ones((2, 3))), Tensor(np.ones(2)), nn.Linear(2, 3)

MISTAKES = [
    (lambda: PAIR + SIX, ValueError, r"reshape\(\(2, 1\)\) of what is \(2,\)"),
    (lambda: np.add(Tensor(np.ones(3)), np.ones(4)), ValueError, r"x\[:, None\] pairs"),
    (lambda: SIX.reshape(4, 2), ValueError, "-1 for one axis, or a product of 6"),
    (lambda: SIX.sum(axis=5), np.exceptions.AxisError, "an axis from -2 to 1"),
    (lambda: Tensor(2.0).sum(axis=1), np.exceptions.AxisError, "it without axis"),
    (lambda: SIX[7], IndexError, "an index from -2 to 1 along axis 0"),
    (lambda: PAIR[1, 2], IndexError, "no more indices than axes: 1"),
    (lambda: np.concatenate([SIX, Tensor(np.ones((2, 2)))]), ValueError, r"axis=1\): they agree"),
    (lambda: np.concatenate([SIX, Tensor(np.ones((4, 2)))]), ValueError, "along every axis but one"),
    (lambda: np.stack([PAIR, Tensor(np.ones(3))]), ValueError, r"np.concatenate\(\[...\], axis=0\)"),
    (lambda: np.stack([SIX, SIX.T]), ValueError, "along every axis but one"),
    (lambda: np.stack([PAIR, Tensor(1.0)]), ValueError, "along every axis but one"),
    (lambda: np.broadcast_to(PAIR, (2, 3)), ValueError, r"reshape\(\(2, 1\)\) of what is \(2,\)"),
    (lambda: np.broadcast_to(PAIR, (3,)), ValueError, "a shape that ends as the array's does"),
    (lambda: np.ones((2, 1, 3)) @ Tensor(np.ones((4, 3, 1))), ValueError, "before the last two agree"),
    (lambda: np.squeeze(SIX, axis=0), ValueError, "an axis of length 1"),
    (lambda: np.transpose(SIX, (0, 1, 2)), ValueError, "each axis once"),
    (lambda: np.split(Tensor(np.ones(5)), 2), ValueError, "np.array_split"),
    (lambda: np.dot(PAIR, Tensor(np.ones(3))), ValueError, "two vectors of the same length"),
    (lambda: np.einsum("ij,jk", SIX, PAIR.reshape(2, 1)), ValueError, "wherever a letter stands"),
    (lambda: PAIR ^ 2, TypeError, r"t \*\* 2 for a power"),
    (lambda: PAIR ** "2", TypeError, r"float\(text\)"),
    (lambda: SIX.mean(axis="0"), TypeError, "the number without quotes"),
    (lambda: Tensor([[1, 2], [3]]), ValueError, "filled up to one length"),
    (lambda: np.add(PAIR, [[1, 2], [3]]), ValueError, "filled up to one length"),
    (lambda: nn.Embedding(3, 2)(np.array([0, 5])), IndexError, "a table of 6 rows"),
    (lambda: nn.Linear(2.5, 2), ValueError, r"Linear\(20, 32\)"),
    (lambda: len(Tensor(2.0)), TypeError, r"t.reshape\(1\)"),
    (lambda: optim.SGD(NET.parameters, lr=0.1), TypeError, r"model.parameters\(\), with brackets"),
    (lambda: (Tensor(2.0) * 3).backward("x"), TypeError, r"backward\(np.ones\(output.shape\)\)"),
    (lambda: clearprop.grad(lambda v: v * v)("3"), TypeError, r"float\(text\)"),
    (lambda: (PAIR * 2).backward([[1], [1, 2]]), ValueError, "rows that are filled up"),
    (lambda: (PAIR * 2).backward([1j, 2.0]), TypeError, r"backward\(g.real\)"),
    (lambda: (PAIR * 2).backward(Tensor([1j, 2.0])), TypeError, r"backward\(g.real\)"),
    (lambda: optim.SGD(None), TypeError, r"model.parameters\(\)"),
    (lambda: optim.SGD(3), TypeError, r"model.parameters\(\)"),
    (lambda: nn.Linear(True, 3), TypeError, r"Linear\(20, 32\)"),
    (lambda: nn.Linear(True, 3), ValueError, r"Linear\(20, 32\)"),
    (lambda: nn.Linear("2", 3), TypeError, "in_features=2, without quotes"),
    (lambda: nn.Linear(np.ones(2), 3), TypeError, r"Linear\(20, 32\)"),
    (lambda: nn.Embedding(3, nn.ReLU), TypeError, r"Embedding\(10, 3\)"),
    (lambda: nn.LayerNorm(3, eps=None), TypeError, r"LayerNorm\("),
    (lambda: optim.StepLR(NET, 3), TypeError, r"SGD\(model.parameters\(\), lr=0.1\)"),
    (lambda: PAIR + "3", TypeError, r"float\(text\)"),
    (lambda: "3" + PAIR, TypeError, r"float\(text\)"),
    (lambda: PAIR * None, TypeError, "None is what a function gives that ends without `return`"),
    (lambda: PAIR * NET, TypeError, r"module\(x\), for the Linear"),
    (lambda: PAIR * nn.Linear, TypeError, r"Linear\(...\): this is the class"),
    (lambda: PAIR * np.sin, TypeError, r"f\(x\), for the function itself"),
    (lambda: PAIR - {"a": 1.0}, TypeError, r"d\['a'\]"),
    (lambda: PAIR + {1.0}, TypeError, r"sorted\(x\)"),
    (lambda: PAIR < "3", TypeError, r"float\(text\)"),
    (lambda: PAIR + np.array(["1", "2"]), TypeError, r"x.astype\(float\)"),
    (lambda: np.concatenate([SIX, PAIR]), ValueError, r"x\[None\] for the array of shape \(2,\)"),
    (lambda: np.concatenate([SIX, None]), ValueError, "None is what a function gives"),
    (lambda: np.concatenate([Tensor(1.0), Tensor(2.0)]), ValueError, "np.stack"),
    (lambda: Tensor(3.0)[0], IndexError, "t itself: it is one number"),
    (lambda: PAIR << 1, TypeError, r"t \* 2\*\*n"),
    (lambda: PAIR >> 1, TypeError, r"t / 2\*\*n"),
    (lambda: np.einsum("ii->", SIX), ValueError, "wherever a letter stands"),
    (lambda: np.einsum("ij,jk->ik", SIX, SIX, optimize=True), ValueError, "wherever a letter stands"),
    (lambda: np.einsum("ij->ik", SIX), ValueError, "letters behind ->"),
    (lambda: np.einsum("ij,jk", SIX), ValueError, "as many terms"),
    (lambda: np.einsum("ijk->i", SIX), ValueError, "one letter for each axis"),
    (lambda: np.einsum(SIX, "ij->i"), TypeError, "the subscripts come first"),
    (lambda: xp.sum(np.ones((2, 3)), axis=5), np.exceptions.AxisError, "an axis from -2 to 1"),
    (lambda: xp.concatenate([np.ones((2, 3)), np.ones(3)]), ValueError, r"x\[None\] for the array"),
    (lambda: xp.exp("3"), TypeError, r"float\(text\)"),
    (lambda: xp.add(np.ones(2), "3"), TypeError, r"float\(text\)"),
    (lambda: nn.init.zeros_(None), TypeError, "None is what a function gives"),
    (lambda: nn.init.normal_(nn.Linear), TypeError, r"Linear\(...\): this is the class"),
    (lambda: nn.Tanh()(np.sin), TypeError, "for the function itself"),
    (lambda: nn.Sequential(nn.Flatten())("3"), TypeError, r"float\(text\)"),
]


@pytest.mark.parametrize(("mistake", "kind", "cure"), MISTAKES)
def test_a_mistake_is_answered_with_a_cure(mistake, kind, cure):
    with pytest.raises(kind, match=f"(?s)Try .*{cure}"):
        mistake()


def test_the_cures_that_are_told_work():
    assert (PAIR.reshape(2, 1) + SIX).shape == (2, 3)
    assert SIX.reshape(-1, 2).shape == (3, 2)
    assert [x.shape for x in np.array_split(Tensor(np.ones(5)), 2)] == [(3,), (2,)]
    assert PAIR.reshape(2)[:, None].shape == (2, 1)
    assert np.broadcast_to(PAIR.reshape(2, 1), (2, 3)).shape == (2, 3)
    assert np.concatenate([SIX, Tensor(np.ones((2, 2)))], axis=1).shape == (2, 5)
    assert np.concatenate([SIX, Tensor(np.ones(3))[None]]).shape == (3, 3)
    assert (PAIR * 2**3).tolist() == [8.0, 8.0]


@pytest.mark.parametrize("t", [Tensor(2.0), Tensor([2.0, 3.0]), Tensor(np.full((4, 5), 2.0))])
def test_a_buffer_of_any_shape_takes_tensors_as_entries(t):
    out = np.zeros(3) + 0 * t.sum()
    for i in range(3):
        out[i] = (i + 1) * t.sum()
    np.sum(out * [1.0, 10.0, 100.0]).backward()

    assert np.all(t.grad == 1 + 20 + 300)


def test_integers_of_any_kind_are_sizes():
    assert nn.Linear(np.int64(2), Tensor(3, requires_grad=False)).weight.shape == (3, 2)
    assert nn.Dropout(Fraction(1, 2)).p == 0.5
    assert nn.Dropout(np.float32(0.5)).p == 0.5
    assert nn.LSTM(np.array(3), np.array(4)).weight_hh_l0.shape == (16, 4)
    assert nn.AdaptiveLogSoftmaxWithLoss(4, np.array(9), [3]).n_classes == 9


class Sizeless:
    """A whole number of a package whose dtypes have no kind, as PyTorch's have none."""

    dtype, number = "int64", 3

    def __index__(self):
        if self.number % 1:
            raise TypeError("no integer")
        return self.number


def test_whole_numbers_of_packages_with_dtypes_of_their_own_are_sizes():
    half = Sizeless()
    half.number = 2.5

    assert nn.Linear(Sizeless(), 2).weight.shape == (2, 3)
    with pytest.raises(TypeError, match="in_features as a whole number"):
        nn.Linear(half, 2)


@pytest.mark.parametrize(
    "half", [np.array(0.5), np.float32(0.5), Fraction(1, 2), Decimal("0.5"), Tensor(0.5)]
)
def test_numbers_of_any_kind_are_rates(half):
    optimizer = optim.SGD(NET.parameters(), lr=1.0)
    schedule = optim.StepLR(optimizer, np.array(1), half)
    schedule.step()
    turn = optim.OneCycleLR(
        optim.SGD(NET.parameters(), lr=1.0), half, 10, base_momentum=half, div_factor=half
    )

    assert schedule.get_last_lr() == [0.5]
    assert turn.get_last_lr() == [1.0]


@pytest.mark.parametrize("odd", [np.complex128(0.5), np.array("0.5"), np.timedelta64(1, "s")])
def test_what_float_would_take_for_a_number_is_none(odd):
    with pytest.raises(TypeError, match="wants p as a number"):
        nn.Dropout(odd)


class Twice(nn.Linear):
    """A layer whose own sizes are handed on to one of ours."""

    def __init__(self, size):
        super().__init__(size, 2)


@pytest.mark.parametrize("size", [2.5, "2", None, True, np.ones(1)])
def test_a_size_that_a_subclass_hands_on_is_not_rounded(size):
    with pytest.raises(ValueError, match="wants in_features as a whole number"):
        Twice(size)


class Table:
    """A thing with a shape and without a dtype, as tables are, that is no array."""

    shape = (2, 2)

    def __array__(self, dtype=None, copy=None):
        raise ValueError("could not convert string to float: 'x'")


@pytest.mark.parametrize("called", [lambda: xp.sin(Table()), lambda: xp.add(1.0, Table())])
def test_what_an_argument_itself_complains_of_is_left_as_it_is(called):
    with pytest.raises(ValueError, match=r"^could not convert string"):
        called()


def test_a_table_is_shown_where_it_has_no_dtype():
    assert shown(Table()) == "(2, 2) Table"
    assert shown(np.ndarray).startswith("<class")


def test_an_argument_that_may_be_none_is_not_blamed():
    with pytest.raises(TypeError, match=r"Try np.float32"):
        np.sum(PAIR, None, "float3")

    assert advice("something else", (PAIR, None)) == ""


class Named(nn.Linear):
    pass


class Own(nn.Module):
    """A layer of somebody else, which fails by itself."""

    def forward(self, x):
        return {}["missing"] if x is None else x.missing


@pytest.mark.parametrize(("x", "kind"), [(None, KeyError), (2.0, AttributeError)])
def test_what_fails_in_the_code_of_others_is_left_as_it_is(x, kind):
    with pytest.raises(kind, match="missing") as caught:
        nn.Sequential(Own())(x)

    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_function_that_numpy_calls_fails_as_it_does():
    def bare(row):
        raise ValueError("of mine")

    with pytest.raises(ValueError, match=r"^of mine$"):
        xp.apply_along_axis(bare, 0, np.ones((2, 3)))


def test_whoever_inherits_is_told_as_well():
    with pytest.raises(TypeError, match=r"(?s)Named\(in_features=\).*Try Linear\(20, 32\)"):
        Named(True, 3)


class Sized(nn.Module):
    """A layer of somebody else, whose annotations are not ours to hold to."""

    def __init__(self, size: "int"):
        super().__init__()
        self.size = size


def test_what_others_annotate_is_theirs_to_say():
    assert Sized("3").size == "3"


class Chosen(list):
    """Parameters that somebody may also call, which makes them no method without its brackets."""

    def __call__(self):
        return self


def test_what_can_be_gone_through_is_taken_though_it_can_be_called():
    optimizer = optim.SGD(Chosen(NET.parameters()), lr=0.1)

    assert len(optimizer.param_groups[0]["params"]) == 2


@pytest.mark.parametrize("number", [Fraction(1, 2), Decimal("0.5"), 10**30])
def test_numbers_of_any_kind_arrive_at_a_backward_pass(number):
    t = Tensor([1.0, 2.0])
    (t * 3).backward([number, 1])

    assert t.grad.tolist() == [3 * float(number), 3.0]


@pytest.mark.parametrize("grad", [[None, 1.0], np.array(["1", 2], object), [Fraction(1), "2"]])
def test_what_is_no_number_does_not_arrive(grad):
    with pytest.raises(TypeError, match="wants the gradient that arrives as numbers"):
        (Tensor([1.0, 2.0]) * 3).backward(grad)


def test_short_floats_of_another_package_arrive():
    short = pytest.importorskip("ml_dtypes")
    t = Tensor([1.0, 2.0])
    (t * 3).backward(np.array([0.5, 1.0], short.bfloat16))

    assert t.grad.tolist() == [1.5, 3.0]


def test_nothing_is_told_of_what_is_not_known():
    assert advice("the moon is full", (np.ones(3),)) == ""


def test_a_list_that_does_not_fit_is_told_what_would():
    said = "with remapped shapes [original->remapped]: (3,)  and requested shape (3,2)"

    assert advice(said, ([1.0, 2.0, 3.0], (3, 2))).startswith("a shape that ends")
    with pytest.raises(ValueError, match="a shape that ends"):
        np.broadcast_to(Tensor([1.0, 2.0, 3.0]), (2, 2))
