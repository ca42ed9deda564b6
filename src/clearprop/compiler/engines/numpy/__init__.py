"""The executor that is always there: a plan as straight-line NumPy source, to be read aloud."""
