"""What all tests share: native code is asked for where the extra `fast` is installed, and one browser is."""

import gc
import hashlib
import re
import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.elsewhere import ELSEWHERE, asked

import_module("clearprop.ops.fourier")  # a chapter that is there as soon as somebody asks for it

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SANDBOX = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]

# What a busy machine makes slow is no failure. Where CI is set, Hypothesis draws the same examples each time.
settings.register_profile(
    "patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")

collect_ignore = ["typing"]  # lines for type checkers, right ones and wrong ones, which are never run


def pytest_addoption(parser):
    told = "below this path run the tests alone that ask for a package which the tier `test` has not"
    parser.addoption("--asking", action="append", default=[], metavar="PATH", help=told)
    parser.addoption("--share", type=float, default=1.0, help="run this part of the tests, .2 a fifth")
    parser.addoption("--drawn-by", default="", metavar="WORD", help="another word draws another such part")


def pytest_collection_modifyitems(config, items):
    """Leave out what another tier runs; skip each parameter "llvm" where there is no llvmlite."""
    below = [Path(path).resolve() for path in config.getoption("--asking")]
    share, word = config.getoption("--share"), config.getoption("--drawn-by")
    left = [item for item in items if (below and not_asking(item, below)) or not drawn(item, share, word)]
    if left:
        config.hook.pytest_deselected(items=left)
        gone = set(left)
        items[:] = [item for item in items if item not in gone]
    if find_spec("llvmlite") is not None:
        return
    for item in items:
        values = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if any(isinstance(value, str) and value == "llvm" for value in values):
            item.add_marker(pytest.mark.skip(reason="could not import 'llvmlite'"))


def not_asking(item, below):
    """Whether an item lies below one of these paths and asks for nothing of another tier."""
    lies = any(path == item.path or path in item.path.parents for path in below)
    return lies and not asked(item.path, getattr(item, "originalname", item.name))


def drawn(item, share, word):
    """Whether an item is in the share that a word draws, the same one in every process."""
    number = int.from_bytes(hashlib.sha256(f"{word} {item.nodeid}".encode()).digest()[:4])
    return number < share * 2**32


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Fail a test that is skipped for a package for which it is not seen to ask: no tier would run it."""
    report = yield
    reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else ""
    package = (re.findall(r"could not import '(\w+)", reason) or [""])[0]
    if package in ELSEWHERE and package not in asked(item.path, getattr(item, "originalname", item.name)):
        report.outcome = "failed"
        report.longrepr = f"no tier runs this: tests/elsewhere.py does not see that it asks for {package}"
    return report


def pytest_collection_finish(session):
    """Keep 20,000 collected tests out of the garbage collector: it walked over them, a second at a time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def small_heap():
    """For updates in place, which look at all objects for another holder: not at those of before."""
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
