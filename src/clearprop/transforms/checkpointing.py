"""`checkpoint(f)`: what `f` computed on its way is computed again by the backward pass instead of kept."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from clearprop import tree
from clearprop.backward import as_number
from clearprop.batch import BatchTensor
from clearprop.errors import GradientError, at_line, lesson
from clearprop.modes import Block, Observer, enable_grad, marks, mode, switched_off_by
from clearprop.op import Op, _next_serial, describe
from clearprop.tensor import Tensor, raw
from clearprop.transforms.arguments import checked, name_of
from clearprop.transforms.inner import Inner
from clearprop.transforms.packing import Packing

_NOBODY = Observer()


class InFront:
    """An observer in front of another one, who is asked whatever this one does not answer.

    It knows what lies outside of the function: Tensors that were there before it, made by nobody inside.
    """

    def __init__(self) -> None:
        around = mode.observer
        self.around: Any = _NOBODY if around is None else around
        self.since: int = _next_serial()
        self.inside: set[Tensor] = set()  # leaves that the function has made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.around, name)

    def made(self, leaf: Tensor, of: Tensor | None) -> None:
        """Note a new leaf."""
        self.inside.add(leaf)
        self.around.made(leaf, of)

    def outside(self, x: Tensor) -> bool:
        """Tell whether a Tensor that needs a gradient has it by ways that lead out of the function."""
        older = not isinstance(x, BatchTensor) and x.serial < self.since
        return older and x.requires_grad and x not in self.inside


class Noting(InFront):
    """Who watches the first run: which Tensors from outside it reads, and what it changes out there."""

    def __init__(self) -> None:
        super().__init__()
        self.reached: dict[Tensor, Tensor] = {}  # and what stands for each
        self.states: dict[Tensor, Any] = {}  # leaves that it assigns, with the values that they had before

    def resolve(self, x: Any) -> Any:
        """Return what stands for the input `x`, having noted it."""
        found = self.around.resolve(x)
        if self.outside(x):
            self.reached.setdefault(x, found)
        return found

    def assigned(self, leaf: Tensor, new: Any) -> Any:
        """Note the value that a leaf had."""
        if self.outside(leaf):
            wanted, hint = "cannot give a Tensor a new value by which it is differentiated", "it outside of f"
            raise GradientError(lesson("checkpoint(f)", wanted, describe(leaf), at_line(), hint))
        if leaf not in self.inside and leaf not in self.states:
            old = self.around.read(leaf)
            self.states[leaf] = raw(old)
        return self.around.assigned(leaf, new)


class First(Noting):
    """Who watches a run that remembers nothing, and knows all the same what a gradient will pass through."""

    def __init__(self) -> None:
        super().__init__()
        self.block: Block = Block(observer=self, grad_enabled=False)
        self.passing: weakref.WeakValueDictionary[int, Tensor] = weakref.WeakValueDictionary()

    def saw(self, node: Tensor) -> Tensor | None:
        """Note a node that has been computed from what a gradient will pass through."""
        seen: Tensor | None = self.around.saw(node)
        if node.op is not None and node.op.differentiable and any(map(self._passes, node.inputs)):
            self.passes(node if seen is None else seen)
        return seen

    def passes(self, x: Tensor) -> None:
        """Note a Tensor that a gradient will pass through."""
        self.passing[id(x)] = x

    def awaits(self, tensor: Tensor | None = None) -> bool:
        """Tell whether a gradient will pass through a Tensor, unless the function wants none there."""
        return switched_off_by() is self.block and (tensor is None or self._passes(tensor))

    def _passes(self, x: Any) -> bool:
        return isinstance(x, Tensor) and (self.passing.get(id(x)) is x or self.outside(x))


class Again(InFront):
    """Who runs it again, with what was outside as it was then; nothing out there changes a second time."""

    called: str
    versions: dict[Tensor, Tensor]
    lent: tuple[dict[Tensor, Tensor], ...]

    answers = True

    def __init__(
        self, called: str, versions: dict[Tensor, Tensor], lent: tuple[dict[Tensor, Tensor], ...]
    ) -> None:
        super().__init__()
        self.called, self.versions, self.lent = called, versions, lent

    def resolve(self, x: Any) -> Any:
        """Return what stands for the input `x`."""
        for borrowed in self.lent:  # a Module may have held another Tensor in the place of this one
            x = borrowed.get(x, x)
        if x in self.versions:
            return self.versions[x]
        if self.outside(x):
            got = f"{describe(x)}, which the first run did not read"
            hint = "what changes as an argument of f: a name in a closure means what it means when f runs"
            raise GradientError(lesson(self.called, _OTHERWISE, got, hint=hint))
        return self.around.resolve(x)

    def read(self, leaf: Tensor) -> Any:
        """Return what a formula is to compute with for the value of a leaf."""
        return self.versions[leaf]._value if leaf in self.versions else self.around.read(leaf)

    def number(self, leaf: Tensor) -> Any:
        """Return the float that a leaf without axes holds."""
        return float(self.versions[leaf]._value) if leaf in self.versions else self.around.number(leaf)

    def copied(self, x: Any) -> Any:
        """Return an array of its own with the entries of `x`."""
        return np.array(raw(x))

    def assigned(self, leaf: Tensor, new: Any) -> Any:
        """Keep the new value of a leaf from outside to this run."""
        if leaf in self.inside:
            return self.around.assigned(leaf, new)
        self.versions[leaf] = constant_leaf(np.array(raw(new), leaf.dtype))
        return True


_OTHERWISE = "computes something else when it is run again for its gradient"


class _RepeatableCall:
    """One call of a function: all that is needed to run it again."""

    def __init__(self, f: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> None:
        self.f, self.called = f, f"checkpoint({name_of(f)})"
        self.leaves = tree.leaves((args, kwargs), whole=True)
        self.chosen = [k for k, x in enumerate(self.leaves) if isinstance(x, Tensor) and x.requires_grad]
        given = [self.leaves[k] for k in self.chosen]
        self.form = tree.rebuilt((args, kwargs), [0.0] * len(self.leaves), whole=True)
        self.lent = marks.lent
        for k in self.chosen:
            self.leaves[k] = None  # the graph holds them
        noting = First()
        stand_ins = [constant_leaf(noting.around.resolve(x)._value) for x in given]
        noting.passing.update((id(x), x) for x in stand_ins)
        with noting.block:
            self.output = self.run(stand_ins)
        self.values = tree.leaves(self.output)
        for x in self.values:
            if isinstance(x, Tensor):
                noting.resolve(x)  # it may be one from outside
        self.reached, self.states = [*noting.reached], noting.states
        self.inputs = [*given, *noting.reached.values()]
        self.latest: tuple[Any, Any, list[Any]] | None = None

    def run(self, given: list[Any]) -> Any:
        """Call the function with these Tensors in the places of those that need a gradient."""
        leaves = list(self.leaves)
        for k, x in zip(self.chosen, given, strict=True):
            leaves[k] = x
        args, kwargs = tree.rebuilt(self.form, leaves, whole=True)
        return self.f(*args, **kwargs)

    def remembered(self, op: Op) -> Any:
        """Return what the function returned: Tensors that are computed from its inputs by one op a dtype."""
        values = [x._value if isinstance(x, Tensor) else np.asarray(x)[()] for x in self.values]
        self.packing = Packing(self.called, self.output, values)
        found = dict(enumerate(self.values))
        self.flats: list[Any] = []
        for group in self.packing.groups.values():
            computed = [k for k in group if isinstance(self.values[k], Tensor)]
            if computed:
                self.packed = self.packing.flat(values, computed)
                found |= self.packing.parts(op(*self.inputs, run=_Part(self, computed)), computed)
        self.inputs = self.values = []
        self.packed = self.output = None  # from now on the graph holds them, if anybody does
        return self.packing.formed(found)

    # --- backward -------------------------------------------------------------------------------------------
    def gradients(self, g: Any, z: Any, xs: tuple[Any, ...], group: list[int], i: int) -> Any:
        """Return the gradient by input `i`: those by all are computed when the first is asked for."""
        if self.latest is None or self.latest[0] is not g or self.latest[1] is not z:
            self.latest = g, z, self._pulled(g, z, list(xs), group)
        found = self.latest[2]
        d, found[i] = found[i], None
        if all(x is None for x in found):
            self.latest = None
        return d

    def _pulled(self, g: Any, z: Any, xs: list[Any], group: list[int]) -> list[Any]:
        levels = mode.observer.batches if mode.observer is not None else ()
        several = any(isinstance(x, BatchTensor) for x in xs)
        with levels[0].outside if levels and not several else Block(), enable_grad():
            inner = Inner(self._again, xs)
        outputs = tree.leaves(inner.output)
        if len(outputs) != len(self.packing.shapes):
            raise self._differs(f"{len(outputs)} results in place of {len(self.packing.shapes)}")
        parts = self.packing.parts(z, group)
        arriving: dict[Tensor, Any] = {}
        for k, d in self.packing.parts(g, group).items():
            y = outputs[k]
            self._compare(y, parts[k])
            if isinstance(y, Tensor) and y.requires_grad:
                arriving[y] = arriving[y] + d if y in arriving else d
        with enable_grad():
            found = inner.pull(arriving) if arriving else [np.zeros(x.shape, x.dtype)[()] for x in xs]
        for leaf in inner.lifted:
            leaf.requires_grad = False
        return [as_number(d) for d in found]

    def _again(self, given: list[Tensor]) -> Any:
        count = len(self.chosen)
        versions = dict(zip(self.reached, given[count:], strict=True))
        versions |= {leaf: constant_leaf(value) for leaf, value in self.states.items()}
        again = Again(self.called, versions, self.lent)
        again.inside.update(given)
        with Block(observer=again):
            output = self.run(given[:count])
        return tree.map(lambda x: again.resolve(x) if isinstance(x, Tensor) else x, output)

    def _compare(self, y: Any, before: Any) -> None:
        """Object where a result is not what it was: the gradient would be of something else."""
        if isinstance(y, BatchTensor) or isinstance(before, BatchTensor):
            return
        now, then = (raw(x) for x in (y, before))
        if np.shape(now) != np.shape(then):
            raise self._differs(f"a result of shape {np.shape(now)} in place of {np.shape(then)}")
        close = float(np.sqrt(np.finfo(then.dtype).eps))
        if not np.allclose(now, then, rtol=close, atol=close * _largest(then), equal_nan=True):
            raise self._differs("results that differ from those of the first run")

    def _differs(self, got: str) -> GradientError:
        hint = "random numbers of clearprop's (dropout, uniform), and what changes as an argument of f"
        return GradientError(lesson(self.called, _OTHERWISE, got, hint=hint))


def _largest(x: Any) -> float:
    size = np.abs(x)
    return float(np.max(size, initial=0.0, where=np.isfinite(size)))


def constant_leaf(value: Any) -> Tensor:
    """Return a Tensor that holds this very array, through which no gradient passes."""
    leaf = Tensor(0.0, requires_grad=False)
    leaf._value = value
    return leaf


class _Part(NamedTuple):
    """Those results of one run that have one dtype."""

    run: _RepeatableCall
    group: list[int]

    def __repr__(self) -> str:
        return "again"


def _forward(*xs: Any, run: Any = None) -> Any:
    return run.run.packed


def _gradient(i: int, g: Any, z: Any, *xs: Any, run: Any = None) -> Any:
    return run.run.gradients(g, z, xs, run.group, i)


def checkpoint(f: Callable[..., Any], **other: Any) -> Callable[..., Any]:
    """Return a function that gives what `f` gives, and forgets how: its backward pass runs `f` again.

    Of a network cut into pieces, only what lies between them is kept; n layers in sqrt(n) pieces need the
    memory of 2 sqrt(n) layers, for the time of one more forward pass (Chen et al., "Training deep nets with
    sublinear memory cost", 2016). `f` may be a Module. Arguments and results may be trees (`clearprop.tree`);
    Tensors that `f` reaches by name get their gradients too. The second run reads what the first has read:
    the same random numbers (dropout), the same running statistics, which change once only, parameters as
    they were. Gradients of any order pass.

    In compiled steps, inside `vmap` and the body of a `scan` the function runs as if it stood there: a plan
    decides by itself what it keeps. Raises GradientError where the second run gives anything else (numbers of
    another generator, a name that means something else by then), or where `f` assigns to a Tensor that needs
    a gradient.

    >>> import numpy as np
    >>> from clearprop import grad
    >>> grad(lambda x: checkpoint(lambda x: np.sin(np.exp(x)))(x))(0.0) == np.cos(1.0)
    np.True_
    """
    checked("checkpoint", f, other, "")
    name = name_of(f) if name_of(f).isidentifier() else "checkpoint"
    op = Op(name, _forward, variadic_rule=_gradient, arity=None, defaults={"run": None})

    @functools.wraps(f, updated=())
    def forgetful(*args: Any, **kwargs: Any) -> Any:
        observer = mode.observer
        seen = observer is not None and (observer.remembers or observer.batches or observer.awaits())
        if seen or not mode.grad_enabled:
            if observer is not None and observer.awaits():  # the second run will be given these
                for x in tree.leaves((args, kwargs), whole=True):
                    if isinstance(x, Tensor):
                        observer.resolve(x)
            return f(*args, **kwargs)
        run = _RepeatableCall(f, args, kwargs)
        return run.remembered(op) if run.inputs else run.output

    return forgetful
