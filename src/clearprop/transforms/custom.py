"""`custom_rule`: a function of yours as one op, whose backward pass you write yourself."""

from __future__ import annotations

import functools
import inspect
import math
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop import tree
from clearprop.batch import BatchTensor
from clearprop.define import enter
from clearprop.errors import GradientError, at_line, lesson
from clearprop.facts import Facts
from clearprop.hints import takes_truths
from clearprop.modes import Block, Observer, marks, mode, observed
from clearprop.op import Op, describe
from clearprop.ops.shape import as_array, constant
from clearprop.registry import ops
from clearprop.structure import Notes
from clearprop.tensor import Tensor, raw
from clearprop.transforms.arguments import checked, name_of
from clearprop.transforms.packing import Packing
from clearprop.updates import read_only

_alone = Block(observer=None, grad_enabled=True)


class _KeepsTensors(Observer):
    """Who lets no Tensor become a Python value."""

    def python_value(self, tensor: Tensor, asked: str) -> None:
        raise TypeError(asked)


_named: weakref.WeakValueDictionary[str, CustomRule] = weakref.WeakValueDictionary()


@dataclass
class _FoundOut:
    """What is found out about a function while it is used."""

    unchecked: bool
    open: dict[
        tuple[bool, ...], bool
    ]  # by what is a Tensor, and whether a step is recorded: is the rule able?
    entered: bool  # whether plans find it by its name


class CustomRule:
    """A function with a backward pass of its own; see `custom_rule`, which makes it."""

    f: Callable[..., Any]
    __name__: str
    __wrapped__: Callable[..., Any]
    op: Op

    def __init__(
        self,
        f: Callable[..., Any],
        rule: Callable[..., Any] | None,
        check: bool,
        example: tuple[Any, ...] = (),
    ) -> None:
        self.f, self.rule, self._at = f, rule, example
        self.__name__, self.__doc__, self.__wrapped__ = name_of(f), f.__doc__, f
        name = _free_name(self.__name__ if self.__name__.isidentifier() else "custom")
        self.op = Op(
            name,
            _forward,
            variadic_rule=_gradient,
            arity=None,
            defaults={"call": None, "part": None},
            facts=Facts(lower=_as_written, plane="stated", quiet=("call", "part")),
            doc=f.__doc__ or "",
        )
        self.op.__module__ = __name__
        _named[name] = self
        self._notes: Notes = Notes([_FoundOut(check, {}, False)])  # no result depends on it
        self._try()

    @property
    def known(self) -> _FoundOut:
        """What has been found out about the function so far."""
        return self._notes[0]  # type: ignore[no-any-return]

    def backward(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Take `rule(g, z, *args)` as the backward pass: a decorator."""
        self.rule, self.known.open = rule, {}
        self._try()
        return rule

    def _try(self) -> None:
        """Hold the backward pass against differences at the example, once there are both."""
        if self.rule is not None and self._at and self.known.unchecked:
            at = tree.map(lambda x: Tensor(constant(x)) if as_array(x).dtype.kind in "fc" else x, self._at)
            if not any(isinstance(x, Tensor) for x in tree.leaves(at)):
                wanted = "wants floats among the arguments, to be compared"
                got = f"{self._at}"[:60]
                raise TypeError(lesson("custom_rule(example=)", wanted, got, at_line(), "2.0 in place of 2"))
            with _alone:
                self(*at)

    def enter(self) -> None:
        """Put the op into the registry, where plans find ops by their names, as long as it is in use."""
        if not self.known.entered:
            self.known.entered = True
            enter(self.op)
            weakref.finalize(self, ops.pop, self.op.name, None)

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        return self if owner is None else functools.partial(self, owner)

    def __repr__(self) -> str:
        return f"<custom_rule {self.__name__}{'' if self.rule else ', without a backward pass'}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function; with Tensors among its arguments the result is what one op computed."""
        if not any(isinstance(x, Tensor) for x in tree.leaves((args, kwargs))):
            return self.f(*args, **kwargs)
        args, kwargs = self._by_position(args, kwargs)
        leaves = tree.leaves((args, kwargs))
        call = CustomCall(self, args, kwargs, leaves)
        if mode.grad_enabled and any(call.wanted):
            if self.rule is None:
                raise self._error("has no backward pass yet", hint=f"@{self.__name__}.backward")
            if self.known.unchecked:
                self._check(call)
        return call.computed(leaves)

    def _error(self, wanted: str, got: str = "", hint: str = "", kind: Any = TypeError) -> Exception:
        error: Exception = kind(lesson(f"{self.__name__}(...)", wanted, got, at_line(), hint))
        return error

    def _by_position(self, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return the arguments, those that can be by position."""
        try:
            bound = inspect.signature(self.f).bind(*args, **kwargs)
        except ValueError:  # a function that is not written in Python may say nothing of its parameters
            return args, kwargs
        except TypeError as error:
            raise self._error(str(error)) from error
        for name, x in bound.kwargs.items():
            if any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in tree.leaves(x)):
                wanted = "has gradients by arguments that can be given by position"
                raise self._error(wanted, f"{name}=", f"a parameter {name} before the *")
        return bound.args, bound.kwargs

    def _check(self, call: CustomCall) -> None:
        """Hold the backward pass against differences of the function, until these have told something."""
        from clearprop.check import taylor_check

        at = [k for k, want in enumerate(call.wanted) if want]

        def moved(*chosen: Any) -> Any:
            leaves = [x.astype(np.float64) if _is_float(x) else x for x in call.sample]
            for k, x in zip(at, chosen, strict=True):
                leaves[k] = x
            args, kwargs = call.arguments(leaves)
            found = [y for y in tree.leaves(self(*args, **kwargs)) if as_array(y).dtype.kind in "fc"]
            return tuple(found) if len(found) != 1 else found[0]

        self.known.unchecked = False
        try:
            with _alone:
                given = [call.sample[k] for k in at]
                report = taylor_check(moved, *given, directions=2, raise_on_failure=False)
        finally:
            self.known.unchecked = True
        if report.wrong:
            wanted = "its backward pass is not its derivative"
            hint = "check=False where that is meant"
            raise self._error(wanted, f"\n{report!r}", hint, GradientError)
        self.known.unchecked = not report.ok


class CustomCall:
    """One call of such a function: where its arrays belong among the arguments and the results.

    `sample` are the arrays of the call (of the first example inside of `vmap`), for which the function has
    run to tell what it returns. Two calls of one text are the same to the compiler.
    """

    owner: CustomRule
    count: int
    args: Any
    kwargs: Any
    found: list[Any]

    def __init__(self, owner: CustomRule, args: Any, kwargs: Any, leaves: list[Any]) -> None:
        self.owner, self.count = owner, len(leaves)
        self.wanted: list[bool] = [isinstance(x, Tensor) and x.requires_grad for x in leaves]
        self.sample: list[Any] = [_example(owner, x) for x in leaves]
        with ExitStack() as block:  # what there is beside the arrays
            places = [np.broadcast_to(0.0, np.shape(x)) for x in self.sample]
            self.args, self.kwargs = tree.lent((args, kwargs), places, block)
        output, self.found = self._run(self.sample)
        self.packing: Packing = Packing(f"{owner.__name__}(...)", output, self.found)
        if len(self.packing.groups) > 1:
            dtypes = ", ".join(map(str, self.packing.groups))
            raise owner._error("wants results of one floating-point dtype", dtypes)
        self.floats: list[int] = next(iter(self.packing.groups.values()), [])
        self.latest: tuple[Any, Any, list[Any]] | None = None

    def __repr__(self) -> str:
        return f"<{self.owner.op.name} of {self.args!r} {self.kwargs!r}>"

    def arguments(self, leaves: list[Any], block: ExitStack | None = None) -> Any:
        """Return the arguments with these arrays in them."""
        with ExitStack() as own:
            return tree.lent((self.args, self.kwargs), leaves, block or own)

    def _run(self, leaves: list[Any]) -> tuple[Any, list[Any]]:
        """Return what the function returns, and the arrays in it."""
        with _alone, ExitStack() as block:
            args, kwargs = self.arguments([read_only(x) for x in leaves], block)
            output = self.owner.f(*args, **kwargs)
            found = tree.leaves(output)
        for x in found:
            if isinstance(x, Tensor) and x.requires_grad:
                wanted = "would lose the gradient by a Tensor that is none of its arguments"
                hint = "that Tensor as an argument"
                raise self.owner._error(wanted, f"its result is {describe(x)}", hint, GradientError)
        return output, [np.array(raw(x))[()] for x in found]

    def computed(self, leaves: list[Any]) -> Any:
        """Return the result: one op for all that has gradients, and one for each part that has none.

        The backward pass may need the latter (indices, say), so that they are inputs of the former.
        """
        if mode.recorder is not None:
            self.owner.enter()
        op, detach = self.owner.op, ops["detach"]
        values = {k: detach(op(*leaves, call=self, part=k)) for k in self.packing.rest}
        if self.floats:
            flat = op(*leaves, *values.values(), call=self)
            values |= self.packing.parts(flat, self.floats)
        self.sample = self.found = []  # from now on the graph holds them, if anybody does
        return self.packing.formed(values)

    def results(self, leaves: list[Any]) -> list[Any]:
        """Return the arrays of the result; for those of the sample they are known."""
        known = bool(self.found) and all(x is y for x, y in zip(leaves, self.sample, strict=True))
        found = self.found if known else self._run(leaves)[1]
        if [np.shape(x) for x in found] != self.packing.shapes:
            got = f"{[np.shape(x) for x in found]}, then {self.packing.shapes}"
            raise self.owner._error("wants results of the same shapes", got, kind=ValueError)
        return found

    # --- backward -------------------------------------------------------------------------------------------
    def gradients(self, g: Any, z: Any, xs: tuple[Any, ...], i: int) -> Any:
        """Return the gradient by array `i`: those by all are computed when the first is asked for."""
        if self.latest is None or self.latest[0] is not g or self.latest[1] is not z:
            self.latest = g, z, self._pulled(g, z, xs)
        found = self.latest[2][i]
        if not any(self.wanted[i + 1 :]):
            self.latest = None  # nobody else will ask
        return found

    def _pulled(self, g: Any, z: Any, xs: tuple[Any, ...]) -> list[Any]:
        tensors = tuple(isinstance(x, Tensor) for x in (g, z, *xs))
        case = mode.recorder is not None, *tensors
        if any(tensors) and case not in self.owner.known.open:
            self.owner.known.open[case] = self._is_open(case[0], tensors, g, z, *xs)
        if self.owner.known.open.get(case, True):
            return self.by_rule(g, z, xs)
        shapes = [np.shape(x) for x in xs[: self.count]]
        flat, start = self.owner.op(g, z, *xs, call=self, part=_BACKWARD), 0
        found = []
        for shape, want in zip(shapes, self.wanted, strict=True):
            size = math.prod(shape) if want else 0
            part = flat[start : start + size]
            found.append((part.reshape(shape) if shape else part[0]) if want else None)
            start += size
        return found

    def _is_open(self, recorded: bool, tensors: tuple[bool, ...], *given: Any) -> bool:
        """Tell whether the backward pass runs where these are Tensors, and takes no number out of one.

        In a recorded step it may not ask for integers and truth values either.
        """
        values = [_example(self.owner, x) for x in given]
        g, z, *xs = [
            Tensor(v, requires_grad=_is_float(v)) if t else v for v, t in zip(values, tensors, strict=True)
        ]
        before = marks.left
        try:
            with observed(_KeepsTensors()) if recorded else _alone:
                self.by_rule(g, z, tuple(xs))
        except Exception:  # anybody's function: what else is wrong with it shows when it is given arrays
            return False
        return marks.left == before

    def by_rule(self, g: Any, z: Any, xs: tuple[Any, ...]) -> list[Any]:
        """Return what the backward pass gives by each array, None where that is nothing."""
        leaves = [read_only(x) for x in xs[: self.count]]
        rest = dict(zip(self.packing.rest, xs[self.count :], strict=True))
        zeros = {k: np.zeros(self.packing.shapes[k]) for k in rest}
        arriving = self.packing.formed(self.packing.parts(read_only(g), self.floats) | zeros)
        result = self.packing.formed(self.packing.parts(read_only(z), self.floats) | rest)
        assert self.owner.rule is not None
        with ExitStack() as block:
            args, kwargs = self.arguments(leaves, block)
            answer = self.owner.rule(arriving, result, *args, **kwargs)
            found = self._taken_apart(args, answer)
        return [self._fitting(k, x, d) for k, (x, d) in enumerate(zip(leaves, found, strict=True))]

    def _taken_apart(self, args: Any, answer: Any) -> list[Any]:
        """Return the gradient by each array from those by the arguments."""
        alone = len(args) == 1 and not tree.is_leaf(args[0])  # its gradient may be a tuple itself
        several = isinstance(answer, tuple) and (not alone or len(answer) == 1)
        given = answer if several else (answer,)
        if len(given) > len(args) and all(d is None for d in given[len(args) :]):
            given = given[: len(args)]  # those of parameters that were left out
        if len(given) != len(args):
            wanted = f"wants {len(args)} gradients of its backward pass, one for each argument"
            hint = "None in the place of an argument that has none"
            raise self.owner._error(wanted, f"{len(given)}", hint, ValueError)
        found = [e for x, d in zip(args, given, strict=True) for e in _aligned(x, d)]
        found += [None] * (self.count - len(found))  # by keyword
        if len(found) != self.count:
            raise self.owner._error("wants gradients in the form of its arguments", f"{answer!r}"[:60])
        return found

    def _fitting(self, k: int, x: Any, d: Any) -> Any:
        if d is None or not hasattr(x, "dtype"):
            return None
        if np.shape(d) != np.shape(x):
            wanted = f"wants a gradient of the shape {np.shape(x)} by array {k} of its arguments"
            raise self.owner._error(wanted, f"its backward pass gave {np.shape(d)}", kind=ValueError)
        return d if hasattr(d, "dtype") else np.asarray(d)[()]


_BACKWARD = "backward"  # in the place of a part: the backward pass, where it is written for numbers alone


def _forward(*xs: Any, call: Any = None, part: Any = None) -> Any:
    if part == _BACKWARD:
        return _by_numbers(call, *xs)
    found = call.results(list(xs[: call.count]))
    return call.packing.flat(found, call.floats) if part is None else found[part]


def _by_numbers(call: CustomCall, g: Any, z: Any, *xs: Any) -> Any:
    """Return the gradients by all arrays that want one, in a row."""
    found = call.by_rule(g, z, xs)
    chosen = [(x, d) for x, d, want in zip(xs, found, call.wanted, strict=False) if want]
    return np.concatenate([np.zeros(np.size(x)) if d is None else np.ravel(d) for x, d in chosen])


def _gradient(i: int, g: Any, z: Any, *xs: Any, call: Any = None, part: Any = None) -> Any:
    if part == _BACKWARD:
        wanted = "has a backward pass that is written for numbers, so that it has no derivative of its own"
        hint = "NumPy's functions of Tensors in the backward pass, or a custom_rule for what it calls"
        raise call.owner._error(wanted, hint=hint, kind=GradientError)
    return call.gradients(g, z, xs, i) if part is None and i < call.count else None


def _as_written(*xs: Any, **attrs: Any) -> Any:
    raise TypeError("a function with a rule of its own runs as it is written")


def _free_name(name: str) -> str:
    """Return a name that no op has, for two functions may have one name."""
    found, count = name, 1
    while found in ops or found in _named:
        count += 1
        found = f"{name}_{count}"
    return found


def _example(owner: CustomRule, x: Any) -> Any:
    """Return the array that a Tensor stands for, of the first example where there are many."""
    depth = 0
    while isinstance(x, BatchTensor):
        x, depth = x.content, depth + 1
    value = raw(x)
    if 0 in np.shape(value)[:depth]:
        wanted = "cannot tell the shapes of its results for no examples at all"
        raise owner._error(wanted, "an axis of length 0", kind=ValueError)
    return value[(0,) * depth] if depth else value


def _is_float(x: Any) -> bool:
    return hasattr(x, "dtype") and x.dtype.kind == "f"


def _aligned(x: Any, d: Any) -> list[Any]:
    """Return an entry for each leaf of the tree `x`: that of `d` in its place, or None where it has none."""
    if d is None:
        return [None] * len(tree.leaves(x))
    if tree.is_leaf(x) or tree.is_leaf(d):
        return [d]
    if isinstance(x, dict) and isinstance(d, dict):
        return [e for key, part in x.items() for e in _aligned(part, d.get(key))]
    if isinstance(x, (list, tuple)) and isinstance(d, (list, tuple)) and len(x) == len(d):
        return [e for part, own in zip(x, d, strict=True) for e in _aligned(part, own)]
    return tree.leaves(d)


@takes_truths
def custom_rule(
    f: Callable[..., Any] | None = None,
    backward: Callable[..., Any] | None = None,
    *,
    check: bool = True,
    example: tuple[Any, ...] = (),
    **other: Any,
) -> Any:
    """Make one op of a function of yours, whose backward pass `backward(g, z, *args)` you write.

    `f` is given arrays, whatever Tensors it is called with, and may be anything: loops, SciPy, C. Arguments
    and results may be trees (`clearprop.tree`). `backward` receives `g`, the gradient that arrives at the
    result, `z`, the result, and the arguments, and returns one gradient for each argument by position, in its
    form: None where none flows. Written with NumPy's functions it runs on Tensors too, so that second
    derivatives, `jvp` and compiled steps follow from it. The function itself runs as a call in compiled
    steps, once for each example inside `vmap`, and is one box when it is drawn.

    The backward pass is held against differences of `f` (about a hundred calls of it): at once where
    `example` gives arguments, else at the first call that needs a gradient, and not at all with
    `check=False`, for a rule that is not the derivative, as in a straight-through estimator. Raises
    GradientError where it is wrong, or where the result depends on a Tensor that is no argument, ValueError
    for gradients of other shapes or another number, TypeError without a backward pass.

    >>> @custom_rule
    ... def root(x):
    ...     return np.sqrt(x)
    >>> @root.backward
    ... def root_backward(g, z, x):
    ...     return g / (2 * z)
    >>> from clearprop import grad
    >>> grad(root)(4.0), grad(grad(root))(4.0)
    (np.float64(0.25), np.float64(-0.03125))
    >>> steps = custom_rule(np.round, lambda g, z, x: g, check=False)
    >>> grad(lambda x: steps(x) ** 2)(1.2)
    np.float64(2.0)
    """
    if f is None and not other:
        return lambda f: custom_rule(f, backward, check=check, example=example)
    checked("custom_rule", f, other, "backward check example")
    assert f is not None
    return CustomRule(f, backward, check, example if isinstance(example, tuple) else (example,))
