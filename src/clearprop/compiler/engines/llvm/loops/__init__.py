"""Loops over an index space: elementwise work, reductions, running sums, indices, joins, random numbers."""
