"""Where PyTorch has arguments that have no place in the core: what it gave up, and what says how it runs."""

from __future__ import annotations

from typing import Any

from clearprop.errors import at_line, lesson

_OLD = "size_average reduce reduction"
_LOSSES = {
    "cross_entropy CrossEntropyLoss": "weight size_average ignore_index reduce reduction label_smoothing",
    "nll_loss NLLLoss": "weight size_average ignore_index reduce reduction",
    "binary_cross_entropy BCELoss": f"weight {_OLD}",
    "multilabel_soft_margin_loss MultiLabelSoftMarginLoss": f"weight {_OLD}",
    "binary_cross_entropy_with_logits BCEWithLogitsLoss": f"weight {_OLD} pos_weight",
    "cosine_embedding_loss CosineEmbeddingLoss": f"margin {_OLD}",
    "hinge_embedding_loss HingeEmbeddingLoss": f"margin {_OLD}",
    "margin_ranking_loss MarginRankingLoss": f"margin {_OLD}",
    "kl_div KLDivLoss": f"{_OLD} log_target",
    "l1_loss mse_loss": f"{_OLD} weight",
    "L1Loss MSELoss multilabel_margin_loss MultiLabelMarginLoss soft_margin_loss SoftMarginLoss": _OLD,
    "smooth_l1_loss SmoothL1Loss": f"{_OLD} beta",
    "multi_margin_loss MultiMarginLoss": f"p margin weight {_OLD}",
    "poisson_nll_loss PoissonNLLLoss": "log_input full size_average eps reduce reduction",
    "triplet_margin_loss TripletMarginLoss": f"margin p eps swap {_OLD}",
}
_RUNNING = {
    "embedding": "padding_idx max_norm norm_type scale_grad_by_freq sparse",
    "embedding_bag": "offsets max_norm norm_type scale_grad_by_freq mode sparse per_sample_weights "
    "include_last_offset padding_idx",
    "gumbel_softmax": "tau hard eps dim",
    "dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout": "p training inplace",
    "celu elu": "alpha inplace",
    "leaky_relu": "negative_slope inplace",
    "hardtanh": "min_val max_val inplace",
    "rrelu": "lower upper training inplace",
    "threshold": "threshold value inplace",
    "relu relu6 selu silu mish hardsigmoid hardswish": "inplace",
}
_TENSORS = {"cosine_embedding_loss": 3, "margin_ranking_loss": 3, "triplet_margin_loss": 3}
_WORDS = {name: words.split() for names, words in (_LOSSES | _RUNNING).items() for name in names.split()}
_FIRST = {
    **{
        name: _TENSORS.get(name, 0 if name[0].isupper() else 2) for names in _LOSSES for name in names.split()
    },
    **{name: 2 if "embedding" in name else 1 for names in _RUNNING for name in names.split()},
}
"""By a function or a layer: how many tensors stand before these words."""

_NOTHING = {"embedding": "sparse", "embedding_bag": "sparse", "gumbel_softmax": "eps"}


def placed(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Give arguments the names that PyTorch's places have, drop those that say nothing; return the rest.

    >>> named = {}
    >>> placed("cross_entropy", ("x", "y", None, None, -1), named), named
    (('x', 'y'), {'weight': None, 'ignore_index': -1})
    """
    words, first = _WORDS.get(name), _FIRST.get(name, 0)
    if words is not None and first < len(args) <= first + len(words):
        given = dict(zip(words, args[first:], strict=False))
        if twice := [*given.keys() & kwargs.keys()]:
            wanted = f"got multiple values for argument '{twice[0]}'"
            raise TypeError(lesson(f"{name}(...)", wanted, "", at_line(), "one of them"))
        args = args[:first]
        kwargs |= given
    kwargs.pop(_NOTHING.get(name, ""), None)
    _averaged(name, kwargs)
    return args


def tensors_before(name: str) -> int:
    """Return how many arguments of a function need no look at their places.

    >>> tensors_before("cross_entropy"), tensors_before("conv2d")
    (2, 99)
    """
    return _FIRST.get(name, 99)


def on_a_device(names: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Give a layer's `device` and `dtype`, which PyTorch takes by place, their names; return the rest.

    `names` are the arguments that the layer takes by place, of which `dtype` is the last one if it is there.

    >>> named = {}
    >>> on_a_device(("size", "bias", "dtype"), (3, True, "cpu", float), named), named
    ((3, True), {'device': 'cpu', 'dtype': <class 'float'>})
    """
    place = names.index("dtype") if "dtype" in names else len(names)
    if place < len(args) <= place + 2:
        kwargs |= dict(zip(("device", "dtype"), args[place:], strict=False))
    return args if len(args) > place + 2 else args[:place]


_TENSORS_BY_NAME = {
    **dict.fromkeys(("input", "input1", "x1", "query", "tensor", "log_input"), 0),
    **dict.fromkeys(("target", "input2", "x2", "key", "positive"), 1),
    **dict.fromkeys(("value", "negative"), 2),
}
"""By a word of PyTorch's for a tensor: the place where functions take it that have no such word."""

_OWN_NAMES = {"target": "y", "hx": "state"}
"""By a word of PyTorch's: the name that has it here, whatever its place."""


def in_own_words(names: list[str], kwargs: dict[str, Any]) -> None:
    """Give tensors that were named by PyTorch's words the names that a function or a layer has for them.

    >>> named = {"input": 1, "target": 2}
    >>> in_own_words(["x", "y", "reduction"], named)
    >>> named
    {'x': 1, 'y': 2}
    """
    for word in [*kwargs]:
        place = _TENSORS_BY_NAME.get(word, 99)
        own = _OWN_NAMES.get(word, "")
        if word not in names and (own in names or place < len(names)):
            kwargs[own if own in names else names[place]] = kwargs.pop(word)


def _averaged(name: str, kwargs: dict[str, Any]) -> None:
    """Take `size_average` and `reduce` of PyTorch before 1.0 for what they say now, or refuse them."""
    old = {word: kwargs.pop(word, None) for word in ("size_average", "reduce")}
    for word, value in old.items():
        if value is not None and value is not True:
            hint = 'reduction="sum" or "none"'
            raise TypeError(
                lesson(f"{name}({word}={value!r})", "is what PyTorch gave up", "", at_line(), hint)
            )
    if True in old.values():
        kwargs["reduction"] = "mean"
