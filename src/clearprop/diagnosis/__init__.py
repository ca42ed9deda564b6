"""Why a model does not learn: it is examined, its symptoms measured, and each finding says what to try."""

from clearprop.diagnosis.doctor import Diagnosis, doctor
from clearprop.diagnosis.symptoms import Symptom

__all__ = ["Diagnosis", "Symptom", "doctor"]
