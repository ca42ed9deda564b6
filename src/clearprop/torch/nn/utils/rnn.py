"""`torch.nn.utils.rnn`: sequences of different lengths."""

from __future__ import annotations

from clearprop import nn as own
from clearprop.torch.tensors import through

PackedSequence = own.PackedSequence
pack_padded_sequence = through(own.pack_padded_sequence)
pad_packed_sequence = through(own.pad_packed_sequence)
pack_sequence, unpack_sequence = through(own.pack_sequence), through(own.unpack_sequence)
pad_sequence, unpad_sequence = through(own.pad_sequence), through(own.unpad_sequence)
