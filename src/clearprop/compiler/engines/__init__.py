"""What a plan becomes: calls of NumPy, native code, a program of XLA, JavaScript, or a Python file."""
