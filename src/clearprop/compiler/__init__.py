"""The whole training step as one program: `compile(step)`; this folder's README tells how it works."""

from clearprop.compiler.capture.refusals import RecordingError
from clearprop.compiler.proof.prove import ProofError, ProofWarning
from clearprop.compiler.step import Step, compile

__all__ = ["ProofError", "ProofWarning", "RecordingError", "Step", "compile"]
