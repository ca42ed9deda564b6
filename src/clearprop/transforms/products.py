"""Products with Jacobians, in both directions, and with Hessians: `vjp`, `jvp`, `linearize` and `hvp`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from clearprop import tree
from clearprop.errors import GradientError, at_line, lesson
from clearprop.hints import refuse_texts, takes_truths
from clearprop.modes import enable_grad, mode
from clearprop.op import describe
from clearprop.tensor import Tensor, raw
from clearprop.transforms.arguments import Argnums, Arguments, checked, name_of
from clearprop.transforms.gradient import grad
from clearprop.transforms.inner import Inner


class Linearized:
    """One run of `f`, its derivative there as a linear map: `pull` is its transpose, `push` the map itself.

    The graph of the run is kept, so both may be asked as often as wanted, unless results belong to a graph
    outside: then each question is a run of its own.
    """

    arguments: Arguments
    has_aux: bool
    constant: bool
    form: Any
    aux: Any

    def __init__(self, arguments: Arguments, has_aux: bool = False) -> None:
        self.arguments, self.has_aux, self.constant = arguments, has_aux, not mode.grad_enabled
        self.run: Inner = self._run()
        self.again: bool = False  # whether the run has been used up by what it gave
        self._linear: tuple[list[Tensor], list[Any]] | None = None

    def _run(self) -> Inner:
        with enable_grad():
            arguments = self.arguments
            inner = Inner(arguments.run, arguments.leaves, arguments.beside, self.constant)
        self.form, self.aux = inner.output, None
        if self.has_aux:
            self.form, self.aux = _pair(arguments.f, inner.output)
        self.outputs: list[Any] = tree.leaves(self.form)
        if not self.outputs:
            wanted, got = "wants a function that returns arrays", type(self.form).__name__
            raise TypeError(lesson(f"vjp({name_of(arguments.f)})", wanted, got, at_line()))
        self.tracked: list[Any] = [y for y in self.outputs if tracked(y)]
        self._linear = None
        return inner

    def value(self) -> Any:
        """Return what `f` returned, and with `has_aux` also what else it did, as the caller gets it."""
        found = [*self.outputs, *tree.leaves(self.aux)]
        given = self.given(found)
        value = tree.rebuilt(self.form, given[: len(self.outputs)])
        return (value, tree.rebuilt(self.aux, given[len(self.outputs) :])) if self.has_aux else value

    def given(self, found: list[Any], directions: Sequence[Any] = ()) -> list[Any]:
        """Hand results out: the run can be asked again where they belong to nobody's graph."""
        tensors = [x for x in (*found, *directions) if isinstance(x, Tensor) and x.requires_grad]
        observer = mode.observer
        self.run.expect(directions)
        self.run.outer = self.run.outer or self.run.reaches_out(tensors)
        if self.again or self.run.outer or observer is not None:
            self.again = True
            return self.run.results(*found)
        wraps = self.run.wraps
        values = [raw(x) for x in found]
        return [Tensor(v, requires_grad=False) if wraps else np.asarray(v)[()] for v in values]

    def ready(self) -> Inner:
        """Return the run, made anew where it has been used up."""
        if self.again:
            self.run = self._run()
        return self.run

    def pull(self, cotangent: Any) -> Any:
        """Return the gradient of `<cotangent, f>`, in the form of the arguments."""
        given = _like("vjp", self.form, cotangent, "the result of the function")
        with enable_grad():
            results = self.given(self.rows([given])[0], given)
        return self.arguments.formed(results)

    def push(self, tangent: Any) -> Any:
        """Return the derivative of `f` along a tangent, in the form of what `f` returns."""
        tangents = self._tangents(tangent)
        with enable_grad():
            results = self.given(self.columns([tangents])[0], tangents)
        return tree.rebuilt(self.form, results)

    def _tangents(self, tangent: Any) -> list[Any]:
        """Return the tangents of the differentiated leaves, given trees in the form of the arguments."""
        arguments = self.arguments
        if arguments.simple:
            several = arguments.argnums.__class__ is tuple
            return _like("jvp", arguments.leaves, list(tangent) if several else [tangent], "the arguments")
        trees = tangent if isinstance(arguments.argnums, (tuple, list)) else (tangent,)
        given = _like("jvp", list(arguments.trees), list(trees), "the arguments")
        kept = iter(arguments.leaves)
        wanted = next(kept, None)
        found = []
        for leaf, t in zip(tree.leaves(arguments.trees), given, strict=True):
            if leaf is wanted:
                found.append(t)
                wanted = next(kept, None)
        return found

    def columns(self, directions: list[list[Any]]) -> list[list[Any]]:
        """Return, for tangents of the differentiated leaves (None for 0), the derivatives of each output."""
        leaves, gradients = self.transposed()
        found = []
        for tangents in directions:
            moved = iter(self.run.push(gradients, leaves, tangents))
            found.append([next(moved) if tracked(y) else _zeros(y) for y in self.outputs])
        return found

    def transposed(self) -> tuple[list[Tensor], list[Any]]:
        """Return leaves that arrive at the outputs, and the gradients, which depend linearly on them."""
        inner = self.ready()
        if self._linear is None:
            arriving: dict[Tensor, Tensor] = {}
            with inner.around.home():  # the graph is that of the run, whoever asks for products with it
                for y in self.tracked:
                    if y not in arriving:
                        arriving[y] = inner.leaf(np.ones(y.shape, y.dtype))
                seeds: dict[Tensor, Any] = dict(arriving)
                self._linear = [arriving[y] for y in self.tracked], inner.pull(seeds, linear=True)
        return self._linear

    def rows(self, directions: list[list[Any]]) -> list[list[Any]]:
        """Return, for cotangents of the outputs (None for 0), the gradients of the differentiated leaves."""
        inner = self.ready()
        found = []
        for cotangents in directions:
            arriving: dict[Tensor, Any] = {}
            for y, g in zip(self.outputs, cotangents, strict=True):
                if g is not None and tracked(y):
                    arriving[y] = arriving[y] + g if y in arriving else g
            found.append(inner.pull(arriving))
        return found


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Return `f(*primals)` and the function that maps a cotangent to its products with the Jacobians.

    `value, pull = vjp(f, x, y)`; `pull(g)` is a tuple with one entry a primal, `sum_i g_i df_i/dx`, in the
    form of the primals. With `has_aux` `f` returns a pair, and `vjp` a third thing, the second of the pair.
    `g` has the form and the shapes of the value, which may be any tree (`clearprop.tree`); `pull` may be
    called again and again. For complex numbers it is `conj(J)^T g`, the gradient of `Re(conj(g) f)`, as
    PyTorch's. Raises ValueError where the shapes of `g` differ, and GradientError where `g` is complex and
    the value real.

    >>> import numpy as np
    >>> value, pull = vjp(lambda x: x**2, np.array([1.0, 2.0]))
    >>> value, pull(np.array([1.0, 10.0]))
    (array([1., 4.]), (array([ 2., 40.]),))
    """
    refuse_texts("vjp", has_aux=has_aux)
    checked("vjp", f, {}, "has_aux")
    linear = Linearized(Arguments(f, tuple(range(len(primals))), primals, {}), has_aux)
    found = linear.value()
    return (found[0], linear.pull, found[1]) if has_aux else (found, linear.pull)


def jvp(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], *, has_aux: bool = False
) -> Any:
    """Return `f(*primals)` and its derivative along `tangents`, `sum_j df/dx_j t_j`.

    `primals` and `tangents` are tuples or lists of as many trees of the same shapes. The derivative has the
    form of the value. No second table of rules is behind it: the backward pass is linear in what arrives, and
    its own transpose is the forward derivative. With `has_aux` a third thing is returned, the second of the
    pair that `f` returns. Complex tangents belong to complex primals: the derivative is that along the real
    line `x + s t`. Raises ValueError where shapes differ, TypeError where `primals` is no sequence and
    GradientError where a tangent is complex and its primal real.

    >>> import numpy as np
    >>> jvp(lambda x, y: np.sin(x) * y, (0.0, 2.0), (1.0, 0.0))
    (np.float64(0.0), np.float64(2.0))
    """
    refuse_texts("jvp", has_aux=has_aux)
    checked("jvp", f, {}, "has_aux")
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (tuple, list)):
            wanted, hint = f"wants {name} in a tuple, one for each argument", "jvp(f, (x,), (t,))"
            raise TypeError(
                lesson(f"jvp({name_of(f)}, primals, tangents)", wanted, type(given).__name__, at_line(), hint)
            )
    linear = Linearized(Arguments(f, tuple(range(len(primals))), tuple(primals), {}), has_aux)
    found = linear.value()
    moved = linear.push(tuple(tangents))
    return (found[0], moved, found[1]) if has_aux else (found, moved)


@takes_truths
def linearize(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Return `f(*primals)` and the function that gives the derivative along tangents, one for each primal.

    What `jvp` computes, where the run of `f` is paid for once. With `has_aux` the function returns a pair, of
    which the second part is returned third, as it is.

    >>> value, push = linearize(lambda x, y: x * y, 3.0, 4.0)
    >>> value, push(1.0, 0.0), push(0.0, 1.0)
    (np.float64(12.0), np.float64(4.0), np.float64(3.0))
    """
    checked("linearize", f, {}, "has_aux")
    linear = Linearized(Arguments(f, tuple(range(len(primals))), primals, {}), has_aux)
    value = linear.value()

    def push(*tangents: Any) -> Any:
        return linear.push(tangents)

    return (value[0], push, value[1]) if has_aux else (value, push)


def hvp(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """Return a function `(*args, v)` that gives the product of `f`'s Hessian with `v`, without the Hessian.

    `f` returns one number; `v`, the last argument, has the form of the argument in `argnums`. It is the
    gradient of `<grad f, v>`, which costs a few runs of `f` (Pearlmutter, "Fast exact multiplication by the
    Hessian", 1994). By a complex argument it is the change of the gradient along `v`. Raises ValueError where
    shapes differ, and GradientError where `v` is complex and the argument real.

    >>> import numpy as np
    >>> hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    array([  6., 120.])
    """
    checked("hvp", f, {}, "argnums")
    gradient = grad(f, argnums)

    @functools.wraps(f)
    def product(*args: Any, **kwargs: Any) -> Any:
        *before, v = args

        def slope(*args: Any, **kwargs: Any) -> Any:
            g = gradient(*args, **kwargs)
            pairs = zip(tree.leaves(g), _like("hvp", g, v, "the argument"), strict=True)
            return sum(np.sum(_inner(a, b)) for a, b in pairs)

        return grad(slope, argnums)(*before, **kwargs)

    return product


def _pair(f: Any, output: Any) -> Any:
    if not isinstance(output, (tuple, list)) or len(output) != 2:
        wanted, hint = "wants a function that returns a pair with has_aux", "return value, aux"
        raise ValueError(lesson(f"vjp({name_of(f)})", wanted, f"{output!r}"[:60], at_line(), hint))
    return output


def tracked(y: Any) -> bool:
    """Tell whether an output depends on what is differentiated, or on a Tensor outside."""
    return isinstance(y, Tensor) and y.requires_grad


def _zeros(y: Any) -> Any:
    value = y if isinstance(y, Tensor) else np.asarray(y)
    return np.zeros(value.shape, value.dtype if value.dtype.kind in "fc" else np.float64)[()]


def _inner(a: Any, b: Any) -> Any:
    """Return the entries of the inner product over the reals, `Re(conj(a) b)`."""
    return np.real(np.conj(a) * b) if kind_of(a) == "c" else a * b


def kind_of(x: Any) -> str:
    """Return the kind of number that `x` holds, as NumPy spells it: "f", "c", "i", "u" or "b"."""
    return str(x.dtype.kind if hasattr(x, "dtype") else np.asarray(x).dtype.kind)


def _not_real(called: str, x: Any, t: Any, what: str) -> GradientError:
    wanted = f"wants real numbers in what is given for {what}, {describe(x)}"
    hint = "its .real, or complex numbers in both places"
    return GradientError(lesson(f"{called}(...)", wanted, describe(t), at_line(), hint))


def _like(called: str, wanted: Any, given: Any, what: str) -> list[Any]:
    """Return the leaves of `given`: as many as `wanted` has, of the same shapes, real where it is."""
    ours, theirs = tree.leaves(wanted), tree.leaves(given)
    found = []
    if len(ours) == len(theirs):
        for x, t in zip(ours, theirs, strict=True):
            if np.shape(x) != np.shape(t):
                break
            found.append(t if hasattr(t, "dtype") else np.asarray(t, np.result_type(float, t))[()])
            if found[-1].dtype.kind == "c" and kind_of(x) != "c":
                raise _not_real(called, x, found[-1], what)
    if len(found) != len(ours) or len(ours) != len(theirs):
        shapes = [", ".join(describe(x) for x in leaves) or "none" for leaves in (ours, theirs)]
        wanted_text = f"wants arrays of the shapes of {what}, {shapes[0]}"
        raise ValueError(lesson(f"{called}(...)", wanted_text, shapes[1], at_line()))
    return found
