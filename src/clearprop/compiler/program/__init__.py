"""A step as a flat list of core ops on arrays: how it is lowered from NumPy's functions, and made smaller."""
