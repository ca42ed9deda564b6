"""Transformers: layers of attention and a small network, in encoders and decoders."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.nn import functional as F
from clearprop.nn import init
from clearprop.nn.attention import MultiheadAttention
from clearprop.nn.container import ModuleList
from clearprop.nn.dropout import Dropout
from clearprop.nn.linear import Linear
from clearprop.nn.module import Module
from clearprop.nn.norm import LayerNorm

ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu}


class Layer(Module):
    """What a layer of an encoder and one of a decoder share: attention, then linear2(activation(linear1(x))).

    Each part's output is added to what came in and normalised after, or with `norm_first` before.
    """

    activation: Callable[..., Any]

    norms = 2

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        attention: dict[str, Any] = {
            "dropout": dropout,
            "bias": bias,
            "batch_first": batch_first,
            "dtype": dtype,
        }
        self.self_attn: MultiheadAttention = MultiheadAttention(d_model, nhead, **attention)
        if self.norms == 3:
            self.multihead_attn: MultiheadAttention = MultiheadAttention(d_model, nhead, **attention)
        self.linear1: Linear = Linear(d_model, dim_feedforward, bias, dtype)
        self.dropout: Dropout = Dropout(dropout)
        self.linear2: Linear = Linear(dim_feedforward, d_model, bias, dtype)
        self.norm_first = norm_first
        for k in range(1, self.norms + 1):
            setattr(self, f"norm{k}", LayerNorm(d_model, layer_norm_eps, True, bias, dtype))
        for k in range(1, self.norms + 1):
            setattr(self, f"dropout{k}", Dropout(dropout))
        if isinstance(activation, str) and activation not in ACTIVATIONS:
            wanted = "is 'relu', 'gelu' or a function"
            raise ValueError(lesson(f"{type(self).__name__}(activation=)", wanted, f"{activation!r}"))
        self.activation = ACTIVATIONS[activation] if isinstance(activation, str) else activation

    def _added(self, x: Any, k: int, part: Callable[[Any], Any]) -> Any:
        """Return x plus what part k makes of it, with the norm where it belongs."""
        norm, dropout = self.__dict__[f"norm{k}"], self.__dict__[f"dropout{k}"]
        if self.norm_first:
            return x + dropout(part(norm(x)))
        return norm(x + dropout(part(x)))

    def _feed(self, x: Any) -> Any:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def _attend(self, x: Any, mask: Any, padding: Any, causal: bool) -> Any:
        options = {"key_padding_mask": padding, "need_weights": False, "is_causal": causal}
        return self.self_attn(x, x, x, attn_mask=mask, **options)[0]


class TransformerEncoderLayer(Layer):
    """Attention among the places of a sequence, then a network of two layers on each place.

    Source: Vaswani et al., "Attention is all you need", 2017.

    >>> TransformerEncoderLayer(8, 2, 16)(np.ones((5, 2, 8), np.float32)).shape
    (5, 2, 8)
    """

    def forward(
        self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> Any:
        """Return the sequence `src` after the layer; masks as in `MultiheadAttention`."""
        x = self._added(src, 1, lambda x: self._attend(x, src_mask, src_key_padding_mask, is_causal))
        return self._added(x, 2, self._feed)


class TransformerDecoderLayer(Layer):
    """Attention among the places of a sequence, attention to a memory, then a network on each place.

    >>> import numpy as np
    >>> x, memory = np.ones((5, 1, 8), np.float32), np.ones((3, 1, 8), np.float32)
    >>> TransformerDecoderLayer(8, 2, 16)(x, memory).shape
    (5, 1, 8)
    """

    norms = 3

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        """Return the sequence `tgt` after the layer, which looks at `memory`; masks as in attention."""
        options = {"key_padding_mask": memory_key_padding_mask, "attn_mask": memory_mask}
        options |= {"need_weights": False, "is_causal": memory_is_causal}
        x = self._added(tgt, 1, lambda x: self._attend(x, tgt_mask, tgt_key_padding_mask, tgt_is_causal))
        x = self._added(x, 2, lambda x: self.multihead_attn(x, memory, memory, **options)[0])
        return self._added(x, 3, self._feed)


class Stack(Module):
    """Copies of a layer one over the other, and a norm at the end where there is one."""

    num_layers: int
    norm: Module | None

    shown: tuple[str, ...] = ("num_layers",)

    def __init__(self, layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers: ModuleList = ModuleList([copy.deepcopy(layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm

    def _walked(self, x: Any, *given: Any, **options: Any) -> Any:
        for layer in self.layers:
            x = layer(x, *given, **options)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(Stack):
    """`num_layers` copies of an encoder layer, then `norm`.

    `enable_nested_tensor` and `mask_check` say how PyTorch computes it, and change nothing here.

    >>> layer = TransformerEncoderLayer(8, 2, 16)
    >>> TransformerEncoder(layer, 3)(np.ones((5, 2, 8), np.float32)).shape
    (5, 2, 8)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__(encoder_layer, num_layers, norm)

    def forward(
        self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> Any:
        """Return the sequence `src` after all layers."""
        return self._walked(src, mask, src_key_padding_mask, is_causal)


class TransformerDecoder(Stack):
    """`num_layers` copies of a decoder layer, then `norm`.

    >>> import numpy as np
    >>> x, memory = np.ones((5, 1, 8), np.float32), np.ones((3, 1, 8), np.float32)
    >>> decoder = TransformerDecoder(TransformerDecoderLayer(8, 2, 16), num_layers=2)
    >>> decoder(x, memory).shape
    (5, 1, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        """Return the sequence `tgt` after all layers, which look at `memory`."""
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        return self._walked(tgt, memory, *masks, tgt_is_causal, memory_is_causal)


class Transformer(Module):
    """An encoder of what is read and a decoder that looks at it.

    Source: Vaswani et al., "Attention is all you need", 2017.

    >>> model = Transformer(8, 2, 1, 1, 16)
    >>> model(np.ones((5, 2, 8), np.float32), np.ones((3, 2, 8), np.float32)).shape
    (3, 2, 8)
    """

    d_model: int
    nhead: int
    batch_first: bool
    encoder: Module | TransformerEncoder
    decoder: Module | TransformerDecoder

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        shape = d_model, nhead, dim_feedforward, dropout, activation
        options = layer_norm_eps, batch_first, norm_first, bias, dtype

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, True, bias, dtype)

        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*shape, *options), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*shape, *options), num_decoder_layers, norm()
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all matrices anew, by Glorot's rule."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool = False,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        """Return what the decoder makes of `tgt` while it looks at the encoded `src`."""
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        return self.decoder(tgt, memory, *masks, tgt_is_causal, memory_is_causal)

    @staticmethod
    def generate_square_subsequent_mask(size: int) -> Any:
        """Return (size, size): 0 for places up to one's own, -inf for later ones.

        >>> Transformer.generate_square_subsequent_mask(2)
        array([[  0., -inf],
               [  0.,   0.]], dtype=float32)
        """
        return np.where(np.tri(size, dtype=bool), 0.0, -np.inf).astype(np.float32)
