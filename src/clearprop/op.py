"""`Op`: something that can be done to arrays."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.advice import advice
from clearprop.errors import at_line, lesson, taught, user_line
from clearprop.facts import SILENT, Facts
from clearprop.hints import for_keywords
from clearprop.lines import origins
from clearprop.modes import Block, ModeState, Observer, current, marks, special
from clearprop.refusal import form, public_class
from clearprop.registry import entered, ops
from clearprop.showing import NO_ATTRS, note_view, placed
from clearprop.sources import note
from clearprop.tensor import PLAIN, Tensor, plain

Rule = Callable[..., Any]
KINDS = ("elementwise", "reduce", "view", "contract", "gather", "opaque")

_next_serial = itertools.count(1).__next__  # 0 is every leaf: leaves stand first in any order
_SEQUENCES = (list, tuple)
_ARRAY = np.ndarray
_VIEWS = ("view", "gather")
_KEYWORD_ONLY = ("ddof", "keepdims")  # by position NumPy has `dtype` there
_new = Tensor.__new__
_ANYBODY = Observer()  # who looks on and says nothing
_NOBODY = ModeState(Block(), None)


class Op:
    """Something that can be done to arrays: `z = op(*xs, **attrs)`.

    An op is called with arrays and returns arrays, or with Tensors among them and returns a Tensor that
    remembers how it was made. It is an entry in `clearprop.registry.ops`; readers find all they need in its
    fields:

    - `forward(*arrays, **attrs)`: plain NumPy.
    - `rules[i](g, z, *xs, **attrs)`: the gradient that input `i` receives, or None where none flows. `g` is
      the gradient arriving at the output, `z` the output. A variadic op has one rule, `rule(i, g, z, *xs,
      **attrs)`, in `variadic_rule`.
    - `derivatives[i]` (elementwise ops only): the local derivative dz/dx as a function of `z, *xs`, or a
      number, or None.
    - `kind`: one of `elementwise reduce view contract gather opaque`; readers are written against kinds.
    - `arity`: how many inputs, None for any number; `defaults`: attribute names and their defaults.
    - `singular(*xs)`: whether a local derivative may be infinite, so that an arriving 0 must be kept 0.
    - `choice`: whether the local derivative tells who was chosen: where it is 0 exactly 0 is sent, whatever
      arrives, so that sqrt(relu(x)) is flat left of 0 although the root is infinitely steep at 0.
    - `masked(*xs, mask, **attrs)` (reductions): the same over the entries where the mask holds alone, or
      NotImplemented; `empty`: whether no entries at all have a result.
    - `by_rows`: whether row i of the output depends on row i of the first input alone, whatever its length.
    - `together(total, shape, uses)`: `total` plus what input 0, of that shape, receives from many `uses`,
      each `(g, xs, attrs)`; for an op that reads little of a large input, whose rule fills the rest with 0.
    - `hint(*arrays, **attrs)`: after a failed call, what was wanted and what to try ('' where unknown).
    - `batch(op, size, xs, mapped, attrs)`: how `vmap` runs it on `size` examples, where its kind and
      attributes do not say it; `draws`: whether its results are random numbers, of the attribute `shape`.
    - `rest(g, node, later)`: a look, before its rule is run, at what is computed from the output: the `g` to
      run the rule with, and what input 0 receives in place of the rule's answer, or None (`downstream.py`).
    - `facts`: what readers want to know beside the mathematics: its sign, its kinks, its domain (`Facts`).
    - `examples`: for kinds other than elementwise, `(shapes, attrs)` pairs that the tests run; an array among
      the shapes is an input that is used as it is.
    """

    name: str
    forward: Callable[..., Any]
    rules: tuple[Rule | None, ...]
    kind: str
    derivatives: tuple[Any, ...]
    variadic_rule: Rule | None
    arity: int | None
    defaults: dict[str, Any]
    signature: Callable[..., tuple[tuple[Any, ...], dict[str, Any]]] | None
    singular: Callable[..., bool] | None
    choice: bool
    masked: Callable[..., Any] | None
    empty: bool
    by_rows: bool
    together: Callable[..., Any] | None
    facts: Facts
    examples: tuple[Any, ...]
    hint: Callable[..., tuple[str, str]] | None
    batch: Callable[..., Any] | None = None
    draws: bool = False
    looks: bool  # whether a node's gradient asks for more than that node
    differentiable: bool
    broadcasts: bool
    __wrapped__: Callable[..., Any]

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        rules: tuple[Rule | None, ...] = (),
        *,
        kind: str = "opaque",
        derivatives: tuple[Any, ...] = (),
        variadic_rule: Rule | None = None,
        arity: int | None = 1,
        defaults: dict[str, Any] | None = None,
        signature: Callable[..., tuple[tuple[Any, ...], dict[str, Any]]] | None = None,
        singular: Callable[..., bool] | None = None,
        choice: bool = False,
        masked: Callable[..., Any] | None = None,
        empty: bool = True,
        by_rows: bool = False,
        together: Callable[..., Any] | None = None,
        facts: Facts = SILENT,
        examples: tuple[Any, ...] = (),
        hint: Callable[..., tuple[str, str]] | None = None,
        doc: str = "",
    ) -> None:
        if kind not in KINDS:
            raise ValueError(lesson(f"Op({name!r})", f"kind must be one of {' '.join(KINDS)}", f"{kind!r}"))
        self.name, self.forward, self.rules, self.kind = name, forward, rules, kind
        self.derivatives, self.variadic_rule, self.arity = derivatives, variadic_rule, arity
        self.defaults = defaults or {}
        self.signature, self.singular, self.choice = signature, singular, choice
        self.together, self.rest = together, None
        self.masked, self.empty, self.by_rows = masked, empty, by_rows
        self.facts, self.examples, self.hint = facts, examples, hint
        self.differentiable = variadic_rule is not None or any(r is not None for r in (*rules, *derivatives))
        self.__doc__ = doc
        self.__name__ = self.__qualname__ = name
        self.__wrapped__ = signature or _named(forward, arity)  # what `inspect.signature` and IDEs show
        self.__module__ = __name__
        self.broadcasts = not (derivatives and arity == 1)
        self._direct = signature is None and not self.defaults
        self._whole = signature is None and bool(self.defaults)  # its inputs alone say all

    @property
    def rest(self) -> Callable[..., tuple[Any, Any]] | None:
        """A look at what is computed from the output, before the rule is run."""
        return self._rest

    @rest.setter
    def rest(self, look: Callable[..., tuple[Any, Any]] | None) -> None:
        self._rest = look
        self.looks = look is not None or self.together is not None

    def __call__(self, *inputs: Any, **attrs: Any) -> Any:
        """Apply the op; arrays in, array out; a Tensor among the inputs, a Tensor out."""
        if self._whole and not attrs and len(inputs) == self.arity:
            attrs = self.defaults.copy()
        else:
            if not self._direct or attrs:
                inputs, attrs = self._bind(inputs, attrs)
            if len(inputs) != self.arity and self.arity is not None:
                called, wanted = f"{self.name}(...)", f"takes {self.arity} inputs"
                raise TypeError(lesson(called, wanted, f"{len(inputs)}", at_line(), form(self, self.name)))
        if special.blocks and (now := current()) is not None:
            if now.observer is not None:
                return self._observed(inputs, attrs, now)
            if not now.grad_enabled:
                return self._forgetting(inputs, attrs)
        values: list[Any] = []
        lifted = tracked = False
        for x in inputs:
            if isinstance(x, Tensor):
                lifted = True
                if x.requires_grad:
                    tracked = True
                values.append(x._value)
            else:
                if type(x) not in PLAIN and (array := plain(x)) is not x:
                    x = array  # rules are written for arrays and numbers
                    inputs = (*inputs[: len(values)], x, *inputs[len(values) + 1 :])
                values.append(x)
        try:
            z = self.forward(*values, **attrs)
        except (TypeError, ValueError, IndexError) as error:
            raise self._failure(error, inputs, values, attrs) from error
        if not lifted:
            return z
        if type(z) is not _ARRAY and not hasattr(z, "shape"):
            z = self._array(z)
        if tracked and self.differentiable:
            return node_of(z, self, inputs, values, attrs)
        return self._shown(z, inputs, attrs) if self.differentiable else self._chosen(z, inputs, attrs)

    def one(self, x: Tensor) -> Any:
        """Apply the op to one Tensor: what calling does, without the cost of the general case."""
        if special.blocks and (now := current()) is not None:
            if now.observer is not None:
                return self._observed((x,), NO_ATTRS, now)
            if not now.grad_enabled:
                return self._forgetting((x,), NO_ATTRS)
        value = x._value
        try:
            z = self.forward(value)
        except (TypeError, ValueError, IndexError) as error:
            raise self._failure(error, (x,), (value,), {}) from error
        if x.requires_grad and self.differentiable:
            return node_of(z, self, (x,), (value,), NO_ATTRS)
        return leaf_of(z) if self.differentiable else self._chosen(z, (x,), NO_ATTRS)

    def two(self, x: Any, y: Any) -> Any:
        """Apply the op to two inputs of which at least one is a Tensor: as above."""
        if special.blocks and (now := current()) is not None:
            if now.observer is not None:
                return self._observed((x, y), NO_ATTRS, now)
            if not now.grad_enabled:
                return self._forgetting((x, y), NO_ATTRS)
        if type(y) in PLAIN:  # asked first: that something is no Tensor takes longest to find
            left, right, tracked = x._value, y, x.requires_grad
        elif isinstance(y, Tensor):
            right = y._value
            tracked = y.requires_grad
            if isinstance(x, Tensor):
                left = x._value
                tracked = tracked or x.requires_grad
            elif type(x) in PLAIN:
                left = x
            else:
                x = plain(x)
                left = _values((x, y))[0]
        else:
            y = plain(y)
            left, right, tracked = x._value, y, x.requires_grad
        try:
            z = self.forward(left, right)
        except (TypeError, ValueError, IndexError) as error:
            raise self._failure(error, (x, y), (left, right), {}) from error
        if tracked and self.differentiable:
            return node_of(z, self, (x, y), (left, right), NO_ATTRS)
        return leaf_of(z) if self.differentiable else self._chosen(z, (x, y), NO_ATTRS)

    def _shown(self, z: Any, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Tensor:
        """Return a leaf that shows the memory of what it is a view of, be it a number's."""
        one = self.kind in _VIEWS and (z.size == 1 or not any(getattr(z, "strides", (1,))))
        if one and placed(inputs):
            z = self.forward(*_values(inputs), **attrs)
        return leaf_of(z, inputs)

    def _chosen(self, z: Any, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Tensor:
        """Return a leaf whose source is known to those who ask for it."""
        leaf = leaf_of(z, inputs)
        note(leaf, self, inputs, attrs)
        return leaf

    def again(self, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Apply the op to inputs and attributes as a node holds them: nothing is left to be told apart."""
        return self._observed(inputs, attrs, current() or _NOBODY)

    def _observed(self, inputs: tuple[Any, ...], attrs: dict[str, Any], now: ModeState) -> Any:
        """Apply the op as above while somebody looks on, with their say in it."""
        observer = _ANYBODY if now.observer is None else now.observer
        inputs = tuple(map(plain, inputs))
        inputs = tuple([observer.resolve(x) if isinstance(x, Tensor) else x for x in inputs])
        answer = observer.instead(self, inputs, attrs)
        if answer is not None:
            return answer
        if not (now.grad_enabled or observer.remembers):
            self._note(inputs)
        values = _values(inputs)
        try:
            z = self.forward(*values, **attrs)
        except (TypeError, ValueError, IndexError) as error:
            raise self._failure(error, inputs, values, attrs) from error
        given = [x for x in inputs if isinstance(x, Tensor)]
        if not given:
            return z
        if not hasattr(z, "shape"):
            z = self._array(z)
        node = node_of(z, self, inputs, values, attrs)
        node.requires_grad = now.grad_enabled and self.differentiable and any(x.requires_grad for x in given)
        other = observer.saw(node)
        node = node if other is None else other
        if not node.requires_grad and z.base is not None and node._value is z:
            note_view(node, inputs)
        return node if node.requires_grad or observer.remembers else _forgotten(node)

    def _forgetting(self, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Apply the op as above under `no_grad()`: the result does not know how it was computed."""
        inputs = tuple(map(plain, inputs))
        self._note(inputs)
        values = _values(inputs)
        try:
            z = self.forward(*values, **attrs)
        except (TypeError, ValueError, IndexError) as error:
            raise self._failure(error, inputs, values, attrs) from error
        if not any(isinstance(x, Tensor) for x in inputs):
            return z
        return self._shown(z if hasattr(z, "shape") else self._array(z), inputs, attrs)

    def _note(self, inputs: tuple[Any, ...]) -> None:
        """Keep the line if, under `no_grad()`, it may replace a leaf: `w = w - step` is none that learns.

        That is a result of the shape of a leaf that holds a gradient: `h + b` of a forward pass is not meant.
        """
        if self.kind != "elementwise":
            return
        for x in inputs:
            leaf = isinstance(x, Tensor) and x.op is None and x.requires_grad and x.grad is not None
            if leaf and all(_repeats_to(x.shape, getattr(other, "shape", ())) for other in inputs):
                marks.replaced = user_line()
                return

    @property
    def entered(self) -> bool:
        """Whether it is what the registry has under its name, which may be registered again."""
        return ops.get(self.name) is self

    def rule(self, i: int) -> Rule | None:
        """Return the full rule of input `i`, `(g, z, *xs, **attrs) -> gradient`, however the op states it."""
        if self.variadic_rule is not None:
            variadic = self.variadic_rule
            return lambda g, z, *xs, **attrs: variadic(i, g, z, *xs, **attrs)
        return self.rules[i]

    def slope(self, i: int, z: Any, *xs: Any) -> Any:
        """Return the local derivative of an elementwise op by input `i`, also where it is one number."""
        d = self.derivatives[i]
        if not callable(d):
            return d
        try:
            return d(z, *xs)
        except (ZeroDivisionError, OverflowError):
            return d(z, *numpys(xs, z))

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Tell inputs from attributes, as NumPy's own signature would."""
        if self.signature is not None:
            try:
                return self.signature(*args, **kwargs)
            except TypeError as error:
                if taught(error):
                    raise
                text = lesson(f"{self.name}(...)", str(error), "", at_line(), form(self, self.name))
                raise TypeError(text) from error
        if len(args) != self.arity and self.arity is not None:
            args, kwargs = self._moved(args, kwargs, self.arity)
        attrs = self.defaults | kwargs
        if len(attrs) > len(self.defaults):
            unknown = ", ".join(k for k in attrs if k not in self.defaults)
            names = ", ".join(self.defaults)
            wanted = f"takes the keywords {names}" if names else "takes no keywords"
            hint = for_keywords(unknown.split(", "), self.defaults)
            raise TypeError(lesson(f"{self.name}(...)", wanted, unknown, at_line(), hint))
        return args, attrs

    def _moved(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], arity: int
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return inputs given by name among the inputs, and attributes given by position by their names."""
        if len(args) < arity:
            names = [*inspect.signature(self).parameters][len(args) : arity] if kwargs else []
            if all(name in kwargs for name in names):
                args = (*args, *(kwargs[name] for name in names))
                kwargs = {name: value for name, value in kwargs.items() if name not in names}
            return args, kwargs
        extra = args[arity:]
        places = [name for name in self.defaults if name not in _KEYWORD_ONLY]
        if len(extra) > len(places):
            wanted = f"takes {arity + len(places)} arguments by position"
            hint = "the rest by keyword: " + ", ".join(self.defaults)
            raise TypeError(lesson(f"{self.name}(...)", wanted, f"{len(args)}", at_line(), hint))
        placed = dict(zip(places, extra, strict=False))
        twice = [name for name in placed if name in kwargs]
        if twice:
            wanted, got = f"takes {', '.join(twice)} once", "it was given by position and by keyword"
            raise TypeError(lesson(f"{self.name}(...)", wanted, got, at_line(), form(self, self.name)))
        return args[:arity], kwargs | placed

    def _failure(self, error: Exception, inputs: Any, values: Any, attrs: dict[str, Any]) -> Exception:
        """Turn NumPy's complaint into one that says which op, which inputs, and on which line."""
        if taught(error):
            return error
        kind = public_class(error)
        shapes = ", ".join(describe(x) for x in inputs)
        wanted, hint = self.hint(*values, **attrs) if self.hint else ("", "")
        wanted = wanted or str(error).rstrip(" .")
        hint = hint or advice(wanted, values) or form(self, self.name)
        where = "\n  ".join(filter(None, [at_line(), *origins(inputs)]))
        return kind(lesson(f"{self.name}({shapes})", wanted, where=where, hint=hint))

    def _array(self, z: Any) -> Any:
        """Return what Python made of 1j and a float64 as NumPy's number; TypeError for what is no array."""
        if z.__class__ is complex:
            return np.complex128(z)
        got = f"a {type(z).__name__}" + (f" of {len(z)}" if isinstance(z, _SEQUENCES) else "")
        hint = "an op for each of several results, or one array that holds them all, and slices of it"
        wanted = "wants its forward function to return one array"
        raise TypeError(lesson(f"{self.name}(...)", wanted, got, at_line(), hint))

    def __reduce__(self) -> Any:
        return entered, (self.name, self.__module__)  # copied or unpickled, it is the same entry

    def __repr__(self) -> str:
        return f"<Op {self.name}, {self.kind}>"


def _values(inputs: tuple[Any, ...]) -> list[Any]:
    """Return what an op computes with, given Tensors, arrays and numbers."""
    values = [x._value if isinstance(x, Tensor) else x for x in inputs]
    if values and values[0].__class__ is complex and values[-1].__class__ is np.float64:
        values[0] = np.complex128(values[0])  # 1j / np.float64(2.0) is Python's division, without a dtype
    return values


def node_of(z: Any, op: Op, inputs: tuple[Any, ...], values: Any, attrs: dict[str, Any]) -> Tensor:
    """Make the node `z = op(*inputs, **attrs)`, whose inputs had these values."""
    node = _new(Tensor)
    node._value = z
    node.grad = node.name = None
    node.requires_grad = True
    node.op = op
    node.inputs = inputs
    node.values = values
    node.attrs = attrs
    node.serial = _next_serial()
    return node


def leaf_of(z: Any, inputs: tuple[Any, ...] = ()) -> Tensor:
    """Make a Tensor that does not know how it was computed, and needs no gradient.

    It may show the memory of one of the inputs.
    """
    leaf = _new(Tensor)
    leaf._value = z
    leaf.grad = leaf.name = None
    leaf.requires_grad = False
    if inputs and z.base is not None:
        note_view(leaf, inputs)
    return _forgotten(leaf)


def _forgotten(node: Tensor) -> Tensor:
    node.op, node.inputs = None, ()
    node.values, node.attrs, node.serial = (), NO_ATTRS, 0
    return node


def numpys(xs: tuple[Any, ...], z: Any) -> tuple[Any, ...]:
    """Return inputs with Python's numbers as NumPy's, of the dtype of `z`; `xs` itself where there are none.

    A rule that is left with Python's numbers alone meets Python's arithmetic, in which 1 / 0.0 is an error
    and the root of -1.0 complex.

    >>> numpys((2.0, np.ones(3)), np.float32(4.0))
    (np.float32(2.0), array([1., 1., 1.]))
    """
    if not any(x.__class__ is float or x.__class__ is int for x in xs) or z.dtype.kind not in "fc":
        return xs
    return tuple([z.dtype.type(x) if x.__class__ is float or x.__class__ is int else x for x in xs])


def _named(forward: Callable[..., Any], arity: int | None) -> Callable[..., Any]:
    """Return a function whose inputs have names: `forward`, unless it is NumPy's with its own keywords."""
    code = getattr(forward, "__code__", None)
    if arity is None or (code is not None and not code.co_flags & inspect.CO_VARARGS):
        return forward
    return _BY_ARITY.get(arity, forward)


_BY_ARITY: dict[int, Callable[..., Any]] = {
    1: lambda x: None,
    2: lambda x, y: None,
    3: lambda x, y, z: None,
}


def _repeats_to(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether broadcasting `other` against `shape` leaves `shape` as it is."""
    pairs = zip(reversed(shape), reversed(other), strict=False)
    return shape == other or (len(other) <= len(shape) and all(m in (1, n) for n, m in pairs))


def describe(x: Any) -> str:
    """Return a short name of an input for messages: `'w' (3, 4) float32`, `(3,) float64`, `2.0`.

    >>> describe(Tensor([1.0, 2.0], name="w"))
    "'w' (2,) float64"
    """
    if not (hasattr(x, "shape") and hasattr(x, "dtype")):
        return repr(x)[:40]
    name = f"'{x.name}' " if isinstance(x, Tensor) and x.name else ""
    return f"{name}{x.shape} {x.dtype}"
