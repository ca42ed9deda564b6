"""What the benchmark compares, each in a file of its own; `training_step.py` runs them."""
