"""Words people bring from elsewhere, and ours: what an unknown name or keyword is answered with."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import numpy as np

from clearprop.arguments import refuse_other_kinds
from clearprop.errors import at_line, lesson, of_this_package

_KEPT = "leaving it out: every node keeps its gradient, which t.grad is after backward()"
_HOST = "leaving it out: arrays live in the memory of this machine"
_EDIT = "`with clearprop.no_grad(): t[...] = value`, which changes the leaf itself"

_ENTRY = "`with clearprop.no_grad(): t[{}] = {}` for a leaf; without the block for what was computed"

_NUMPYS = """
    abs ceil cos diag exp flip floor isnan log log1p median reciprocal sign sin sqrt square tan tanh tril triu
    unique
"""

# fmt: off
_ARRAYS: dict[str, str] = {
    "fill":            _ENTRY.format("...", "value"),
    "sort":            "np.sort(t), which makes a new one",
    "partition":       "np.sort(t), which makes a new one",
    "byteswap":        "t.detach().numpy().byteswap()",
    "flat":            "t.ravel(), which has the entries in a row",
    "put":             _ENTRY.format("np.unravel_index(index, t.shape)", "value"),
    "itemset":         _ENTRY.format("index", "value"),
    "setfield":        _ENTRY.format("index", "value"),
    "resize":          "t = np.resize(t, shape), or t.reshape(shape) for as many entries",
    "strides":         "t.value.strides",
    "base":            "t.inputs, which are what it was computed from",
    "flags":           "t.value.flags",
}
FIXED: dict[str, str] = {
    "shape": "t = t.reshape(shape)",
    "dtype": "t = t.astype(dtype)",
    "real":  "t = value + 1j * t.imag",
    "imag":  "t = t.real + 1j * value",
    "T":     "t[...] = value.T",
}
"""What an array lets be set, and what to write for a Tensor."""

TENSOR: dict[str, str] = {
    "view":            "t.reshape(-1)",
    "view_as":         "t.reshape(other.shape)",
    "reshape_as":      "t.reshape(other.shape)",
    "unflatten":       "t.reshape(shape)",
    "unsqueeze":       "np.expand_dims(t, 0)",
    "permute":         "np.transpose(t, axes), with all axes in their new order",
    "movedim":         "np.moveaxis(t, source, destination)",
    "t":               "t.T",
    "expand":          "np.broadcast_to(t, shape)",
    "expand_as":       "np.broadcast_to(t, other.shape)",
    "contiguous":      "t itself: NumPy copies where a copy is needed",
    "is_contiguous":   "t itself: NumPy copies where a copy is needed",
    "chunk":           "np.array_split(t, chunks)",
    "split":           "np.split(t, sections), where an integer counts the parts and not their length",
    "unbind":          "list(t)",
    "narrow":          "t[1:3]",
    "select":          "t[index]",
    "index_select":    "np.take(t, index, axis=0)",
    "gather":          "np.take_along_axis(t, index, axis=1)",
    "masked_fill":     "np.where(mask, value, t)",
    "masked_select":   "t[mask]",
    "topk":            "np.sort(t)[..., -k:]",
    "scatter":         "np.where(mask, value, t), or clearprop.nn.functional.one_hot(index, classes)",
    "clamp":           "t.clip(low, high)",
    "clamp_min":       "np.maximum(t, low)",
    "clamp_max":       "np.minimum(t, high)",
    "mm":              "t @ y",
    "bmm":             "t @ y",
    "mv":              "t @ y",
    "matmul":          "t @ y",
    "pow":             "t ** y",
    "add":             "t + y",
    "sub":             "t - y",
    "mul":             "t * y",
    "div":             "t / y",
    "neg":             "-t",
    "eq":              "t == y",
    "norm":            "np.linalg.norm(t)",
    "softmax":         "clearprop.softmax(t, axis=-1)",
    "log_softmax":     "clearprop.log_softmax(t, axis=-1)",
    "logsumexp":       "clearprop.logsumexp(t, axis=-1)",
    "relu":            "clearprop.relu(t)",
    "sigmoid":         "clearprop.sigmoid(t)",
    "numel":           "t.size",
    "nelement":        "t.size",
    "dim":             "t.ndim",
    "type":            "t.dtype, or t.astype(np.float32)",
    "type_as":         "t.astype(other.dtype)",
    "float":           "t.astype(np.float32)",
    "double":          "t.astype(np.float64)",
    "half":            "t.astype(np.float16)",
    "long":            "t.astype(np.int64)",
    "int":             "t.astype(np.int32)",
    "bool":            "t.astype(bool)",
    "to":              "t.astype(np.float32) for a dtype; a device is left out",
    "cpu":             _HOST,
    "cuda":            _HOST,
    "is_cuda":         _HOST,
    "pin_memory":      _HOST,
    "data":            "t.value to read; `t.value = new` to write, which no graph sees",
    "zero_":           "`t.grad = None` for a gradient; `with clearprop.no_grad(): t[...] = 0` for a leaf",
    "fill_":           _EDIT,
    "copy_":           _EDIT,
    "normal_":         "clearprop.nn.init.normal_(t)",
    "uniform_":        "clearprop.nn.init.uniform_(t)",
    "add_":            "`with clearprop.no_grad(): t += y`",
    "sub_":            "`with clearprop.no_grad(): t -= y`",
    "mul_":            "`with clearprop.no_grad(): t *= y`",
    "div_":            "`with clearprop.no_grad(): t /= y`",
    "clamp_":          "`with clearprop.no_grad(): t[...] = t.clip(low, high)`",
    "requires_grad_":  "`t.requires_grad = True`",
    "detach_":         "t.detach()",
    "clone":           "t.copy(), which a gradient passes through",
    "new_zeros":       "np.zeros(shape, t.dtype)",
    "new_ones":        "np.ones(shape, t.dtype)",
    "new_tensor":      "clearprop.Tensor(array)",
    "retain_grad":     _KEPT,
    "grad_fn":         "t.op, or clearprop.explain(t)",
    "is_leaf":         "`t.op is None`",
    "outer":           "np.outer(t, y)",
    "roll":            "np.roll(t, 1)",
    **{name: f"np.{name}(t)" for name in _NUMPYS.split()},
    **_ARRAYS,
}
"""What PyTorch's Tensor or NumPy's array has under another name."""

PACKAGE: dict[str, str] = {
    "tensor":          "clearprop.Tensor([1.0, 2.0]), which wants a gradient unless requires_grad=False",
    "as_tensor":       "clearprop.Tensor(array, requires_grad=False), or the array itself",
    "FloatTensor":     "clearprop.Tensor(array)",
    "cat":             "np.concatenate([a, b], axis=0)",
    "zeros":           "np.zeros(shape)",
    "ones":            "np.ones(shape)",
    "empty":           "np.empty(shape)",
    "full":            "np.full(shape, value)",
    "eye":             "np.eye(n)",
    "arange":          "np.arange(n)",
    "linspace":        "np.linspace(start, stop, n)",
    "zeros_like":      "np.zeros_like(t)",
    "ones_like":       "np.ones_like(t)",
    "randn":           "np.random.default_rng(0).normal(size=shape)",
    "rand":            "np.random.default_rng(0).uniform(size=shape)",
    "randint":         "np.random.default_rng(0).integers(low, high, shape)",
    "randperm":        "np.random.default_rng(0).permutation(n)",
    "normal":          "np.random.default_rng(0).normal(size=shape)",
    "mm":              "a @ b",
    "bmm":             "a @ b",
    "unsqueeze":       "np.expand_dims(t, 0)",
    "permute":         "np.transpose(t, axes)",
    "clamp":           "np.clip(t, low, high)",
    "pow":             "t ** y",
    "abs":             "np.abs(t)",
    "acos":            "np.arccos(t)",
    "asin":            "np.arcsin(t)",
    "atan":            "np.arctan(t)",
    "mul":             "a * b",
    "div":             "a / b",
    "sub":             "a - b",
    "from_dlpack":     "np.from_dlpack(x)",
    "enable_grad":     "leaving it out: gradients are remembered, except under clearprop.no_grad()",
    "set_grad_enabled": "`with clearprop.no_grad():` around what remembers nothing",
    "inference_mode":  "clearprop.no_grad()",
    "save":            "clearprop.interop.save_safetensors('model.safetensors', model.state_dict())",
    "load":            "clearprop.interop.load_safetensors('model.safetensors')[0]; [1] has its metadata",
    "device":          _HOST,
    "cuda":            _HOST,
    "float":           "np.float32",
    "float32":         "np.float32",
    "float64":         "np.float64",
    "double":          "np.float64",
    "float16":         "np.float16",
    "int64":           "np.int64",
    "long":            "np.int64",
    "int32":           "np.int32",
    "utils":           "clearprop.data, which holds datasets and loaders",
    "jit":             "clearprop.compile(step)",
    "func":            "clearprop.grad, clearprop.vmap, clearprop.jvp",
    "autograd":        "clearprop.grad, clearprop.gradcheck",
    "Module":          "clearprop.nn.Module",
    "Parameter":       "clearprop.nn.Parameter(array)",
    "functional":      "clearprop.nn.functional",
    "GradientTape":    "clearprop.grad(f)(x), or y.backward() and x.grad",
    "Variable":        "clearprop.Tensor(array)",
}
"""What PyTorch, JAX and TensorFlow have in their outermost namespace under another name."""

OPTIM: dict[str, str] = {
    "lr_scheduler":    "clearprop.optim.StepLR: schedules stand beside the optimizers",
    "swa_utils":       "clearprop.train.AveragedModel and update_bn, clearprop.optim.SWALR",
    "AveragedModel":   "clearprop.train.AveragedModel",
}
"""What torch.optim has and we have elsewhere."""

MODULE: dict[str, str] = {
    "cuda":            _HOST,
    "cpu":             _HOST,
    "half":            "`model.to('float16')`, before the optimizer is made",
    "type":            "model.to('float64')",
    "save":            "clearprop.interop.save_safetensors('model.safetensors', model.state_dict())",
    "load":            "model.load_state_dict(clearprop.interop.load_safetensors('model.safetensors')[0])",
    "save_weights":    "clearprop.interop.save_safetensors('model.safetensors', model.state_dict())",
    "load_weights":    "model.load_state_dict(clearprop.interop.load_safetensors('model.safetensors')[0])",
    "fit":             "clearprop.train.fit(model, loss, (x, y))",
    "evaluate":        "clearprop.train.evaluate(model, loss, (x, y))",
    "predict":         "clearprop.train.predict(model, x), or model(x) itself",
    "compile":         "clearprop.compile(step)",
    "summary":         "clearprop.summary(model, x)",
    "weights":         "model.parameters(), or model.state_dict()",
    "trainable_variables": "model.parameters()",
    "backward":        "`loss.backward()`, of the loss that the model's output has",
    "step":            "optimizer.step()",
}
"""What PyTorch's Module and Keras' Model have under another name."""

NN: dict[str, str] = {
    "Dense":           "clearprop.nn.Linear(inputs, outputs)",
    "Conv2D":          "clearprop.nn.Conv2d(channels, filters, kernel_size)",
    "Conv1D":          "clearprop.nn.Conv1d(channels, filters, kernel_size)",
    "MaxPooling2D":    "clearprop.nn.MaxPool2d(2)",
    "BatchNormalization": "clearprop.nn.BatchNorm1d(features)",
    "DataParallel":    "the model itself",
    "softmax":         "clearprop.softmax(t, axis=-1)",
    "relu":            "clearprop.relu(t)",
}
"""What torch.nn and Keras have under another name."""

KEYWORDS: dict[str, str] = {
    "dim":             "axis=, as NumPy names it",
    "keepdim":         "keepdims=, as NumPy names it",
    "unbiased":        "ddof=1, as NumPy names it; here ddof is 0 unless said",
    "correction":      "ddof=, as NumPy names it; here it is 0 unless said",
    "input":           "the array as the first argument, without a name",
    "other":           "the array as the second argument, without a name",
    "out":             "the result: it is a new Tensor, which the graph remembers",
    "inplace":         "leaving it out: what the graph remembers is never written over",
    "set_to_none":     "leaving it out: zero_grad() sets every gradient to None",
    "device":          "leaving it out: arrays live in the memory of this machine",
    "non_blocking":    "leaving it out: arrays live in the memory of this machine",
    "requires_grad":   "Tensor(value, requires_grad=False) for what needs no gradient",
    "size_average":    "reduction='mean'",
    "reduce":          "reduction='none'",
    "foreach":         "leaving it out: clearprop.compile(step) is the fast way",
    "fused":           "leaving it out: clearprop.compile(step) is the fast way",
    "capturable":      "leaving it out: clearprop.compile(step) records every optimizer",
    "learning_rate":   "lr=",
    "momentum_decay":  "betas=",
    "input_dim":       "the number of inputs as the first argument",
    "units":           "the number of outputs as the second argument",
    "monitor":         "watch=",
    "save_best_only":  "watch=, the number whose best epochs are saved",
    "epoch":           "epochs=",
    "num_epochs":      "epochs=",
    "max_epochs":      "epochs=",
    "validation_data": "validation=",
    "val_data":        "validation=",
    "verbose":         "progress=False for a run that prints nothing",
    "grad_clip":       "clip_norm=",
    "restore_best_weights": "fit(patience=), which keeps the weights of the best epoch",
}
"""Keywords of other libraries, and what to write here."""
# fmt: on

SUBSTITUTES: dict[str, Mapping[str, str]] = {
    "clearprop": PACKAGE,
    "clearprop.nn": NN,
    "clearprop.optim": OPTIM,
}


HOMES = ("clearprop.nn", "clearprop.optim", "clearprop.data", "clearprop.train", "clearprop.nn.functional")
"""Where a name may be that is looked for in the package itself: `clearprop.Linear`."""


class Foreign:
    """A name that a Tensor does not have: asking says ours, `hasattr` says no, `dir` does not list it."""

    name: str
    substitute: str

    def __init__(self, name: str, substitute: str) -> None:
        self.name, self.substitute = name, substitute

    def __get__(self, instance: Any, owner: Any = None) -> NoReturn:
        wanted = "a Tensor has NumPy's names, not this one"
        if self.name in _ARRAYS:
            wanted = (
                "an array's memory is looked at or written into by it, and a graph may remember a Tensor's"
            )
        raise AttributeError(
            lesson(f"t.{self.name}", wanted, hint=self.substitute),
            name=self.name,
            obj=instance if instance is not None else owner,
        )

    def __set__(self, instance: Any, value: Any) -> NoReturn:
        self.__get__(instance)


def keep_fixed(kind: Any) -> None:
    """Let the properties of a class of Tensors say what to write in place of `t.shape = new`."""
    for name, hint in FIXED.items():
        setattr(kind, name, getattr(kind, name).setter(functools.partial(_refuse_setting, name, hint)))


def _refuse_setting(name: str, hint: str, tensor: Any, value: Any) -> NoReturn:
    wanted = "is what the Tensor was computed with, and cannot be set"
    raise AttributeError(lesson(f"t.{name} = new", wanted, "", at_line(), hint), name=name, obj=tensor)


def unknown(module: str, name: str, known: Iterable[str]) -> AttributeError:
    """Return the error of a name that a module does not have: ours for a foreign word, else the nearest one.

    >>> print(unknown("clearprop", "cat", []))
    clearprop.cat: module 'clearprop' has no attribute 'cat'.
      Try np.concatenate([a, b], axis=0).
    >>> print(unknown("clearprop.nn", "Liner", ["Linear", "ReLU"]))
    clearprop.nn.Liner: module 'clearprop.nn' has no attribute 'Liner'.
      Try clearprop.nn.Linear.
    """
    hint = SUBSTITUTES.get(module, {}).get(name, "")
    if not hint and module == "clearprop" and name in np.__all__:
        hint = f"np.{name}"
    if not hint and module == "clearprop" and not name.startswith("_"):
        homes = [home for home in HOMES if name in getattr(importlib.import_module(home), "__all__", ())]
        hint = f"{homes[0]}.{name}" if homes else ""
    if not hint and not name.startswith("_"):
        names = {k.lower(): k for k in sorted(known)}
        near = nearest(name.lower(), names)
        hint = f"{module}.{names[near[0]]}" if near else ""
    wanted = f"module {module!r} has no attribute {name!r}"
    return AttributeError(lesson(f"{module}.{name}", wanted, hint=hint), name=name)


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the word of `known` that is most like `name`, in a list, or an empty one if none is like it.

    >>> nearest("tnah", ["tanh", "sigmoid"])
    ['tanh']
    """
    return list(_nearest(name, tuple(known)))


@functools.lru_cache(maxsize=256)
def _nearest(name: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return it for words that may be asked for often: a name is looked up in vain at each `hasattr`."""
    import difflib  # here, since no import of clearprop alone needs it

    return tuple(difflib.get_close_matches(name, known, n=1))


def for_keywords(names: Iterable[str], known: Iterable[str] = ()) -> str:
    """Return what to write in place of keywords that are not taken, or the nearest that are; '' for neither.

    >>> for_keywords(["keepdim", "dim"])
    'keepdims=, as NumPy names it, in place of keepdim=; axis=, as NumPy names it, in place of dim='
    """
    found = []
    for name in names:
        near = nearest(name, known)
        if name in KEYWORDS:
            found.append(f"{KEYWORDS[name]}, in place of {name}=")
        elif near:
            found.append(f"{near[0]}= in place of {name}=")
    return "; ".join(found)


def refuse_arguments(
    cls: type, args: tuple[Any, ...], kwargs: dict[str, Any], called: type | None = None
) -> None:
    """Raise TypeError where a class is made with keywords that it does not take, naming ours, or too few.

    Text for an argument that is True or False is refused too. The class is `called` what a person knows.
    """
    named = called or cls
    signature = _signature(cls.__init__)  # type: ignore[misc]  # of this very class
    parameters = signature.parameters
    if str in map(type, args) or str in map(type, kwargs.values()):
        names = [name for name, p in parameters.items() if p.kind is not p.KEYWORD_ONLY][1:]
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        truths = {name: given[name] for name in given if _is_truth(parameters.get(name))}
        refuse_texts(named.__name__, **truths)
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    strange = [name for name in kwargs if name not in parameters]
    if strange:
        known = [name for name in parameters if name != "self"]
        wanted = f"takes the keywords {', '.join(known)}" if known else "takes no keywords"
        where = at_line()
        hint = for_keywords(strange, known)
        raise TypeError(lesson(f"{named.__name__}(...)", wanted, ", ".join(strange), where, hint))
    refuse_call(named.__name__, signature, (None, *args), kwargs)
    made: Any = cls
    if of_this_package(made.__init__):  # what others annotate is theirs to say
        refuse_other_kinds(named, parameters, {**dict(zip([*parameters][1:], args, strict=False)), **kwargs})


_signature = functools.lru_cache(inspect.signature)


def _written(p: inspect.Parameter) -> str:
    """A parameter and its default, without its type; a class by its name alone."""
    if isinstance(p.default, type) and p.default is not p.empty:
        return f"{p.name}={p.default.__name__}"
    return str(p.replace(annotation=p.empty))


def refuse_call(name: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: Any) -> None:
    """Raise TypeError where arguments do not fit a signature, saying all that it takes.

    >>> import inspect
    >>> refuse_call("f", inspect.signature(lambda x, y=2: x), (), {})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    TypeError: f(...): takes x, y=2: missing a required argument: 'x'.
      At ...
    """
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        shown = [p for p in signature.parameters.values() if p.name != "self"]
        plain = [_written(p) for p in shown]
        wanted = f"takes {', '.join(plain) or 'no arguments'}"
        hint = f"{name}({', '.join(plain)})"
        raise TypeError(lesson(f"{name}(...)", wanted, str(error), at_line(), hint)) from None


def _is_truth(parameter: inspect.Parameter | None) -> bool:
    """Tell whether a parameter is True or False and nothing else: what it may be besides is annotated."""
    if parameter is None or not isinstance(parameter.default, bool):
        return False
    return parameter.annotation in (bool, "bool", "bool | None", parameter.empty)


def refuse_texts(called: str, **truths: Any) -> None:
    """Raise TypeError where text stands for True or False: "no" would count as true.

    >>> refuse_texts("DataLoader", shuffle="no")
    Traceback (most recent call last):
    TypeError: DataLoader(shuffle=): wants True or False: 'no'.
      Text counts as true, whatever it says.
      Try shuffle=False.
    """
    for name, value in truths.items():
        if isinstance(value, (str, bytes)):
            meant = str(value).strip().lower() not in ("", "no", "false", "off", "0", "none")
            where, hint = "Text counts as true, whatever it says.", f"{name}={meant}"
            raise TypeError(lesson(f"{called}({name}=)", "wants True or False", repr(value), where, hint))


F = TypeVar("F", bound=Callable[..., Any])


def takes_truths(function: F) -> F:
    """Have a function refuse text for its arguments that are True or False; a call without text is as it was.

    >>> @takes_truths
    ... def shuffled(x, twice: bool = False): return x
    >>> shuffled(3, twice="no")
    Traceback (most recent call last):
        ...
    TypeError: shuffled(twice=): wants True or False: 'no'.
      Text counts as true, whatever it says.
      Try twice=False.
    """

    made: Any = function  # its signature takes longer to make than all of this
    places = made.__code__.co_varnames[: made.__code__.co_argcount]
    known = dict(zip(reversed(places), reversed(made.__defaults__ or ()), strict=False))
    known |= made.__kwdefaults__ or {}
    types = made.__annotations__
    truths = {n for n in known if isinstance(known[n], bool) and types.get(n) in (bool, "bool")}
    first = min((i for i, name in enumerate(places) if name in truths), default=len(places))

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        if kwargs:  # two loops, for one over both would take twice as long
            for value in kwargs.values():
                if value.__class__ is str:
                    refuse_texts(function.__qualname__, **{n: kwargs[n] for n in kwargs if n in truths})
        if len(args) > first:
            for name, value in zip(places[first:], args[first:], strict=False):
                if value.__class__ is str and name in truths:
                    refuse_texts(function.__qualname__, **{name: value})
        return function(*args, **kwargs)

    return called  # type: ignore[return-value]  # of the same signature


def refuse_worded(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raise TypeError where text stands for an option of NumPy's that is True or False, by position too.

    >>> refuse_worded(np.cov, (), {"rowvar": "no"})
    Traceback (most recent call last):
        ...
    TypeError: np.cov(rowvar=): wants True or False: 'no'.
      Text counts as true, whatever it says.
      Try rowvar=False.
    """
    if not any(isinstance(value, (str, bytes)) for value in (*args, *kwargs.values())):
        return
    parameters = _signature(function).parameters
    given = {**dict(zip(parameters, args, strict=False)), **kwargs}
    truths = [name for name in given if name in parameters and isinstance(parameters[name].default, bool)]
    worded = ("optimize", "cov")  # of einsum and polyfit, which take words beside True and False
    named = [name for name in ("keepdims", "density", *truths) if name in given and name not in worded]
    refuse_texts(f"np.{function.__name__}", **{name: given[name] for name in named})
