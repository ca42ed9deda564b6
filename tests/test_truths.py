"""Options that are True or False: text is refused wherever one is taken, for "no" counts as true."""

import inspect

import numpy as np
import pytest

import clearprop
import clearprop.numpy as cnp
from clearprop import Tensor, data, nn, optim, train
from clearprop.nn import functional
from clearprop.nn.utils import fuse_conv_bn_eval

FUNCTIONS = {
    **{name: f for name in dir(functional) if inspect.isfunction(f := getattr(functional, name))},
    **{name: f for name, f in vars(nn.Module).items() if inspect.isfunction(f) and name[0] != "_"},
    "fuse_conv_bn_eval": fuse_conv_bn_eval,
    "Tensor.backward": Tensor.backward,
    "backward": clearprop.backward,
    "custom_rule": clearprop.custom_rule,
    "elementwise": clearprop.elementwise,
    "jacfwd": clearprop.jacfwd,
    "jacrev": clearprop.jacrev,
    "linearize": clearprop.linearize,
    "scan": clearprop.scan,
    "sparse_jacobian": clearprop.sparse_jacobian,
    "topological_order": clearprop.topological_order,
    "watch": clearprop.watch,
    "compile": clearprop.compile,
    "fit": train.fit,
    "evaluate": train.evaluate,
    "training_step": train.training_step,
    "save_checkpoint": train.save_checkpoint,
    "read_table": data.read_table,
    "stream_table": data.stream_table,
    "grad": clearprop.grad,
    "value_and_grad": clearprop.value_and_grad,
    "jacobian": clearprop.jacobian,
    "hessian": clearprop.hessian,
    "vjp": clearprop.vjp,
    "jvp": clearprop.jvp,
    "gradcheck": clearprop.gradcheck,
    "taylor_check": clearprop.taylor_check,
    "check_model": clearprop.check_model,
    "playground": clearprop.playground,
    "clip_grad_norm_": optim.clip_grad_norm_,
}
OTHERS = {"WeightedSampler", "Buffer", "Parameter", "Weighted"}


def flags(function):
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if isinstance(p.default, bool) and p.annotation in (bool, "bool")]


CLASSES = {
    name: thing
    for room in (nn, optim, data, train)
    for name in dir(room)
    if inspect.isclass(thing := getattr(room, name)) and name not in OTHERS and not issubclass(thing, tuple)
}
CASES = [
    (thing, flag)
    for thing in (*CLASSES.values(), *FUNCTIONS.values())
    for flag in flags(thing.__init__ if inspect.isclass(thing) else thing)
]


def test_there_are_many():
    assert len(CASES) > 230


@pytest.mark.parametrize(("taker", "flag"), CASES, ids=[f"{taker.__name__}-{flag}" for taker, flag in CASES])
def test_text_is_no_truth(taker, flag):
    parameters = inspect.signature(taker).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)
    needed = [None for p in parameters if p.default is p.empty and p.kind in kinds]
    with pytest.raises(
        TypeError, match=rf"\({flag}=\): wants True or False: 'no'\.[^.]*says\.\n  Try {flag}=False"
    ):
        taker(*needed, **{flag: "no"})


def test_by_position_too():
    x = np.zeros((4, 1))
    with pytest.raises(TypeError, match=r"DataLoader\(shuffle=\): wants True or False: 'False'"):
        data.DataLoader((x, x), 2, "False")
    with pytest.raises(TypeError, match=r"Linear\(bias=\): wants True or False: 'yes'.*\n.*\n.*bias=True"):
        nn.Linear(2, 3, "yes")
    with pytest.raises(TypeError, match=r"WeightedSampler\(replacement=\): wants True or False"):
        data.WeightedSampler([1.0], 1, "no")


def test_functions_by_position_too():
    x = np.ones((1, 2, 4))
    with pytest.raises(TypeError, match=r"dropout\(training=\): wants True or False: 'no'"):
        functional.dropout(x, 0.5, "no")
    with pytest.raises(TypeError, match=r"max_pool1d\(ceil_mode=\): wants True or False: 'False'"):
        functional.max_pool1d(x, 2, 2, 0, 1, "False")
    with pytest.raises(TypeError, match=r"Module.train\(mode=\): wants True or False: 'no'"):
        nn.Linear(2, 3).train("no")
    assert functional.max_pool1d(x, 2, 2, 0, 1, 0).shape == (1, 2, 2)


def test_attributes_and_tensors():
    layer = nn.Dropout(0.5)
    with pytest.raises(TypeError, match=r"Dropout\(training=\): wants True or False: 'no'"):
        layer.training = "no"
    with pytest.raises(TypeError, match=r"Tensor\(requires_grad=\): wants True or False: 'no'"):
        Tensor(1.0, requires_grad="no")

    assert layer.training is True


@pytest.mark.parametrize(
    ("function", "option"),
    [
        *((f, "keepdims") for f in (np.sum, np.mean, np.max, np.std, np.median, np.nansum)),
        (np.cov, "rowvar"),
        (np.cov, "bias"),
        (np.unique, "return_index"),
        (np.array_equal, "equal_nan"),
        (np.nan_to_num, "copy"),
    ],
)
def test_options_of_numpys_functions(function, option):
    x = Tensor(np.ones((2, 3)))
    given = (x, x) if function is np.array_equal else (x,)
    with pytest.raises(TypeError, match=rf"np\.\w+\({option}=\): wants True or False: 'no'"):
        function(*given, **{option: "no"})


def test_words_that_are_options_stay():
    x = Tensor(np.ones((2, 2)))

    assert np.einsum("ij,jk->ik", x, x, optimize="greedy").shape == (2, 2)
    assert len(np.meshgrid(x[0], x[1], indexing="ij")) == 2


def test_a_group_of_parameters_takes_none_either():
    w = clearprop.Tensor(1.0)
    optimizer = optim.SGD([w], 0.1, momentum=0.9, nesterov=True)
    with pytest.raises(ValueError, match="wants True or False: 'no'"):
        optimizer.param_groups[0]["nesterov"] = "no"
    with pytest.raises(TypeError, match=r"SGD\(nesterov=\): wants True or False: 'no'"):
        optim.SGD([{"params": [w], "nesterov": "no"}], 0.1, momentum=0.9)

    assert optimizer.param_groups[0]["nesterov"] is True


def test_what_pytorch_takes_stays():
    x = np.zeros((4, 1))

    assert nn.Linear(2, 3, bias=0).bias is None
    assert nn.Linear(2, 3, np.True_).bias is not None
    assert len(list(data.DataLoader((x, x), 2, shuffle=1))) == 2


PLACED = {
    "cov, rows": lambda t: np.cov(t, None, "no"),
    "cov, bias": lambda t: np.cov(t, None, True, "no"),
    "corrcoef": lambda t: np.corrcoef(t, None, "no"),
    "angle": lambda t: np.angle(t, "no"),
    "isclose": lambda t: np.isclose(t, t, 1e-5, 1e-8, "no"),
    "isclose, by name": lambda t: np.isclose(t, t, equal_nan="no"),
    "allclose": lambda t: np.allclose(t, t, 1e-5, 1e-8, "no"),
    "array_equal": lambda t: np.array_equal(t, t, "no"),
    "sum": lambda t: np.sum(t, None, None, None, "no"),
    "nanmax": lambda t: np.nanmax(t, None, None, "no"),
    "isin": lambda t: np.isin(t, t, False, "no"),
    "isin, by name": lambda t: np.isin(t, t, invert="no"),
    "linspace": lambda t: np.linspace(t, t, 5, "no"),
    "unique": lambda t: np.unique(t, "no"),
    "nan_to_num": lambda t: np.nan_to_num(t, "no"),
    "histogram": lambda t: np.histogram(t, 10, None, "no"),
    "histogram, by name": lambda t: np.histogram(t, density="no"),
    "norm": lambda t: np.linalg.norm(t, None, None, "no"),
    "argmax": lambda t: np.argmax(t, keepdims="no"),
    "argmin": lambda t: t.argmin(keepdims="no"),
    "nanargmax": lambda t: np.nanargmax(t, keepdims="no"),
    "where of a ufunc": lambda t: np.add(t, t, where="no"),
    "subok of a ufunc": lambda t: np.exp(t, subok="no"),
    "array": lambda t: cnp.array(t, copy="no"),
    "asarray": lambda t: cnp.asarray([t, t], copy="no"),
    "astype": lambda t: cnp.astype(t, float, copy="no"),
    "sort": lambda t: cnp.sort(t, descending="no"),
    "argsort": lambda t: cnp.argsort(t, descending="no"),
    "cumulative_sum": lambda t: cnp.cumulative_sum(t[0], include_initial="no"),
}


@pytest.mark.parametrize("name", PLACED)
def test_text_is_refused_wherever_an_option_of_numpys_stands(name):
    with pytest.raises(TypeError, match="wants True or False: 'no'"):
        PLACED[name](Tensor(np.arange(6.0).reshape(2, 3)))


def test_words_that_are_no_truths_stay():
    t = Tensor(np.arange(6.0).reshape(2, 3))
    assert np.pad(t, 1, "constant").shape == (4, 5)
    assert np.einsum("ij->j", t).shape == (3,)
    assert float(np.percentile(t, 50, method="lower")) == 2.0
    assert np.einsum("ij,kj->ik", t, t, optimize="greedy").shape == (2, 2)


def test_text_in_the_slot_is_refused_by_the_backward_pass():
    t = Tensor([1.0, 2.0])
    t.requires_grad = "no"
    z = (t * t).sum()
    with pytest.raises(TypeError, match=r"Tensor\(requires_grad=\): wants True or False: 'no'"):
        z.backward()
    assert t.grad is None
