"""The array API standard, 2024.12: every name and signature, shapes, promotion and indexing as NumPy has them."""

import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import clearprop.numpy as np
from clearprop import Tensor, coverage
from clearprop.numpy import array_api

ROOT = Path(__file__).resolve().parents[2]
ROWS = list(array_api.rows())
FEW = settings(max_examples=60, deadline=None, derandomize=True)
REAL = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float32", "float64")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_name_of_the_standard_takes_its_arguments_and_agrees_with_numpy(row):
    kind, reason = coverage.state_of_row(row)

    assert kind in ("covered", "plain"), reason


def test_a_row_that_differs_does_not_count(monkeypatch):
    row = next(row for row in ROWS if row.name == "tanh")
    monkeypatch.setattr(np, "tanh", np.sinh)
    assert coverage.state_of_row(row) == ("refused", "differs from NumPy")
    monkeypatch.setattr(np, "tanh", lambda: 0)
    assert coverage.state_of_row(row)[1] == "too many positional arguments"


def test_the_table_is_the_standards():
    strict = pytest.importorskip("array_api_strict")
    strict.set_array_api_strict_flags(api_version="2024.12")
    spaces = {"": strict, "linalg.": strict.linalg, "fft.": strict.fft}
    own = ("set_array", "get_array", "reset_array", "Device", "ArrayAPI", "__", "broadcast_shapes")
    theirs = {
        space + name: function
        for space, module in spaces.items()
        for name in module.__all__
        if callable(function := getattr(module, name)) and not name.startswith(own)
    }

    assert {
        name for name in strict.__all__ if hasattr(numpy, name) and isinstance(getattr(numpy, name), type)
    } >= set(array_api.DTYPES)
    assert {row.name for row in ROWS} == theirs.keys()
    for row in ROWS:
        shown = [(p.name, p.kind) for p in array_api.parameters(row.signature)]
        assert shown == [(p.name, p.kind) for p in inspect.signature(theirs[row.name]).parameters.values()], (
            row.name
        )


def test_constants_dtypes_and_what_the_namespace_says_of_itself():
    info = np.__array_namespace_info__()

    assert np.__array_api_version__ == "2024.12"
    for name in array_api.CONSTANTS:
        assert hasattr(np, name)
    assert set(info.dtypes()) == set(array_api.DTYPES)
    assert set(info.dtypes(kind="signed integer")) == {"int8", "int16", "int32", "int64"}
    assert set(info.dtypes(kind=("bool", "complex floating"))) == {"bool", "complex64", "complex128"}
    assert info.default_device() in info.devices()
    assert info.default_dtypes()["real floating"] == np.asarray(1.0).dtype
    assert info.default_dtypes(device="cpu")["integral"] == np.asarray(1).dtype
    assert info.capabilities()["boolean indexing"] is True
    with pytest.raises(ValueError, match="is one of bool"):
        info.dtypes(kind="real")


OF_AN_ARRAY = "T __abs__ __add__ __and__ __array_namespace__ __bool__ __complex__ __dlpack__ __dlpack_device__ __eq__ __float__ __floordiv__ __ge__ __getitem__ __gt__ __iadd__ __iand__ __ifloordiv__ __ilshift__ __imatmul__ __imod__ __imul__ __index__ __int__ __invert__ __ior__ __ipow__ __irshift__ __isub__ __itruediv__ __ixor__ __le__ __lshift__ __lt__ __matmul__ __mod__ __mul__ __ne__ __neg__ __or__ __pos__ __pow__ __radd__ __rand__ __rfloordiv__ __rlshift__ __rmatmul__ __rmod__ __rmul__ __ror__ __rpow__ __rrshift__ __rshift__ __rsub__ __rtruediv__ __rxor__ __setitem__ __sub__ __truediv__ __xor__ device dtype mT ndim shape size to_device"


@pytest.mark.parametrize("name", OF_AN_ARRAY.split())
def test_a_tensor_has_what_the_standard_asks_of_an_array(name):
    assert hasattr(Tensor([[1.0]]), name)


@pytest.mark.parametrize("name", ["shape", "ndim", "size", "dtype", "T", "mT", "device"])
def test_its_attributes_are_those_of_the_array(name):
    x = numpy.arange(6.0).reshape(2, 3)
    ours, theirs = getattr(Tensor(x), name), getattr(x, name, "cpu")

    numpy.testing.assert_array_equal(ours.value if isinstance(ours, Tensor) else ours, theirs)


# --- properties ---------------------------------------------------------------------------------------------
TWO = "add subtract multiply divide pow maximum minimum hypot atan2 logaddexp remainder floor_divide copysign equal less greater_equal"


@pytest.mark.parametrize("name", TWO.split())
def test_two_dtypes_are_promoted_as_numpy_promotes_them(name):
    for first in REAL:
        for second in (*REAL, 2, 2.0, True):
            x = numpy.array([1, 2, 3], first)
            y = numpy.array([3, 1, 2], second) if isinstance(second, str) else second
            try:
                wanted = getattr(numpy, name)(x, y)
            except TypeError:
                continue
            for pair in ((_lift(x), _lift(y)), (_lift(x), y), (x, _lift(y))):
                found = getattr(np, name)(*pair)
                assert found.dtype == wanted.dtype, (name, first, second)
                numpy.testing.assert_allclose(_plain(found), wanted, rtol=1e-6)


def _lift(x):
    return Tensor(x, requires_grad=False) if isinstance(x, numpy.ndarray) else x


def _plain(x):
    return numpy.asarray(x.value if isinstance(x, Tensor) else x)


@FEW
@given(arrays.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3))
def test_three_shapes_broadcast_and_each_gets_a_gradient_of_its_own(shapes):
    x, y, z = (Tensor(numpy.full(shape, 0.5 + i)) for i, shape in enumerate(shapes.input_shapes))
    found = np.where(np.multiply(x, y) > 0, np.add(x, z), np.atan2(y, z))

    assert found.shape == shapes.result_shape
    if found.size:
        np.sum(found).backward()
        for t in (x, z):
            assert numpy.shape(t.grad) == t.shape


@st.composite
def reductions(draw):
    shape = draw(arrays.array_shapes(max_dims=3, max_side=3))
    axis = draw(st.none() | arrays.valid_tuple_axes(len(shape)) | st.integers(-len(shape), len(shape) - 1))
    return shape, axis, draw(st.booleans()), draw(st.sampled_from(["float32", "float64"]))


@pytest.mark.parametrize(
    "name", ["sum", "prod", "mean", "max", "min", "std", "var", "all", "any", "count_nonzero"]
)
@FEW
@given(reductions())
def test_reductions_have_numpys_shapes_dtypes_and_values(name, drawn):
    shape, axis, keepdims, dtype = drawn
    x = numpy.random.default_rng(0).normal(size=shape).astype(dtype)
    found, wanted = (
        f(y, axis=axis, keepdims=keepdims)
        for f, y in ((getattr(np, name), Tensor(x)), (getattr(numpy, name), x))
    )

    assert (numpy.shape(found), found.dtype) == (numpy.shape(wanted), numpy.asarray(wanted).dtype)
    numpy.testing.assert_allclose(_plain(found), wanted, rtol=1e-5, atol=1e-6)


@st.composite
def indexed(draw):
    shape = draw(arrays.array_shapes(max_dims=3, max_side=4))
    basic = arrays.basic_indices(shape, allow_newaxis=True)
    fancy = arrays.integer_array_indices(shape, result_shape=arrays.array_shapes(max_dims=2, max_side=3))
    mask = arrays.arrays(bool, shape)
    return shape, draw(basic | fancy | mask)


@FEW
@given(indexed())
def test_indexing_gives_numpys_entries_and_the_gradient_goes_back_to_them(drawn):
    shape, index = drawn
    x = numpy.random.default_rng(1).normal(size=shape)
    t = Tensor(x)
    found = t[index]
    numpy.testing.assert_array_equal(_plain(found), x[index])
    weights = numpy.random.default_rng(2).normal(size=x[index].shape)
    np.sum(found * weights).backward()
    wanted = numpy.zeros(shape)
    numpy.add.at(wanted, index, weights)

    numpy.testing.assert_allclose(t.grad, wanted, atol=1e-14)


def test_hypothesis_takes_the_namespace_for_one_of_the_standards():
    from hypothesis.extra.array_api import make_strategies_namespace

    strategies = make_strategies_namespace(np, api_version="2024.12")

    @FEW
    @given(strategies.arrays(strategies.scalar_dtypes(), strategies.array_shapes(max_side=3)))
    def made(x):
        assert _lift(x).dtype == x.dtype
        numpy.testing.assert_array_equal(np.flip(_lift(x)).value, numpy.flip(x))

    made()


# --- the public suite ---------------------------------------------------------------------------------------
SUITE = """
import importlib, os
xp = importlib.import_module(os.environ["ARRAY_API_TESTS_MODULE"])

def test_arrays():
    assert os.environ["ARRAY_API_TESTS_VERSION"] == "2024.12"
    x = xp.asarray([1.0, 2.0])
    assert type(xp.ones(3)).__name__ == {kind!r}
    assert float(xp.sum(xp.sin(x) + xp.ones_like(x))) > 2

def test_setitem():
    x = xp.zeros(2)
    x[0] = 1.0
"""


@pytest.mark.parametrize(("flag", "kind", "tests"), [((), "ndarray", 2), (("--tensors",), "Tensor", 1)])
def test_the_harness_runs_a_checkout_of_the_suite(tmp_path, flag, kind, tests):
    (tmp_path / "array_api_tests").mkdir()
    (tmp_path / "array_api_tests" / "test_all.py").write_text(SUITE.format(kind=kind))
    command = [sys.executable, ROOT / "tools" / "array_api_suite.py", tmp_path, *flag]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{tests} passed" in ended.stdout


def test_the_harness_says_where_there_is_no_suite(tmp_path):
    ended = subprocess.run(
        [sys.executable, ROOT / "tools" / "array_api_suite.py", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert "no clone of data-apis/array-api-tests" in ended.stdout


def test_with_tensors_every_array_is_one():
    spec = importlib.util.spec_from_file_location(
        "array_api_tensors", ROOT / "tools" / "array_api_tensors.py"
    )
    xp = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = xp
    spec.loader.exec_module(xp)
    x = xp.asarray([[3.0, 1.0], [1.0, 2.0]])

    for z in (
        x,
        xp.zeros((2,)),
        xp.eye(2),
        xp.linspace(0, 1, 3),
        xp.tril(x),
        xp.meshgrid(x[0], x[1])[0],
        xp.linalg.eigh(x)[0],
    ):
        assert isinstance(z, Tensor)
    del sys.modules[spec.name]


# --- beside the reference of the standard: every pair of dtypes, special values -------------------------------
KINDS = {"b": [0, 1], "i": [0, 1, 2, 3], "u": [0, 1, 2, 3], "f": [0.0, -0.0, 1.0, -1.5, numpy.inf, -numpy.inf, numpy.nan], "c": [0, 1 + 2j, -1j]}  # fmt: skip
DTYPES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
ONE = [
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "bitwise_invert",
    "ceil",
    "conj",
    "cos",
    "cosh",
    "exp",
    "expm1",
    "floor",
    "imag",
    "isfinite",
    "isinf",
    "isnan",
    "log",
    "log1p",
    "log2",
    "log10",
    "logical_not",
    "negative",
    "positive",
    "real",
    "reciprocal",
    "round",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "square",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
]
PAIRS = [
    "add",
    "atan2",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "copysign",
    "divide",
    "equal",
    "floor_divide",
    "greater",
    "greater_equal",
    "hypot",
    "less",
    "less_equal",
    "logaddexp",
    "logical_and",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "multiply",
    "nextafter",
    "not_equal",
    "pow",
    "remainder",
    "subtract",
]
MANY = [
    "sum",
    "prod",
    "max",
    "min",
    "all",
    "any",
    "mean",
    "std",
    "var",
    "cumulative_sum",
    "cumulative_prod",
    "argmax",
    "argmin",
    "count_nonzero",
    "sort",
    "unique_counts",
    "nonzero",
]


def of_kind(dtype):
    return numpy.array(KINDS[numpy.dtype(dtype).kind], dtype)


def agree(name, strict, wrap, *arrays):
    """Compare with the reference where it answers; return whether it does."""
    try:
        expected = getattr(strict, name)(
            *(strict.asarray(x) if isinstance(x, numpy.ndarray) else x for x in arrays)
        )
    except (TypeError, ValueError):
        return 0
    found = getattr(np, name)(*(wrap(x) if isinstance(x, numpy.ndarray) else x for x in arrays))
    expected, found = (z if isinstance(z, tuple) else (z,) for z in (expected, found))
    for z, w in zip(found, expected, strict=True):
        z, w = numpy.asarray(z), numpy.asarray(w._array)
        assert (z.dtype, z.shape) == (w.dtype, w.shape), (name, arrays)
        numpy.testing.assert_allclose(z, w, rtol=1e-6, err_msg=f"{name} {arrays}")
    return 1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "wrap", [lambda x: x, lambda x: Tensor(x, requires_grad=False)], ids=["arrays", "tensors"]
)
def test_dtypes_and_special_values_are_those_of_the_reference(wrap):
    strict = pytest.importorskip("array_api_strict")
    compared = 0
    with numpy.errstate(all="ignore"):
        for name in (*ONE, *MANY):
            compared += sum(agree(name, strict, wrap, of_kind(d)) for d in DTYPES)
        for name in PAIRS:
            for d in DTYPES:
                for e in DTYPES:
                    x, y = of_kind(d), of_kind(e)[::-1]
                    size = min(x.size, y.size)
                    compared += agree(name, strict, wrap, x[:size].copy(), y[:size].copy())
                compared += agree(name, strict, wrap, of_kind(d), 2) if name != "bitwise_left_shift" else 0

    assert compared > 1500


def test_every_name_and_argument_of_the_reference_is_there():
    strict = pytest.importorskip("array_api_strict")
    absent = []
    for theirs, ours in ((strict, np), (strict.linalg, np.linalg), (strict.fft, np.fft)):
        for name in theirs.__all__:
            if name.endswith("_flags") or name in ("ArrayAPIStrictFlags", "Device") or name.startswith("__"):
                continue
            f = getattr(theirs, name)
            wanted = inspect.signature(f).parameters.values() if inspect.isfunction(f) else ()
            taken = inspect.signature(getattr(ours, name)).parameters if inspect.isfunction(f) else {}
            open_ended = any(p.kind is p.VAR_KEYWORD for p in taken.values())
            absent += [(name, p.name) for p in wanted
                       if p.kind not in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL) and p.name not in taken and not open_ended]  # fmt: skip

    assert absent == []
