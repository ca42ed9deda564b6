"""A node class written by hand, graded with hints instead of answers; and the homework of a whole class."""

from clearprop.homework.grades import NodeReport
from clearprop.homework.grading import check_node

__all__ = ["NodeReport", "check_node"]
