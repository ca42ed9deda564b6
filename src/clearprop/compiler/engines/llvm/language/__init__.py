"""LLVM IR as text, with NumPy's operators and elementary functions, and LLVM at work on it."""
