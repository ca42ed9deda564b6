"""What all tests share: one that asks for native code is skipped where the extra `fast` is not installed."""

from importlib import import_module
from importlib.util import find_spec

import pytest

import_module("clearprop.ops.fourier")  # a chapter that is there as soon as somebody asks for it


collect_ignore = ["typing"]  # lines for type checkers, right ones and wrong ones, which are never run


def pytest_collection_modifyitems(items):
    """Skip each parameter "llvm" where there is no llvmlite, in the words of `importorskip`."""
    if find_spec("llvmlite") is not None:
        return
    for item in items:
        values = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if any(isinstance(value, str) and value == "llvm" for value in values):
            item.add_marker(pytest.mark.skip(reason="could not import 'llvmlite'"))
