"""Between a program and a function of tensors: PyTorch's words, the kinds of arguments, errors as lessons."""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from clearprop.advice import advice, of_value
from clearprop.arguments import is_number, is_whole
from clearprop.errors import Lesson, at_line, lesson, taught, whole
from clearprop.refusal import COMPLAINTS, of_others, shown
from clearprop.torch import dtypes

Function = Callable[..., Any]
REFUSALS = (*COMPLAINTS, RuntimeError, LookupError)
_HERE = os.path.join(os.path.dirname(__file__), "")
_OURS = {"other": "y", "axis": "dim", "keepdims": "keepdim"}
"""By a word of PyTorch's for an argument: what any function of this folder calls it."""

_FIRST_WORDS = ("input", "self")
_PARTS = "sections=indices_or_sections indices=indices_or_sections"
_WORDS = {
    "pow": "exponent=y", "float_power": "exponent=y", "mm": "mat2=y", "bmm": "mat2=y", "mv": "vec=y",
    "dot": "tensor=y", "outer": "vec2=y", "ger": "vec2=y", "cdist": "x1=x x2=y", "tensordot": "a=x b=y",
    "split": "tensor=x split_size_or_sections=split_size", "swapaxes": "axis0=dim0 axis1=dim1",
    "view": "dtype=size", "copy_": "other=source src=source", "is_tensor": "obj=x", "lstsq": "b=B",
    "cholesky_solve": "input2=root", "searchsorted": "input=x self=x",
    "isin": "element=elements test_element=test_elements",
    "tensor_split": f"{_PARTS} tensor_indices_or_sections=indices_or_sections",
    "hsplit": _PARTS, "vsplit": _PARTS, "dsplit": _PARTS,
}  # fmt: skip
"""By a function: PyTorch's words for arguments that have other names here."""

_METHOD = "torch.Tensor."
_OPERANDS = frozenset(("x", "y", "elements", "test_elements"))
"""Arguments that are tensors or numbers, where nothing else is said of them."""

_WITH_CARE = frozenset(("out", "device"))
_THEIRS = {"x": "input", "y": "other"}
_QUOTED = re.compile("'([a-z]+)'")
_SETTLED = (int, float, bool, str, type(None), list, tuple, dict, slice)
"""Types whose values are all of one kind, so that calls with them are looked at once."""


# --- of which kind an argument has to be -------------------------------------------------------------------
class _KindOfValue(NamedTuple):
    word: str
    fits: Callable[[Any], bool]
    hint: Callable[[str, Any], str]


def _is_tensor(x: Any) -> bool:
    from clearprop.torch.tensors import Node, Tensor

    return isinstance(x, (Tensor, Node))


def _plain(x: Any) -> Any:
    return x.node._value if hasattr(x, "node") else x


def _is_operand(x: Any) -> bool:
    return isinstance(x, (bool, np.bool_)) or _is_tensor(x) or is_number(x)


def _as_tensor(name: str, x: Any) -> str:
    return (of_value(x) if x is None or callable(x) else "") or "torch.tensor(x)"


def _as_number(name: str, x: Any) -> str:
    if isinstance(x, str) and x.strip().lstrip("-").isdigit():
        return f"{name}={x.strip()}, without quotes"
    if isinstance(x, float) and x - x == 0:
        return f"{name}={int(x)}"
    return f"{name}={int(x) if isinstance(x, bool) else 1}"


def _as_truth(name: str, x: Any) -> str:
    return f"{name}=True or {name}=False"


_KINDS = {
    "Tensor": _KindOfValue("a tensor", _is_tensor, _as_tensor),
    "int": _KindOfValue("a whole number", lambda x: is_whole(_plain(x)), _as_number),
    "float": _KindOfValue("a number", lambda x: isinstance(x, bool) or is_number(_plain(x)), _as_number),
    "Operand": _KindOfValue("a tensor or a number", lambda x: _is_operand(x), _as_tensor),
    "bool": _KindOfValue("True or False", lambda x: isinstance(x, (bool, np.bool_)), _as_truth),
}
"""By a parameter's annotation."""
_OF_A_TYPE = (_KINDS["Tensor"], _KINDS["Operand"])


def _kind(parameter: inspect.Parameter) -> tuple[_KindOfValue, bool] | None:
    """Return what an argument has to be, and whether it may be None; None where it may be anything."""
    word, _, other = str(parameter.annotation).partition(" | ")
    kind = _KINDS.get(word)
    several = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    if kind is None or several or other not in ("", "None"):
        return None
    return kind, bool(other)


# --- a call -----------------------------------------------------------------------------------------------
class _Asked:
    """A function that programs call, and what is known of its calls."""

    def __init__(self, called: str, function: Function, tensors: int) -> None:
        self.called, self.function, self.tensors = called, function, tensors
        self.known: set[Any] = set()

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        """What it takes."""
        return inspect.signature(self.function)

    @functools.cached_property
    def kinds(self) -> dict[str, tuple[_KindOfValue, bool]]:
        """Of which kind its arguments have to be, by name: the first ones are tensors."""
        found = {}
        for place, (name, parameter) in enumerate(self.signature.parameters.items()):
            kind = _kind(parameter)
            if place < self.tensors and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
                kind = kind or (_KINDS["Tensor"], False)
            if kind is None and name in _OPERANDS and parameter.default is parameter.empty:
                kind = (_KINDS["Operand"], False)
            if kind is not None:
                found[name] = kind
        return found

    @functools.cached_property
    def words(self) -> dict[str, str]:
        """By a word of PyTorch's that is no name of the function's own: the name of that argument."""
        names = [*self.signature.parameters]
        found = {theirs: ours for theirs, ours in _OURS.items() if ours in names}
        found |= dict.fromkeys(_FIRST_WORDS, "x" if "x" in names else names[0]) if names else {}
        name = self.called.rpartition(".")[2]
        own = _WORDS.get(name) or _WORDS.get(name.removesuffix("_"), "")
        found |= dict(pair.split("=") for pair in own.split())
        return {theirs: ours for theirs, ours in found.items() if theirs not in names}

    def examine(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Raise TypeError for arguments that the function does not take; tell whether their types say so."""
        try:
            given = self.signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            said = _QUOTED.sub(lambda found: f"'{_THEIRS.get(found[1], found[1])}'", str(error))
            text = lesson(f"{self.called}(...)", said, "", at_line(), self.form)
            raise TypeError(text) from None
        settled = True
        for name, value in given.items():
            kind, optional = self.kinds.get(name, (None, True))
            if kind is None or (value is None and optional):
                continue
            if not kind.fits(value):
                raise TypeError(self.wants(name, kind, value))
            settled = settled and (kind in _OF_A_TYPE or isinstance(value, _SETTLED))
        return settled

    def wants(self, name: str, kind: _KindOfValue, value: Any) -> Lesson:
        """Return what to say of an argument that is of another kind."""
        word = _THEIRS.get(name, name)
        got, hint = f"{shown(value)} ({type(value).__name__})", kind.hint(word, value)
        return lesson(f"{self.called}({word}=)", f"wants {word} as {kind.word}", got, at_line(), hint)

    def in_words(self, key: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function with PyTorch's words for its arguments, and with `out=`."""
        as_they_are = not kwargs.keys() & _WITH_CARE
        for word in self.words.keys() & kwargs.keys():
            if self.words[word] not in kwargs:  # else it is given twice, which `examine` refuses
                kwargs[self.words[word]] = kwargs.pop(word)
                as_they_are = False
        args, as_they_are = self._with_sizes(args, kwargs, as_they_are)
        out = kwargs.pop("out", None)
        if out is not None:
            self._refuse_out(out)
        settled = self.examine(args, kwargs)
        dtypes.here(kwargs.get("device"))
        found = self.function(*args, **kwargs)
        if settled and as_they_are:
            self.known.add(key)
        return found if out is None else out.write(found.node, self.called)

    def _with_sizes(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], as_they_are: bool
    ) -> tuple[tuple[Any, ...], bool]:
        """Return arguments with those at the end that were named, `x.view(size=(2, 3))`."""
        for place, (name, parameter) in enumerate(self.signature.parameters.items()):
            if parameter.kind is not parameter.VAR_POSITIONAL or name not in kwargs:
                continue
            before = [n for n in [*self.signature.parameters][len(args) : place] if n in kwargs]
            if len(args) + len(before) == place:
                return (*args, *map(kwargs.pop, before), kwargs.pop(name)), False
        return args, as_they_are

    def _refuse_out(self, out: Any) -> None:
        if self.called.startswith(_METHOD):
            wanted = "got an unexpected keyword argument"
            hint = f"torch.{self.called[len(_METHOD) :]}(..., out=)"
            raise TypeError(lesson(f"{self.called}(...)", wanted, "out", at_line(), hint))
        if not _is_tensor(out):
            raise TypeError(self.wants("out", _KINDS["Tensor"], out))

    # --- what it says --------------------------------------------------------------------------------------
    @property
    def form(self) -> str:
        """How it is called."""
        parameters = self.signature.parameters.values()
        names = [str(p.replace(annotation=p.empty)) for p in parameters if p.name not in ("_", "out")]
        called = self.called.replace(_METHOD, "t.")
        names = names[called != self.called :]
        return f"{called}({', '.join(_THEIRS.get(name, name) for name in names)})"

    def tell(self, args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception) -> None:
        """Raise what a call ended in as PyTorch's class and a whole lesson; return where that is to stay."""
        values = [*map(shown, args), *(f"{name}={shown(x)}" for name, x in kwargs.items())]
        tell(f"{self.called}({', '.join(values)})", self.form, args, error)


def tell(called: str, form: str, args: tuple[Any, ...], error: Exception) -> None:
    """Raise an error that a call ended in as PyTorch's class and a whole lesson.

    Returns where the error itself is to be raised: it is of that class, and its lesson is whole by now, or a
    person's own function has raised it, which was called on the way.
    """
    if "is_own" in vars(error) or of_others(error):
        return
    kind = _class(error)
    if taught(error):
        error.args = (whole(error.args[0], form),)
        if isinstance(error, kind):
            return
        raise kind(error.args[0]) from error
    said = " ".join(str(error).split()) or type(error).__name__
    numbers = [_plain(x) for x in args if not isinstance(x, str)]
    raise kind(whole(lesson(called, said, "", at_line(), advice(said, numbers)), form)) from error


def _class(error: Exception) -> type[Exception]:
    """Return the class that PyTorch has for what NumPy, Python or the core object to."""
    if isinstance(error, (TypeError, AttributeError)):
        return type(error) if isinstance(error, TypeError) else TypeError
    if isinstance(error, IndexError):
        return IndexError
    here = _raised_in(error).startswith(_HERE) and taught(error)
    return type(error) if here or isinstance(error, RuntimeError) else RuntimeError


def _raised_in(error: Exception) -> str:
    trace, name = error.__traceback__, ""
    while trace is not None:
        name, trace = trace.tb_frame.f_code.co_filename, trace.tb_next
    return name


_TENSORS = {
    0: "add sub subtract mul multiply div divide true_divide floor_divide remainder pow float_power xlogy "
    "bucketize isin bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift",
    2: "maximum minimum fmax fmin atan2 arctan2 hypot logaddexp logaddexp2 heaviside nextafter ldexp "
    "logical_and logical_or logical_xor isclose allclose equal dist cdist outer ger inner kron cross lerp "
    "masked_select masked_fill take",
    3: "masked_scatter addcmul addcdiv addmm addmv addbmm baddbmm",
}
_FIRST = {name: n for n, names in _TENSORS.items() for name in names.split()}
"""How many of a function's first arguments are tensors, where it is not the first alone."""


def tensors_of(name: str) -> int:
    """Return how many of a function's first arguments have to be tensors: the first, as a rule.

    >>> tensors_of("exp"), tensors_of("maximum"), tensors_of("mul")
    (1, 2, 0)
    """
    return _FIRST.get(name, 1)


def _types(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return of what types the arguments are, by their places and names."""
    if len(args) == len(kwargs) == 1:
        for name, x in kwargs.items():
            return args[0].__class__, name, x.__class__
    return (*map(type, args), *kwargs, *map(type, kwargs.values()))


_ALL: list[_Asked] = []
_KNOWN: list[set[Any]] = []
"""By the number of a function: what it is asked, and the types that passed. A step that is recorded looks at
what functions close over, and would take it for its own doing that they learn."""


def answering(called: str, function: Function, tensors: int = 0) -> Function:
    """Return a function as programs call it, of whose arguments the first so many are tensors.

    Arguments of another kind than is wanted are refused, and what goes wrong inside is told as a lesson of
    PyTorch's class. The function itself is as it was: those of this folder call each other at no cost.
    """
    number = len(_ALL)
    _ALL.append(_Asked(called, function, tensors))
    _KNOWN.append(_ALL[number].known)

    @functools.wraps(function)
    def answer(*args: Any, **kwargs: Any) -> Any:
        known = _KNOWN[number]
        try:
            if kwargs:
                key = _types(args, kwargs)
                if key in known:
                    return function(*args, **kwargs)
                return _ALL[number].in_words(key, args, kwargs)
            n = len(args)
            if n == 1:
                key = args[0].__class__
            elif n == 2:
                key = args[0].__class__, args[1].__class__
            else:
                key = (*map(type, args),)
            if key not in known and _ALL[number].examine(args, kwargs):
                known.add(key)
            return function(*args)
        except REFUSALS as error:
            _ALL[number].tell(args, kwargs, error)
            raise

    answer.__name__ = answer.__qualname__ = called.rpartition(".")[2]
    return answer
