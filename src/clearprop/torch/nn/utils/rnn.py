"""`torch.nn.utils.rnn`: sequences of different lengths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clearprop import nn as own
from clearprop.torch.tensors import through

PackedSequence = own.PackedSequence
pack_padded_sequence: Callable[..., Any] = through(own.pack_padded_sequence)
pad_packed_sequence: Callable[..., Any] = through(own.pad_packed_sequence)
pack_sequence: Callable[..., Any] = through(own.pack_sequence)
unpack_sequence: Callable[..., Any] = through(own.unpack_sequence)
pad_sequence: Callable[..., Any] = through(own.pad_sequence)
unpad_sequence: Callable[..., Any] = through(own.unpad_sequence)
