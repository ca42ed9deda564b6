"""A node class written by hand, graded with hints instead of answers."""

from clearprop.homework.grades import NodeReport
from clearprop.homework.grading import check_node

__all__ = ["NodeReport", "check_node"]
