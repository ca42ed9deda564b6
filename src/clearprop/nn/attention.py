"""`MultiheadAttention`: several attentions side by side, each in a subspace of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.nn import init
from clearprop.nn.functional.layer import arrayed
from clearprop.nn.functional.multihead import Heads, needs_mask, thirds
from clearprop.nn.linear import Linear
from clearprop.nn.module import Module, Parameter


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
        heads = self._heads()
        inputs = [arrayed(x) for x in (query, key, value)]
        alone = heads.checked(inputs, self.embed_dim, self.batch_first)
        needs_mask(heads.called, is_causal, attn_mask)
        if alone:
            inputs = [x[None] for x in inputs]
        elif not self.batch_first:
            inputs = [np.swapaxes(x, 0, 1) for x in inputs]
        padding = key_padding_mask
        if alone and padding is not None:
            padding = arrayed(padding)[None]
        output, shown = heads.attend(inputs, padding, attn_mask, need_weights, average_attn_weights)
        if alone:
            return output[0], None if shown is None else shown[0]
        return (output if self.batch_first else np.swapaxes(output, 0, 1)), shown

    def _heads(self) -> Heads:
        """Return what `multi_head_attention_forward` makes of its arguments."""
        if self._shared:
            weights = thirds(self.in_proj_weight, self.embed_dim)
        else:
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        biases = self.in_proj_bias, self.bias_k, self.bias_v
        set_so = self.add_zero_attn, self.dropout if self.training else 0.0
        return Heads("MultiheadAttention(...)", self.num_heads, weights, *biases, *set_so, self.out_proj)
