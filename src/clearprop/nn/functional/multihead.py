"""`multi_head_attention_forward`: several attentions side by side, with the weights given as arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.hints import takes_truths
from clearprop.nn.functional.attention import attention_weights, noted, scaled_dot_product_attention
from clearprop.nn.functional.dropout import dropout
from clearprop.nn.functional.layer import arrayed, linear
from clearprop.op import describe


@dataclass
class Heads:
    """What several attentions side by side are made of: the weights of their maps, and how they are set."""

    called: str
    count: int
    weights: tuple[Any, Any, Any]  # of the queries', the keys' and the values' map
    bias: Any  # of the three together
    bias_k: Any
    bias_v: Any
    add_zero: bool
    dropout: float
    out: Callable[[Any], Any]
    static_k: Any = None
    static_v: Any = None

    def attend(
        self, inputs: list[Any], padding: Any, attn_mask: Any, need_weights: bool, average: bool
    ) -> tuple[Any, Any]:
        """Return the output (n, L, E) and the weights (n, L, S), or None, for inputs (n, L, E)."""
        mask = self._mask(attn_mask, padding, inputs)
        q, k, v = (heads_of(x, self.count) for x in self._mapped(inputs))
        k, v = self._given(self.static_k, k), self._given(self.static_v, v)
        if self.add_zero:
            k, v = (np.concatenate([x, np.zeros_like(x[:, :, :1])], axis=2) for x in (k, v))
        shown = None
        if need_weights:
            weights = dropout(attention_weights(q, k, mask), self.dropout)
            found, shown = weights @ v, weights.mean(axis=1) if average else weights
            noted(found, (q, k, v, mask), self.dropout)
        else:
            found = scaled_dot_product_attention(q, k, v, mask, self.dropout)
        together = np.swapaxes(found, 1, 2).reshape(inputs[0].shape)
        return self.out(together), shown

    def checked(self, inputs: list[Any], size: int, batch_first: bool) -> bool:
        """Complain about shapes that do not fit; tell whether there is no batch axis."""
        if any(w is None for w in self.weights):
            hint = "in_proj_weight, or use_separate_proj_weight=True with three arrays"
            raise ValueError(lesson(self.called, "wants the weights of q, k and v", "None", hint=hint))
        query, key, value = inputs
        axes = {len(x.shape) for x in inputs}
        place = 0 if len(query.shape) == 2 or not batch_first else 1
        fits = axes in ({2}, {3}) and query.shape[-1] == size
        if not fits or key.shape[place] != value.shape[place]:
            wanted = f"wants queries of {size} features and as many keys as values"
            got = ", ".join(describe(x) for x in inputs)
            raise ValueError(lesson(f"{self.called}(query, key, value)", wanted, got))
        if self.count < 1 or size % self.count:
            wanted = "wants a size that the heads divide"
            raise ValueError(lesson(self.called, wanted, f"{size} and {self.count} heads"))
        if (self.bias_k is None) != (self.bias_v is None):
            raise ValueError(lesson(self.called, "wants bias_k and bias_v, or neither", "one of them"))
        return axes == {2}

    def _mapped(self, inputs: list[Any]) -> list[Any]:
        """Return q, k and v, the latter two with the learned key and value at the end."""
        size = inputs[0].shape[-1]
        biases = [None if self.bias is None else self.bias[i * size : (i + 1) * size] for i in range(3)]
        mapped = [linear(*parts) for parts in zip(inputs, self.weights, biases, strict=True)]
        if self.bias_k is None:
            return mapped
        rows = (mapped[1].shape[0], 1, size)
        for i, learned in ((1, self.bias_k), (2, self.bias_v)):
            mapped[i] = np.concatenate([mapped[i], np.broadcast_to(learned, rows)], axis=1)
        return mapped

    def _given(self, static: Any, x: Any) -> Any:
        """Return keys or values (n, heads, S, E / heads): those that were given, (n heads, S, E / heads)."""
        if static is None:
            return x
        static, (n, heads, _, size) = arrayed(static), x.shape
        if len(static.shape) != 3 or static.shape[0] != n * heads or static.shape[2] != size:
            wanted = f"wants static keys and values of shape ({n * heads}, S, {size})"
            raise ValueError(lesson(self.called, wanted, describe(static)))
        if self.bias_k is not None:
            raise ValueError(lesson(self.called, "adds no learned key to static ones", "static and bias_k"))
        return static.reshape(n, heads, static.shape[1], size)

    def _mask(self, attn_mask: Any, padding: Any, inputs: list[Any]) -> Any:
        """Return what is added to the scores, (n or 1, heads or 1, L or 1, S), or None."""
        (n, length), keys = inputs[0].shape[:2], inputs[1].shape[1]
        if self.static_k is not None:
            keys = np.shape(self.static_k)[1]
        total: Any = None
        if attn_mask is not None:
            mask = arrayed(attn_mask)
            if mask.shape not in ((length, keys), (n * self.count, length, keys)):
                wanted = f"wants {(length, keys)} or {(n * self.count, length, keys)}"
                raise ValueError(lesson(f"{self.called}(attn_mask=)", wanted, describe(mask)))
            by_head = (n, self.count) if len(mask.shape) == 3 else (1, 1)
            total = _added(mask, inputs[0].dtype).reshape(*by_head, length, keys)
        if padding is not None:
            mask = arrayed(padding)
            if mask.shape != (n, keys):
                wanted = f"wants {(n, keys)}, or {(keys,)} where there is no batch"
                raise ValueError(lesson(f"{self.called}(key_padding_mask=)", wanted, describe(mask)))
            mask = _added(mask, inputs[0].dtype).reshape(n, 1, 1, keys)
            total = mask if total is None else total + mask
        extra = (self.bias_k is not None) + self.add_zero
        if extra and total is not None:
            total = np.concatenate([total, np.zeros((*total.shape[:-1], extra), total.dtype)], axis=-1)
        return total


@takes_truths
def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """Return what `nn.MultiheadAttention` returns, (L, n, E) and (n, L, S), for weights that are given.

    The maps of q, k and v are the rows of `in_proj_weight` (3 E, E) in turn, or with
    `use_separate_proj_weight` three arrays. `static_k` and `static_v` (n heads, S, E / heads) take the place
    of the keys and values. Raises ValueError for shapes that do not fit.

    >>> x, w = np.ones((5, 2, 8)), np.ones((8, 8))
    >>> rest = (np.ones((24, 8)), None, None, None, False, 0.0, w, None)
    >>> [z.shape for z in multi_head_attention_forward(x, x, x, 8, 2, *rest)]
    [(5, 2, 8), (2, 5, 5)]
    """
    called = "multi_head_attention_forward"
    own = q_proj_weight, k_proj_weight, v_proj_weight
    weights = own if use_separate_proj_weight else thirds(in_proj_weight, embed_dim_to_check)
    biases = in_proj_bias, bias_k, bias_v
    set_so = bool(add_zero_attn), dropout_p if training else 0.0

    def out(z: Any) -> Any:
        return linear(z, out_proj_weight, out_proj_bias)

    heads = Heads(called, num_heads, weights, *biases, *set_so, out, static_k, static_v)
    inputs = [arrayed(x) for x in (query, key, value)]
    alone = heads.checked(inputs, embed_dim_to_check, batch_first=False)
    needs_mask(called, is_causal, attn_mask)
    asked = key_padding_mask, attn_mask, need_weights, average_attn_weights
    return _single(heads, inputs, *asked) if alone else _batch_second(heads, inputs, *asked)


def _single(heads: Heads, inputs: list[Any], padding: Any, *asked: Any) -> tuple[Any, Any]:
    """Attend to a single example, as to a batch of one."""
    rows = None if padding is None else arrayed(padding)[None]
    output, shown = heads.attend([x[None] for x in inputs], rows, *asked)
    return output[0], None if shown is None else shown[0]


def _batch_second(heads: Heads, inputs: list[Any], padding: Any, *asked: Any) -> tuple[Any, Any]:
    """Attend to inputs (L, n, E)."""
    output, shown = heads.attend([np.swapaxes(x, 0, 1) for x in inputs], padding, *asked)
    return np.swapaxes(output, 0, 1), shown


def needs_mask(called: str, is_causal: bool, attn_mask: Any) -> None:
    """Complain about a causal attention whose mask is not there: `is_causal` only says what the mask is."""
    if is_causal and attn_mask is None:
        hint = "Transformer.generate_square_subsequent_mask(L)"
        raise ValueError(lesson(f"{called}(is_causal=True)", "wants attn_mask as well", hint=hint))


def thirds(weight: Any, size: int) -> tuple[Any, Any, Any]:
    """Return the rows of the queries', the keys' and the values' map, of which one array has all."""
    if weight is None:
        return None, None, None
    return weight[:size], weight[size : 2 * size], weight[2 * size :]


def heads_of(x: Any, heads: int) -> Any:
    """Return (n, L, E) as (n, heads, L, E / heads)."""
    return np.swapaxes(x.reshape(*x.shape[:2], heads, x.shape[2] // heads), 1, 2)


def _added(mask: Any, dtype: Any) -> Any:
    """Return a mask as what is added to the scores: -inf where a boolean one is True."""
    if mask.dtype.kind == "b":
        return np.where(mask, -np.inf, 0.0).astype(dtype)
    return mask if mask.dtype == dtype else mask.astype(dtype)
