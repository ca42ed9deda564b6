"""Options that are True or False: text is refused wherever one is taken, for "no" counts as true."""

import inspect

import numpy as np
import pytest

import clearprop
from clearprop import data, nn, optim, train

FUNCTIONS = {
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
    assert len(CASES) > 150


@pytest.mark.parametrize(("taker", "flag"), CASES, ids=[f"{taker.__name__}-{flag}" for taker, flag in CASES])
def test_text_is_no_truth(taker, flag):
    parameters = inspect.signature(taker).parameters.values()
    needed = [None for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
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
