"""A Tensor behaves as the array it holds, and refuses what would lose its gradient."""

import copy
import operator
import pickle
import re

import numpy as np
import pytest

import clearprop
from clearprop import Tensor


def test_a_number_becomes_a_float64_leaf_that_wants_a_gradient():
    t = Tensor(7, name="a")

    assert t.value == 7.0
    assert t.dtype == np.float64
    assert t.requires_grad
    assert t.op is None
    assert t.grad is None


def test_a_tensor_keeps_the_dtype_it_is_given():
    assert Tensor(np.ones(3, np.float32)).dtype == np.float32
    assert Tensor(np.arange(3), requires_grad=False).dtype == np.int64
    assert Tensor(np.arange(3)).dtype == np.float64


def test_python_numbers_are_weak():
    t = Tensor(np.ones(3, np.float32))

    assert (t * 2.0 + 1).dtype == np.float32
    assert (2.0**t / 3).dtype == np.float32


def test_text_is_refused():
    with pytest.raises(TypeError, match=r"Tensor\(value\): wants numbers: dtype <U1"):
        Tensor("a")


ARITHMETIC = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lt", "le", "gt", "ge", "eq", "ne"]


@pytest.mark.parametrize("name", ARITHMETIC)
@pytest.mark.parametrize(
    "other", [1.5, np.float64(1.5), np.array([0.5, 2.0, 3.0])], ids=["number", "scalar", "array"]
)
def test_every_operator_has_its_reflection(name, other):
    apply = getattr(operator, name)
    x = np.array([1.0, 2.0, 3.0])

    np.testing.assert_array_equal(apply(Tensor(x), other).value, apply(x, other))
    np.testing.assert_array_equal(apply(other, Tensor(x)).value, apply(other, x))
    np.testing.assert_array_equal(apply(Tensor(x), Tensor(x + 1)).value, apply(x, x + 1))


@pytest.mark.parametrize("name", ["and_", "or_", "xor", "lshift", "rshift"])
def test_bit_operators_work_on_integers(name):
    apply = getattr(operator, name)
    x, y = np.array([1, 2, 3]), np.array([3, 1, 2])

    np.testing.assert_array_equal(apply(Tensor(x, requires_grad=False), y).value, apply(x, y))
    np.testing.assert_array_equal(apply(x, Tensor(y, requires_grad=False)).value, apply(x, y))


def test_unary_operators_divmod_matmul_round_and_len():
    x = np.array([[1.25, -2.0], [3.0, 0.5]])
    t = Tensor(x)

    np.testing.assert_array_equal((-t).value, -x)
    np.testing.assert_array_equal((+t).value, x)
    np.testing.assert_array_equal(abs(t).value, abs(x))
    np.testing.assert_array_equal((t @ x).value, x @ x)
    np.testing.assert_array_equal((x @ t).value, x @ x)
    np.testing.assert_array_equal(round(t, 1).value, np.round(x, 1))
    np.testing.assert_array_equal(divmod(t, 2)[1].value, divmod(x, 2)[1])
    np.testing.assert_array_equal(divmod(2, t)[0].value, divmod(2, x)[0])
    assert len(t) == 2
    assert [row.shape for row in t] == [(2,), (2,)]
    assert (~Tensor([True, False], requires_grad=False)).value.tolist() == [False, True]


def test_numpy_functions_take_tensors():
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    t = Tensor(x)

    np.testing.assert_array_equal(np.exp(t).value, np.exp(x))
    np.testing.assert_array_equal(np.mean(t, axis=0).value, x.mean(0))
    np.testing.assert_array_equal(np.sum(t, 1).value, x.sum(1))
    np.testing.assert_array_equal(np.concatenate([t, x]).value, np.concatenate([x, x]))
    np.testing.assert_array_equal(np.add.reduce(t).value, x.sum(0))
    np.testing.assert_array_equal(np.maximum.reduce(t, axis=1).value, x.max(1))
    np.testing.assert_array_equal(np.linalg.norm(t).value, np.linalg.norm(x))
    np.testing.assert_array_equal(np.clip(t, 2, None).value, np.clip(x, 2, None))


def test_scipy_special_functions_find_their_op():
    special = pytest.importorskip("scipy.special")

    for name in ("expit", "log_expit", "erf", "erfc", "ndtr"):
        function = getattr(special, name)
        np.testing.assert_allclose(function(Tensor([0.0, 2.0])).value, function([0.0, 2.0]), rtol=1e-14)


def test_a_numpy_function_without_a_rule_names_itself():
    t = Tensor([1.0, 2.0])

    with pytest.raises(TypeError, match=r"np\.is_busday: has no rule, so its gradient is unknown"):
        np.is_busday(t)
    with pytest.raises(TypeError, match=r"np\.isnat: has no rule"):
        np.isnat(t)
    with pytest.raises(TypeError, match=r"np\.add\.at: cannot write into an array that the graph remembers"):
        np.add.at(t, [0], 1.0)


def test_a_list_of_tensors_is_told_of_stack_and_of_its_line():
    t = Tensor(1.0)

    with pytest.raises(TypeError, match=r"(?s)At .*test_tensor\.py:\d+\..*np\.stack\(\[\.\.\.\]\)"):
        np.array([t, t])
    with pytest.raises(ValueError, match="setting an array element") as caught:
        np.zeros(2)[0] = t
    assert re.search(
        r"(?s)array\[i\] = t.*At .*test_tensor\.py:\d+\..*np\.stack", str(caught.value.__cause__)
    )


def test_nothing_detaches_silently():
    t = Tensor([1.0, 2.0])

    with pytest.raises(TypeError, match=r"np\.asarray\(t\): would drop the gradient silently"):
        np.asarray(t)
    with pytest.raises(TypeError, match="cannot write into an array that the graph remembers"):
        np.exp(t, out=np.empty(2))
    np.testing.assert_array_equal(np.asarray(t.detach()), [1.0, 2.0])


def test_values_cannot_be_changed_in_place():
    t = Tensor([1.0, 2.0])

    with pytest.raises(TypeError, match=r"t\[i\] = v: would change a value that the graph remembers"):
        t[0] = 3.0
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        t.value[0] = 3.0


def test_detach_shares_the_value_and_no_history():
    t = Tensor([1.0, 2.0]) * 2
    d = t.detach()

    assert np.shares_memory(d.value, t.value)
    assert not d.requires_grad
    assert d.op is None


def test_python_numbers_come_out_where_there_is_one_entry():
    assert Tensor(2.5).item() == 2.5
    assert float(Tensor(2.5)) == 2.5
    assert int(Tensor(2.5)) == 2
    assert bool(Tensor(0.0)) is False
    assert f"{Tensor(2.5):.2f}" == "2.50"
    with pytest.raises(ValueError, match=r"item\(\): wants a Tensor of one entry: shape \(2,\)"):
        Tensor([1.0, 2.0]).item()
    with pytest.raises(ValueError, match="wants one entry, which is true or false"):
        bool(Tensor([1.0, 2.0]))


def test_repr_tells_value_name_and_op():
    a = Tensor(7.0, name="a")

    assert repr(a) == "Tensor(7., name='a')"
    assert repr(a * 2) == "Tensor(14., op=multiply)"
    assert repr(Tensor(np.ones(2, np.float32), requires_grad=False)) == (
        "Tensor([1., 1.], dtype=float32, requires_grad=False)"
    )
    assert len(repr(Tensor(np.zeros((1000, 1000))))) < 200


def test_a_shape_mismatch_says_what_met_what_and_where():
    x, w = Tensor(np.ones((4, 3)), name="x"), Tensor(np.ones((2, 3)), name="w")

    with pytest.raises(
        ValueError, match=r"(?s)matmul\('x' \(4, 3\) float64, 'w' \(2, 3\) float64\).*test_tensor\.py"
    ) as e:
        x @ w
    assert "Try x @ y.T: the last axes are the ones that agree." in str(e.value)


@pytest.mark.parametrize("name", ["cumsum", "logsumexp", "argmax", "softmax", "flip"])
def test_what_is_given_by_position_and_by_keyword_is_refused(name):
    op, x = clearprop.registry.ops[name], Tensor(np.ones((2, 3)))
    first = next(iter(op.defaults))

    with pytest.raises(
        TypeError, match=rf"{name}\(\.\.\.\): takes {first} once: it was given by position and by"
    ):
        op(x, 0, **{first: 1})


def test_an_unknown_keyword_is_named_with_the_known_ones():
    with pytest.raises(TypeError, match=r"ptp\(.*unexpected keyword argument 'where'"):
        np.ptp(Tensor([1.0]), where=[True])


def test_every_op_is_a_name_of_the_package():
    assert clearprop.tanh(0.0) == 0.0
    assert clearprop.softmax(np.zeros(2)).tolist() == [0.5, 0.5]
    with pytest.raises(AttributeError, match="has no attribute 'no_such_op'"):
        _ = clearprop.no_such_op


def test_a_tensor_written_into_an_array_is_refused_and_float_leaves_on_purpose():
    array, t = np.zeros(2), Tensor(2.0)
    with pytest.raises(ValueError, match="sequence") as error:  # NumPy's own words, with ours as the cause
        array[0] = t

    assert "array[i] = t: would drop the gradient silently" in str(error.value.__cause__)
    array[0] = float(t)
    assert array[0] == 2.0


def test_a_leaf_can_be_pickled_and_a_graph_is_copied_whole():
    w = Tensor([1.0, 2.0], name="w")
    loss = (w * w).sum()
    loss.backward()

    again = pickle.loads(pickle.dumps(w))
    assert (again.name, again.grad.tolist()) == ("w", [2.0, 4.0])
    with pytest.raises(TypeError, match=r"pickle\(t\): wants a leaf(.|\n)*t.detach\(\), or copy.deepcopy"):
        pickle.dumps(loss)

    twin, twin_w = copy.deepcopy((loss, w))
    assert twin.op is loss.op
    twin.backward(create_graph=True)
    assert twin_w.grad.value.tolist() == [4.0, 8.0]
    assert w.grad.tolist() == [2.0, 4.0]


def test_a_deep_graph_is_copied_without_recursion():
    y = Tensor(1.0)
    for _ in range(5000):
        y = y + 1.0

    assert copy.deepcopy(y).value == 5001.0


def test_too_many_inputs_are_refused_rather_than_written_into():
    x, y = np.array([1.0]), np.array([5.0])

    with pytest.raises(TypeError, match=r"tanh\(\.\.\.\): takes 1 inputs: 2"):
        clearprop.tanh(x, y)
    assert y.tolist() == [5.0]


@pytest.mark.parametrize(
    ("call", "called", "way"),
    [
        (lambda t: np.full(3, t[0]), "np.full(n, t)", "np.broadcast_to(t, n)"),
        (lambda t: np.arange(t[0]), "np.arange(t)", "t * np.arange(n)"),
        (lambda t: np.vectorize(lambda x: 2 * x)(t), "np.vectorize(f)(t)", "clearprop.vmap(f)"),
        (
            lambda t: np.random.default_rng(0).normal(t, 1.0),
            "rng.normal(t, ...)",
            "loc + scale * rng.normal(",
        ),
        (
            lambda t: np.random.default_rng(0).uniform(0.0, t),
            "rng.uniform(t, ...)",
            "loc + scale * rng.uniform(",
        ),
        (lambda t: np.maximum(np.arange(2.0), np.asarray(t)), "np.asarray(t)", "np.stack"),
    ],
)
def test_functions_of_numpy_that_ask_no_tensor_name_the_way(call, called, way):
    with pytest.raises(TypeError) as error:
        call(Tensor([1.0, 2.0]))

    assert str(error.value).startswith(f"{called}: would drop the gradient silently")
    assert f"Try {way}" in str(error.value)


def test_an_index_is_a_whole_number():
    assert [10, 20, 30][Tensor(1, requires_grad=False)] == 20
    np.testing.assert_array_equal(np.eye(Tensor(2, requires_grad=False)), np.eye(2))
    for t in (Tensor(1.5), Tensor([1.0, 2.0])):
        with pytest.raises(TypeError, match=r"index\(t\): wants one integer"):
            np.eye(t)


def test_assertions_of_numpy_look_at_values():
    from clearprop import testing

    testing.assert_allclose(Tensor([1.0, 2.0]), [1.0, 2.0])
    with pytest.raises(AssertionError):
        testing.assert_array_equal(Tensor([1.0]), [2.0])
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        testing.nonsense
