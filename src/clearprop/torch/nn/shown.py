"""How layers print in PyTorch, where clearprop's own words are others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# What stands between the parentheses: `name` as name=value, `name!` as the value alone.
_POOL = "kernel_size stride padding dilation ceil_mode"
_NORM = "num_features! eps momentum affine bias track_running_stats"
_WORDS = {
    "AdaptiveLogSoftmaxWithLoss": "", "CosineSimilarity": "", "KLDivLoss": "", "MultiheadAttention": "",
    "PairwiseDistance": "", "TransformerDecoder": "", "TransformerEncoder": "",
    "AdaptiveMaxPool1d": "output_size", "AdaptiveMaxPool2d": "output_size", "AdaptiveMaxPool3d": "output_size",
    "AvgPool2d": "kernel_size stride padding", "AvgPool3d": "kernel_size stride padding",
    "BatchNorm1d": _NORM, "BatchNorm2d": _NORM, "BatchNorm3d": _NORM,
    "Bilinear": "in1_features in2_features out_features bias", "FractionalMaxPool2d": "", "FractionalMaxPool3d": "",
    "GRUCell": "input_size! hidden_size!", "LSTMCell": "input_size! hidden_size!", "RNNCell": "input_size! hidden_size!",
    "GroupNorm": "num_groups! num_channels! eps affine bias", "Hardshrink": "lambd!", "Softshrink": "lambd!",
    "InstanceNorm1d": _NORM, "InstanceNorm2d": _NORM, "InstanceNorm3d": _NORM,
    "LayerNorm": "normalized_shape! eps elementwise_affine bias", "LocalResponseNorm": "size! alpha beta k",
    "CrossMapLRN2d": "size! alpha beta k",
    "MaxPool1d": _POOL, "MaxPool2d": _POOL, "MaxPool3d": _POOL,
    "RMSNorm": "normalized_shape! eps elementwise_affine", "Unflatten": "dim unflattened_size",
    **{f"{kind}Pad{n}d": "padding!" for kind in ("Zero", "Reflection", "Replication", "Circular") for n in "123"},
}  # fmt: skip
_INPLACE = (
    "ReLU",
    "ReLU6",
    "LeakyReLU",
    "ELU",
    "SELU",
    "CELU",
    "SiLU",
    "Mish",
    "Hardtanh",
    "Hardsigmoid",
    "RReLU",
)


def _word(m: Any, word: str) -> str:
    name = word.removesuffix("!")
    value = m.__dict__.get(name)
    if name == "bias":
        value = value is not None
    return f"{value}" if word.endswith("!") else f"{name}={value!r}"


def _listed(words: str) -> Callable[[Any], str]:
    return lambda m: ", ".join(_word(m, word) for word in words.split())


def _threes(m: Any) -> str:
    """Sizes as tuples, as one axis of pooling and several of unpooling have them."""
    axes = int(type(m).__name__[-2])
    given = ((name, m.__dict__[name]) for name in ("kernel_size", "stride", "padding"))
    return ", ".join(f"{name}={x if isinstance(x, tuple) else (x,) * axes}" for name, x in given)


def _activated(name: str) -> Callable[[Any], str]:
    """The core's words, and `inplace=True` where it was asked for."""

    def shown(m: Any) -> str:
        words = [type(m).computes.extra_repr(m), "inplace=True" if m.__dict__.get("inplace") else ""]
        return ", ".join(word for word in words if word)

    return shown


def _dropping(m: Any) -> str:
    return f"p={m.p}, inplace={bool(m.__dict__.get('inplace'))}"


def _recurring(m: Any) -> str:
    usual = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
    held = ((name, m.__dict__.get(name, value), value) for name, value in usual.items())
    return ", ".join(
        [f"{m.input_size}, {m.hidden_size}", *(f"{n}={x}" for n, x, value in held if x != value)]
    )


def _embedding(m: Any) -> str:
    padding = m.__dict__.get("padding_idx")
    return f"{m.num_embeddings}, {m.embedding_dim}" + ("" if padding is None else f", padding_idx={padding}")


def _bag(m: Any) -> str:
    return f"{m.num_embeddings}, {m.embedding_dim}, mode={m.mode!r}"


def _scaled(m: Any) -> str:
    factor = m.__dict__.get("scale_factor")
    size = f"size={m.size}" if factor is None else f"scale_factor={_as_float(factor)}"
    return f"{size}, mode={m.mode!r}"


def _as_float(x: Any) -> Any:
    return tuple(map(float, x)) if isinstance(x, tuple) else float(x)


def _softplus(m: Any) -> str:
    return f"beta={m.beta}, threshold={20.0 if m.threshold is None else m.threshold}"


def _convolution(m: Any) -> str:
    return type(m).computes.extra_repr(m).replace("'same'", "same").replace("'valid'", "valid")


WORDS: dict[str, Callable[[Any], str]] = {name: _listed(words) for name, words in _WORDS.items()}
WORDS |= {name: _activated(name) for name in _INPLACE}
WORDS |= dict.fromkeys(("AvgPool1d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"), _threes)
WORDS |= dict.fromkeys(
    ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"), _dropping
)
WORDS |= dict.fromkeys(("RNN", "LSTM", "GRU"), _recurring)
WORDS |= dict.fromkeys(("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d"), _scaled)
WORDS |= dict.fromkeys(("Conv1d", "Conv2d", "Conv3d"), _convolution)
WORDS |= {"Embedding": _embedding, "EmbeddingBag": _bag, "Softplus": _softplus}
