"""The whole training step as one program: `compile(step)`; this folder's README tells how it works."""

from clearprop.compiler.capture.refusals import RecordingError
from clearprop.compiler.proof.prove import ProofError, ProofWarning
from clearprop.compiler.step import CompiledStep, compile

__all__ = ["CompiledStep", "ProofError", "ProofWarning", "RecordingError", "compile"]
