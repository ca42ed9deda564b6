"""Every word that PyTorch's own signatures have for an argument is one here: read from its type stubs."""

import ast
import inspect
import pathlib

import pytest

import clearprop.torch as ours

theirs = pytest.importorskip("torch")
STUBS = pathlib.Path(theirs.__path__[0]) / "_C"
NO_WORDS = {"out", "layout", "pin_memory", "names", "generator", "memory_format", "size_average", "reduce"}
OTHER = {
    "out_dtype",  # which PyTorch has on graphics cards alone
    "cudnn_enable",
    "options",  # of a loss that PyTorch is still trying out
}  # fmt: skip
SKIPPED = {"set_", "new", "requires_grad_", "repeat_interleave", "linspace", "logspace", "result_type"}
SKIPPED |= {
    "Tensor",
    "cuda",
    "storage_offset",
    "register_hook",
    "linear_cross_entropy",
    "calculate_gain",
    "can_cast",
}
REFUSED = ("unexpected keyword", "missing a required", "required positional", "multiple values")


def overloads(body, first):
    """What the functions of a stub take: names, and those that have to be there, of each overload."""
    for f in body:
        if isinstance(f, ast.FunctionDef) and not f.name.startswith("_"):
            named = [*f.args.posonlyargs, *f.args.args][first:]
            words = [a.arg.rstrip("_") for a in named]  # `from_` stands for `from`
            needed = words[: len(words) - len(f.args.defaults)]
            words += [a.arg for a in f.args.kwonlyargs]
            needed += [a.arg for a, d in zip(f.args.kwonlyargs, f.args.kw_defaults, strict=True) if d is None]
            by_name = any(
                "str" in ast.unparse(a.annotation) for a in named if a.arg in ("dim", "dims") and a.annotation
            )
            if not by_name and "names" not in needed:  # names of axes, which nobody has
                yield f.name, words, needed


def of_module(module):
    for name, f in vars(module).items():
        if inspect.isfunction(f) and not name.startswith("_"):
            known = inspect.signature(f).parameters.values()
            words = [p.name for p in known if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
            yield name, words, [p.name for p in known if p.name in words and p.default is p.empty]


def stub(name):
    return ast.parse((STUBS / name).read_text()).body


def methods():
    body = next(x for x in stub("__init__.pyi") if isinstance(x, ast.ClassDef) and x.name == "TensorBase")
    return overloads(body.body, 1)


SOURCES = {
    "torch": (lambda: overloads(stub("_VariableFunctions.pyi"), 0), lambda: ours),
    "torch.Tensor": (methods, lambda: ours.ones(2, 3)),
    "torch.nn.functional": (lambda: of_module(theirs.nn.functional), lambda: ours.nn.functional),
    "torch.nn.init": (lambda: of_module(theirs.nn.init), lambda: ours.nn.init),
}


def refused(function, words):
    try:
        function(**{word: object() for word in words})
    except (TypeError, AttributeError, RuntimeError, ValueError, IndexError) as error:
        said = str(error).split("\n")[0]
        return said if any(text in said for text in REFUSED) else ""
    return ""


@pytest.mark.parametrize("source", SOURCES)
def test_every_word_of_a_signature_is_known(source):
    described, home = SOURCES[source]
    asked, found = 0, []
    for name, words, needed in described():
        words = [w for w in words if w not in NO_WORDS and not w.startswith("_")]
        function = getattr(home(), name, None) if name not in SKIPPED else None
        if function is None or OTHER & {*words}:
            continue
        asked += len(words)
        found += [
            f"{source}.{name}({word}=): {said}"
            for word in words
            if (said := refused(function, {*needed, word}))
        ]

    assert asked > 30
    assert not found
