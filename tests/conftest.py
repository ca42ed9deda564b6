"""What all tests share: native code is asked for where the extra `fast` is installed, and one browser is."""

import gc
import hashlib
import re
import shutil
from collections import defaultdict
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

# It would read every number of the library's source, to draw those too: seconds, and examples that depend on
# what somebody has imported before.
providers = import_module("hypothesis.internal.conjecture.providers")
if hasattr(providers, "_get_local_constants"):
    providers._get_local_constants = lambda: providers._local_constants

collect_ignore = ["typing"]  # lines for type checkers, right ones and wrong ones, which are never run


def pytest_addoption(parser):
    told = "below this path run the tests alone that ask for a package which the tier `test` has not"
    parser.addoption("--asking", action="append", default=[], metavar="PATH", help=told)
    told = (
        "below this path run the cases alone that other tiers leave: another value was in turn, or at length"
    )
    parser.addoption("--other-turns", action="append", default=[], metavar="PATH", help=told)
    told = "leave no case to another tier, but below those paths"
    parser.addoption("--all-turns", action="store_true", help=told)
    parser.addoption("--share", type=float, default=1.0, help="run this part of the tests, .2 a fifth")
    parser.addoption("--drawn-by", default="", metavar="WORD", help="another word draws another such part")


def pytest_collection_modifyitems(config, items):
    """Leave out what another tier runs; skip each parameter "llvm" where there is no llvmlite."""
    below = [Path(path).resolve() for path in config.getoption("--asking")]
    turns = [Path(path).resolve() for path in config.getoption("--other-turns")]
    share, word = config.getoption("--share"), config.getoption("--drawn-by")
    waiting = {*not_in_turn(items), *(item for item in items if item.get_closest_marker("at_length"))}
    wait = not config.getoption("--all-turns")
    left = [
        item
        for item in items
        if (below and not_asking(item, below))
        or (item not in waiting if lies(item, turns) else wait and item in waiting)
        or not drawn(item, share, word)
    ]
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
    return lies(item, below) and not asked(item.path, getattr(item, "originalname", item.name))


def lies(item, paths):
    """Whether an item lies below one of these paths."""
    return any(path == item.path or path in item.path.parents for path in paths)


def not_in_turn(items):
    """Return what waits for another tier, of the tests that are marked `by_turns("executor")` or so.

    Each case of such a test is tried with one of these values, and each value with its share of the cases,
    which every process draws alike; eager mode is always tried. A test of few cases, one that asks for a
    package of another tier, or one of whose values a single one was asked for, stays whole.
    """
    tests = defaultdict(list)
    for item in items:
        mark = item.get_closest_marker("by_turns")
        marked = mark is not None and hasattr(item, "callspec") and takes_turns(item.callspec, mark.args)
        if marked and not asked(item.path, item.originalname):
            given = item.callspec.params
            turn = repr([given[name] for name in mark.args])
            case = tuple(id(value) for name, value in given.items() if name not in mark.args)
            tests[item.path, item.originalname].append((turn, case, item))
    return [item for some in tests.values() for item in others_turns(some)]


def others_turns(some):
    """Of one test: the items whose turn it is not, in an order of the cases that knows nothing of them."""
    turns = list(dict.fromkeys(turn for turn, _, _ in some))
    cases = list(dict.fromkeys(case for _, case, _ in some))
    if len(cases) < max(4, len(turns)):
        return []
    mixed = sorted(range(len(cases)), key=lambda place: hashlib.sha256(str(place).encode()).digest())
    its = {cases[place]: turns[k % len(turns)] for k, place in enumerate(mixed)}
    return [item for turn, case, item in some if turn != its[case]]


def takes_turns(spec, names):
    """Whether a case has these parameters, and none of them says that it is run in eager mode."""
    return {*names} <= {*spec.params} and all(spec.params[name] not in ("", None, "eager") for name in names)


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
