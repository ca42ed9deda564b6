"""What doctests share: an op that one registers goes with it, so that no test depends on what ran before."""

from typing import Any

from clearprop.registry import ops


def pytest_runtest_teardown(item: Any) -> None:
    """Take ops out of the registry whose forward pass is written in a doctest."""
    written = {name: getattr(op.forward, "__code__", None) for name, op in ops.items()}
    for name, code in written.items():
        if code is not None and code.co_filename.startswith("<doctest"):
            del ops[name]
