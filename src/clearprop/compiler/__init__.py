"""The whole training step as one program."""
