"""Whether a plan is right: a step that proves itself now and then, and what a difference comes from."""
