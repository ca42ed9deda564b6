"""`MultiheadAttention`: several attentions side by side, each in a subspace of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.nn import functional as F
from clearprop.nn import init
from clearprop.nn.functional.attention import heads_of, projected
from clearprop.nn.functional.layer import arrayed
from clearprop.nn.linear import Linear
from clearprop.nn.module import Module, Parameter
from clearprop.op import describe


class MultiheadAttention(Module):
    """out(concat of softmax(q_h k_h^T / sqrt(E / heads)) v_h), with q, k, v affine maps of what comes in.

    Inputs are (L, n, E), with `batch_first` (n, L, E), or (L, E). Masks are True, or -inf, where nobody may
    look. Source: Vaswani et al., "Attention is all you need", 2017.

    >>> x = np.ones((5, 2, 8), np.float32)
    >>> output, weights = MultiheadAttention(8, 2)(x, x, x)
    >>> output.shape, weights.shape
    ((5, 2, 8), (2, 5, 5))
    """

    embed_dim: int
    num_heads: int
    dropout: float
    add_zero_attn: bool
    batch_first: bool

    shown: tuple[str, ...] = ("embed_dim", "num_heads", "batch_first")
    in_proj_bias: Any
    bias_k: Any
    bias_v: Any

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        if num_heads < 1 or embed_dim % num_heads:
            wanted = "wants an embed_dim that the heads divide"
            raise ValueError(lesson("MultiheadAttention(...)", wanted, f"{embed_dim} and {num_heads} heads"))
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.add_zero_attn, self.batch_first = add_zero_attn, batch_first
        sizes = (embed_dim, kdim or embed_dim, vdim or embed_dim)
        self._shared = sizes == (embed_dim,) * 3
        if self._shared:
            self.in_proj_weight: Parameter = Parameter(np.zeros((3 * embed_dim, embed_dim), dtype))
        else:
            for name, size in zip("qkv", sizes, strict=True):
                setattr(self, f"{name}_proj_weight", Parameter(np.zeros((embed_dim, size), dtype)))
        self.in_proj_bias = Parameter(np.zeros(3 * embed_dim, dtype)) if bias else None
        self.bias_k = Parameter(np.zeros((1, 1, embed_dim), dtype)) if add_bias_kv else None
        self.bias_v = Parameter(np.zeros((1, 1, embed_dim), dtype)) if add_bias_kv else None
        self.out_proj: Linear = Linear(embed_dim, embed_dim, bias, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights: Glorot's for what comes in, 0 for the biases."""
        for name, parameter in self.named_parameters(recurse=False):
            if name.endswith("weight"):
                init.xavier_uniform_(parameter)
            elif name == "in_proj_bias":
                init.zeros_(parameter)
            else:
                init.xavier_normal_(parameter)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """Return the output and the weights, (n, L, S), their mean over the heads unless told otherwise.

        Without `need_weights` the second is None. `key_padding_mask` is (n, S), `attn_mask` (L, S) or
        (n * heads, L, S). `is_causal` says that `attn_mask` is the causal one and needs it.
        """
        inputs = [arrayed(x) for x in (query, key, value)]
        alone = self._checked(inputs)
        if alone:
            inputs = [x[None] for x in inputs]
        elif not self.batch_first:
            inputs = [np.swapaxes(x, 0, 1) for x in inputs]
        if is_causal and attn_mask is None:
            hint = "Transformer.generate_square_subsequent_mask(L)"
            raise ValueError(
                lesson("MultiheadAttention(is_causal=True)", "wants attn_mask as well", hint=hint)
            )
        q, k, v = (self._projected(x, i) for i, x in enumerate(inputs))
        k, v, extra = self._lengthened(k, v)
        mask = self._mask(attn_mask, key_padding_mask, inputs, extra, alone)
        q, k, v = (heads_of(x, self.num_heads) for x in (q, k, v))
        if need_weights:
            weights = F.dropout(F.attention_weights(q, k, mask), self.dropout, self.training)
            found = weights @ v
        else:
            found = F.scaled_dot_product_attention(q, k, v, mask, self.dropout if self.training else 0.0)
        together = np.swapaxes(found, 1, 2).reshape(*inputs[0].shape[:2], self.embed_dim)
        output = self.out_proj(together)
        shown = None
        if need_weights:
            shown = weights.mean(axis=1) if average_attn_weights else weights
            shown = shown[0] if alone else shown
        if alone:
            return output[0], shown
        return (output if self.batch_first else np.swapaxes(output, 0, 1)), shown

    def _checked(self, inputs: list[Any]) -> bool:
        """Complain about shapes that do not fit; tell whether there is no batch axis."""
        query, key, value = inputs
        axes = {len(x.shape) for x in inputs}
        place = 0 if len(query.shape) == 2 or not self.batch_first else 1
        fits = axes in ({2}, {3}) and query.shape[-1] == self.embed_dim
        if not fits or key.shape[place] != value.shape[place]:
            wanted = f"wants queries of {self.embed_dim} features and as many keys as values"
            got = ", ".join(describe(x) for x in inputs)
            raise ValueError(lesson("MultiheadAttention(...)(query, key, value)", wanted, got))
        return axes == {2}

    def _projected(self, x: Any, i: int) -> Any:
        part = slice(i * self.embed_dim, (i + 1) * self.embed_dim)
        if self._shared:
            return projected(x, self.in_proj_weight, self.in_proj_bias, part)
        weight = getattr(self, f"{'qkv'[i]}_proj_weight")
        return F.linear(x, weight, None if self.in_proj_bias is None else self.in_proj_bias[part])

    def _lengthened(self, k: Any, v: Any) -> tuple[Any, Any, int]:
        """Return keys and values with the learned one and the zero one at the end, and how many these are."""
        rows = (k.shape[0], 1, self.embed_dim)
        extra = 0
        if self.bias_k is not None:
            k = np.concatenate([k, np.broadcast_to(self.bias_k, rows)], axis=1)
            v = np.concatenate([v, np.broadcast_to(self.bias_v, rows)], axis=1)
            extra += 1
        if self.add_zero_attn:
            k, v = (np.concatenate([x, np.zeros(rows, x.dtype)], axis=1) for x in (k, v))
            extra += 1
        return k, v, extra

    def _mask(self, attn_mask: Any, padding: Any, inputs: list[Any], extra: int, alone: bool) -> Any:
        """Return what is added to the scores, (n or 1, heads or 1, L or 1, S), or None."""
        n, length = inputs[0].shape[:2]
        keys = inputs[1].shape[1]
        total: Any = None
        if attn_mask is not None:
            mask = arrayed(attn_mask)
            if mask.shape not in ((length, keys), (n * self.num_heads, length, keys)):
                wanted = f"wants {(length, keys)} or {(n * self.num_heads, length, keys)}"
                raise ValueError(lesson("MultiheadAttention(attn_mask=)", wanted, describe(mask)))
            by_head = (n, self.num_heads) if len(mask.shape) == 3 else (1, 1)
            total = _added(mask, inputs[0].dtype).reshape(*by_head, length, keys)
        if padding is not None:
            mask = arrayed(padding)
            if mask.shape != ((keys,) if alone else (n, keys)):
                wanted = f"wants {(keys,) if alone else (n, keys)}"
                raise ValueError(lesson("MultiheadAttention(key_padding_mask=)", wanted, describe(mask)))
            mask = _added(mask, inputs[0].dtype).reshape(n, 1, 1, keys)
            total = mask if total is None else total + mask
        if extra and total is not None:
            total = np.concatenate([total, np.zeros((*total.shape[:-1], extra), total.dtype)], axis=-1)
        return total


def _added(mask: Any, dtype: Any) -> Any:
    """Return a mask as what is added to the scores: -inf where a boolean one is True."""
    if mask.dtype.kind == "b":
        return np.where(mask, -np.inf, 0.0).astype(dtype)
    return mask if mask.dtype == dtype else mask.astype(dtype)
