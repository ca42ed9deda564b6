"""LLVM at work: from a module's text to machine code for this very processor."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]

from clearprop.compiler.engines.llvm.language import kept

WIDE = '"prefer-vector-width"="512"'
"""What tells LLVM to use the widest vectors there are."""

PASSES = ("sroa", "loop_rotate", "instruction_combine", "simplify_cfg", "dead_code_elimination")

_lock = threading.Lock()  # LLVM's objects below are shared by the process
if hasattr(os, "register_at_fork"):  # a child must not find it taken by a thread that it does not have
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
_numbers = itertools.count(1).__next__


@cache
def target() -> Any:
    """Return the machine we run on, with all its features."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2, jit=True
    )


@cache
def _linker() -> Any:
    return llvm.create_lljit_compiler()


_elsewhere: ContextVar[int | None] = ContextVar("the size of another machine's SIMD registers", default=None)


@contextmanager
def of_another(size: int) -> Iterator[None]:
    """Write for a machine whose SIMD registers have so many bytes (0: as here), as long as the block runs."""
    before = _elsewhere.set(size)
    try:
        yield
    finally:
        _elsewhere.reset(before)


def stands_alone() -> bool:
    """Whether what is written now is to do without the C library's powers."""
    return _elsewhere.get() is not None


def vector_bytes() -> int:
    """Return the size of a SIMD register: here 64 with AVX-512, 32 with AVX, else 16.

    >>> with of_another(16):
    ...     vector_bytes()
    16
    """
    return _elsewhere.get() or _vector_bytes()


@cache
def _vector_bytes() -> int:
    features = llvm.get_host_cpu_features()
    return 64 if features.get("avx512f") and features.get("avx512vl") else 32 if features.get("avx") else 16


@cache
def is_zen() -> bool:
    """Whether this is one of AMD's Zen processors, where a few constants are others: each says why."""
    return str(llvm.get_host_cpu_name()).startswith("znver")


def lanes_of(dtype: Any) -> int:
    """Return how many entries a SIMD register holds."""
    return int(vector_bytes() // dtype.itemsize)


def optimized(text: str, machine: Any = None) -> Any:
    """Return the module of a text after LLVM's passes, for this machine unless told.

    The loops come with their vectors and their invariants outside: what would look for more is left out, and
    compiling takes a fifth of the time.
    """
    module = llvm.parse_assembly(text)
    builder = llvm.create_pass_builder(
        machine or target(), llvm.create_pipeline_tuning_options(speed_level=2)
    )
    passes = llvm.create_new_function_pass_manager()
    for name in PASSES:
        getattr(passes, f"add_{name}_pass")()
    for function in module.functions:
        if not function.is_declaration:
            passes.run(function, builder)
    return module


@cache
def _maker() -> tuple[str, ...]:
    """Return what decides, beside a text, what machine code it becomes."""
    version = ".".join(map(str, llvm.llvm_version_info))
    features = str(llvm.get_host_cpu_features().flatten())
    return (version, str(target().triple), str(llvm.get_host_cpu_name()), features, *PASSES)


class Code:
    """A module compiled into this process; it lives as long as this object.

    `exports` are the functions whose `address` can be asked for, `symbols` says where what it names lies. The
    machine code of a text that is to `last`, one without addresses, is kept on disk for other processes.
    """

    def __init__(
        self, text: str, *exports: str, symbols: dict[str, int] | None = None, last: bool = False
    ) -> None:
        self.text = text
        key = kept.key_of(text, *_maker()) if last else ""
        with _lock:
            code = kept.find(key) if last else None
            if code is None:
                code = target().emit_object(optimized(text))
                if last:
                    kept.put(key, code)
            library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
            for name, address in (symbols or {}).items():
                library.import_symbol(name, address)
            for name in exports:
                library.export_symbol(name)
            self._code = library.link(_linker(), f"clearprop{_numbers()}")

    def address(self, name: str) -> int:
        """Return where a function begins."""
        return int(self._code[name])
