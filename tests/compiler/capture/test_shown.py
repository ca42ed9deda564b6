"""What is shown of a Tensor, and numbers for Python: right at each call, or refused while recording."""

import copy
import math
from itertools import pairwise

import numpy as np
import pytest

import clearprop
from clearprop import Tensor
from clearprop.compiler import RecordingError
from clearprop.compiler.step import available_executors
from clearprop.see import draw, explain, trace

ASKED = {
    "str": str,
    "repr": repr,
    "print": print,
    "f-string": lambda t: f"{t}",
    "f-string with digits": lambda t: f"{t:.3f}",
    "f-string of repr": lambda t: f"{t!r}",
    "format": lambda t: format(t, ".3f"),
    "text.format": lambda t: "{:.2f}".format(t),  # noqa: UP032
    "percent": lambda t: "%.3f" % t,  # noqa: UP031
    "item": lambda t: t.item(),
    "float": float,
    "int": int,
    "complex": complex,
    "bool": bool,
    "if": lambda t: 1 if t > 0 else 2,
    "math": math.sin,
    "floor": math.floor,
    "trunc": math.trunc,
    "max": lambda t: max(t, 1.0),
    "sorted": lambda t: sorted([t, t * 2.0]),
    "range": lambda t: range(t.astype(int)),
    "array2string": np.array2string,
}
OF_TENSORS = {
    "html": lambda t: t._repr_html_(),
    "numpy": lambda t: t.numpy(),
    "value": lambda t: t.value,
    "draw": lambda t: draw(t).to_svg(),
    "trace": lambda t: trace(t).to_text(),
    "explain": explain,
}
KEPT = {
    "len": len,
    "list": list,
    "tuple": tuple,
    "unpacked": lambda t: [*t],
    "iterated": lambda t: [x * 2.0 for x in t],
    "sum": sum,
    "reversed": lambda t: list(reversed(t)),
    "zip": lambda t: [a * b for a, b in pairwise(t)],
    "shape": lambda t: t.shape,
    "copy": copy.copy,
    "any": np.any,
}


@pytest.fixture(params=available_executors())
def executor(request):
    return request.param


def refused(question, x, executor):
    step = clearprop.compile(lambda x: (question(x * 2.0), x)[1], executor=executor)
    with pytest.raises(RecordingError) as caught:
        step(x)
    text = str(caught.value)
    assert text.startswith("compile(step): a recorded step cannot ask for ")
    assert "\n  At " in text
    assert "test_shown.py" in text
    assert "\n  Try " in text


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("given", [np.float64(2.0), Tensor(2.0)], ids=["array", "tensor"])
def test_a_number_for_python_is_refused(name, given, executor):
    refused(ASKED[name], given, executor)


@pytest.mark.parametrize("name", OF_TENSORS)
def test_what_is_shown_of_a_tensor_is_refused(name, executor):
    refused(OF_TENSORS[name], Tensor(2.0), executor)


def test_rounding_to_a_whole_number_is_one_of_pythons(executor):
    refused(round, np.float64(2.3), executor)
    step = clearprop.compile(lambda x: round(x * 2.0, 1), executor=executor)

    assert [float(step(np.float64(v))) for v in (1.17, 2.22)] == [2.3, 4.4]


def numbers(x):
    if isinstance(x, (list, tuple)):
        return [numbers(v) for v in x]
    return np.asarray(x.detach().numpy() if isinstance(x, Tensor) else x).tolist()


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("wrap", [np.array, Tensor], ids=["array", "tensor"])
def test_what_follows_from_the_shape_alone_is_right_at_each_call(name, wrap, executor):
    question = KEPT[name]
    step = clearprop.compile(lambda x: question(x * 2.0), executor=executor)
    for values in ([1.0, 2.0, 3.0], [4.0, -5.0, 6.0], [0.0, 0.0, 0.0]):
        x = wrap(values)
        assert numbers(step(x)) == numbers(question(x * 2.0))


def test_an_array_of_tensors_is_refused_as_in_eager_mode(executor):
    for make in (np.array, np.asarray):
        with pytest.raises(TypeError, match=r"would drop the gradient silently(.|\n)*\n  At .*\n  Try "):
            clearprop.compile(lambda x, make=make: make(x * 2.0), executor=executor)(Tensor(2.0))
