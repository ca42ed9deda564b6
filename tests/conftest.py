"""What all tests share: native code is asked for where the extra `fast` is installed, and one browser is."""

import gc
import shutil
from importlib import import_module
from importlib.util import find_spec

import pytest

import_module("clearprop.ops.fourier")  # a chapter that is there as soon as somebody asks for it

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SANDBOX = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]

collect_ignore = ["typing"]  # lines for type checkers, right ones and wrong ones, which are never run


def pytest_collection_modifyitems(items):
    """Skip each parameter "llvm" where there is no llvmlite, in the words of `importorskip`."""
    if find_spec("llvmlite") is not None:
        return
    for item in items:
        values = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if any(isinstance(value, str) and value == "llvm" for value in values):
            item.add_marker(pytest.mark.skip(reason="could not import 'llvmlite'"))


def pytest_collection_finish(session):
    """Keep 20,000 collected tests out of the garbage collector: it walked over them, a second at a time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def browser():
    """Chromium, once for all tests of a process: Playwright runs no second time beside the first."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=CHROMIUM, args=SANDBOX)
        yield found
        found.close()
