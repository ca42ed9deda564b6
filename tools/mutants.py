"""Sixty one-line faults, each with the test that must catch it: `python tools/mutants.py --jobs 2`.

A suite that passes says little of whether it could fail. So this is run by hand about once a week: each fault
is one that a careless edit might make. It is put into a copy of `src`, and the test named beside it is run on
that copy. A fault that the test does not notice has survived: the test is to be mended, not the row. A row
whose line was edited is stale: it is to be written anew for what stands there now.

Nothing in the checkout is written to. Exit status: 0 if all faults are caught, else 1.
"""

from __future__ import annotations

import argparse
import compileall
import os
import py_compile
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "clearprop"
T = TypeVar("T")
LIMIT = 120.0  # seconds that one test may take


class Mutant(NamedTuple):
    """A fault: in `file`, below src/clearprop, `old` stands once and becomes `new`.

    `test` is what pytest is told: a node id, or a file with `-k` and an expression.
    """

    file: str
    old: str
    new: str
    test: str


# fmt: off
MUTANTS = (
    # --- the core: accumulation, order, broadcasting, masks, modes, inner gradients, assignment
    Mutant("backward.py", "grads[x] = grads[x] + d if x in grads else d", "grads[x] = d",
           "tests/test_backward.py::test_what_a_slice_sends_is_added_to_what_others_sent"),
    Mutant("backward.py", "for node in reversed(order):", "for node in order:",
           "tests/test_backward.py::test_every_node_receives_its_gradient"),
    Mutant("backward.py", "as_number(g) if node.grad is None else node.grad + g))", "as_number(g)))",
           "tests/test_backward.py::test_a_second_backward_doubles_the_leaves_exactly"),
    Mutant("backward.py", "if n == 1 and g.shape[i] != 1)", "if n == 1 and i and g.shape[i] != 1)",
           "tests/test_numpy_meaning.py -k gradients_of_both_orders"),
    Mutant("backward.py", 'd = ops["masked_product"](g, d(z, *xs))', "d = g * d(z, *xs)",
           "tests/ops/test_masked.py::test_zero_passes_a_division_by_zero_as_zero"),
    Mutant("backward.py", "grads[x] = d.copy()", "grads[x] = d",
           "tests/test_backward.py::test_a_leafs_gradient_is_its_own"),
    Mutant("modes.py", "_state.set(now.outer if now.block is self else now.without(self))", "_state.set(now)",
           "tests/test_modes.py::test_blocks_nest_and_end_where_they_began"),
    Mutant("transforms/inner.py", "if not self.constant and (others or self.within):", "if not self.constant and self.within:",
           "tests/transforms/test_nested.py::test_an_inner_gradient_depends_on_what_is_outside"),
    Mutant("transforms/gradient.py", "_pulled(arguments, has_aux, constant=True)", "_pulled(arguments, has_aux, constant=False)",
           "tests/transforms/test_nested.py::test_inside_no_grad_results_are_of_the_arguments_kind"),
    Mutant("record.py", "if value.shape != old.shape:", "if value.size != old.size:",
           "tests/test_record.py::test_assign_wants_the_same_shape_and_a_leaf"),
    # --- derivatives: swapped inputs, kinks, ties, reductions, indexing, products
    Mutant("ops/elementwise.py", "lambda z, x: x > 0, facts=Facts(domain=POSITIVE", "lambda z, x: x >= 0, facts=Facts(domain=POSITIVE",
           "tests/test_conventions.py -k 'written_table and relu'"),
    Mutant("ops/elementwise.py", "np.where((x >= low) & (x <= high), g, 0)", "np.where((x > low) & (x <= high), g, 0)",
           "tests/test_conventions.py -k 'written_table and clip'"),
    Mutant("ops/reduce.py", "share = kept(g, x, axis, keepdims) / wins.sum(axis=axis, keepdims=True).astype(g.dtype)",
           "share = kept(g, x, axis, keepdims)", "tests/test_conventions.py::test_ties_along_an_axis_share_equally"),
    Mutant("ops/reduce.py", "np.stack([above * right, above * left]", "np.stack([above * left, above * right]",
           "tests/test_every_op.py -k 'rules_of_both and prod'"),
    Mutant("ops/index.py", "        out[where] = g\n    else:\n        np.add.at(out, where, g)", "        out[where] = g\n    else:\n        out[where] = g",
           "tests/ops/test_edges.py::test_an_entry_picked_twice_receives_both_gradients"),
    Mutant("ops/linalg.py", "d = g @ np.swapaxes(y, -1, -2)", "d = g @ y",
           "tests/test_every_op.py -k 'rules_of_both and matmul'"),
    # --- networks: losses, initial weights, state dicts
    Mutant("nn/functional/loss.py", "delta * (d - 0.5 * delta)", "delta * (d - delta)",
           "tests/nn/test_loss.py::test_distances_equal_pytorch"),
    Mutant("nn/init.py", 'fans(tensor)[mode == "fan_out"]', 'fans(tensor)[mode == "fan_in"]',
           "tests/nn/test_init.py::test_mean_spread_and_bounds_are_pytorchs"),
    Mutant("record.py", "return np.array(tensor._value)", "return np.asarray(tensor._value)",
           "tests/nn/test_module.py::test_a_state_dict_is_a_copy_and_loads_into_another_model"),
    # --- optimizers and schedules
    Mutant("optim/adam.py", "lr / (1.0 - first**step)", "lr / (1.0 - first)",
           "tests/optim/test_optimizer.py -k 'equals_pytorch and Adam'"),
    Mutant("optim/adam.py", "+ eps * scale)", "+ eps)",
           "tests/optim/test_optimizer.py -k 'equals_pytorch and Adam'"),
    Mutant("optim/adam.py", "p * (1.0 - lr * weight_decay)", "p * (1.0 - weight_decay)",
           "tests/optim/test_optimizer.py -k 'equals_pytorch and AdamW'"),
    Mutant("optim/sgd.py", "dampening * (step > 1.0)", "dampening * (step >= 1.0)",
           "tests/optim/test_optimizer.py -k 'equals_pytorch and SGD'"),
    Mutant("optim/rmsprop.py", "(np.sqrt(spread) + eps)", "np.sqrt(spread + eps)",
           "tests/optim/test_optimizer.py -k 'equals_pytorch and RMSprop'"),
    Mutant("optim/schedule.py", "done = min(count, self.total_iters) / self.total_iters", "done = count / self.total_iters",
           "tests/optim/test_schedule.py::test_equals_pytorch"),
    # --- data, training, files, the command line
    Mutant("data/split.py", "rest[counts == 0] += 1.0", "rest[counts == 0] += 0.0",
           "tests/data/test_split.py::test_a_class_is_held_out_before_another_gets_one_more"),
    Mutant("data/loader.py", "self._given = number % len(indices)", "self._given = number - 1",
           "tests/data/test_loader.py::test_a_stopped_loader_goes_on_with_the_very_next_batch"),
    Mutant("data/scale.py", "(np.where(known, small - mean, 0) ** 2).sum(axis=0) / counts", "(np.where(known, small - mean, 0) ** 2).mean(axis=0)",
           "tests/data/test_scale.py::test_missing_values_are_left_out_and_stay"),
    Mutant("data/reading/delimited.py", """return "".join(line.split('"')[::2])""", "return line",
           "tests/data/test_tables.py::test_a_delimiter_inside_quotes_does_not_count"),
    Mutant("train/state.py", "self.waited >= self.patience", "self.waited > self.patience",
           "tests/train/test_fitting.py::test_early_stopping_keeps_the_best_epoch"),
    Mutant("train/state.py", 'random.set_rng_state(saved["random"])', "pass",
           "tests/train/test_checkpoint.py::test_a_resumed_run_goes_on_drawing_the_same_random_numbers"),
    Mutant("train/checkpoint.py", "self._set_aside() if self.damaged else self._keep()", "self._keep()",
           "tests/train/test_resuming.py::test_the_damaged_one_does_not_take_the_place_of_the_older_one"),
    Mutant("interop/safetensors.py", "if content[8:start] != _BEFORE or there != found:", "if content[8:start] != _BEFORE:",
           "tests/interop/test_damage.py::test_every_flipped_bit_is_found"),
    Mutant("cli/check.py", 'return 0 if said == "right" else 1', "return 0",
           "tests/cli/test_check.py::test_where_nothing_could_be_compared_the_status_is_1"),
    # --- checks
    Mutant("check/numeric.py", "(row[-1] - old) / (self.base**k - 1)", "(row[-1] - old) / self.base**k",
           "tests/check/test_numeric.py::test_the_lectures_functions_to_a_part_in_a_million_million"),
    Mutant("check/moves.py", "rng.permutation(words)[:count]", "np.array(words)[[0] * count]",
           "tests/check/test_moves.py::test_no_missing_slope_hides_because_another_of_the_same_output_is_much_larger"),
    Mutant("check/search.py", "if abs(share) >= abs(whole - share):", "if share >= whole - share:",
           "tests/check/test_taylor.py::test_one_entry_of_1600_wrong_by_one_percent_is_named"),
    Mutant("check/precision.py", "return away / size if size", "return away if size",
           "tests/check/test_precision.py::test_digits_are_those_of_the_true_error"),
    Mutant("homework/grading.py", "t, 2 * np.asarray(o, float)", "t, np.asarray(t, float)",
           "tests/homework/test_grading.py -k SettingRelu"),
    Mutant("diagnosis/symptoms.py", "np.any(value != value[:1])", "np.any(value != 0)",
           "tests/diagnosis/test_doctor.py::test_symmetric_initialisation"),
    # --- pictures and words
    Mutant("see/layout/straighten.py", "if found < best_cost:", "if found > best_cost:",
           "tests/see/layout/test_layout.py::test_straightening_makes_arrows_much_shorter_than_packing_alone"),
    Mutant("see/drawing/svg.py", "{escape(rest)}</tspan>", "{rest}</tspan>",
           "tests/see/drawing/test_svg.py::test_names_are_escaped"),
    Mutant("backward.py", "grads[x] = grads[x] + d\n", "grads[x] = d\n",
           "tests/see/step/test_steps.py::test_the_contributions_add_up_to_the_gradients_of_backward"),
    # --- the compiler: recording, guards, masks
    Mutant("compiler/capture/recorder.py", "and not _same_bytes(v.data, x):", "and False:",
           "tests/compiler/capture/test_captured.py::test_an_array_that_a_step_makes_and_changes_is_what_it_was_at_each_use"),
    Mutant("compiler/capture/guard.py", "if a != b or (a == 0 and str(a) != str(b)):", "if a != b:",
           "tests/compiler/capture/test_guard.py::test_zero_and_minus_zero_are_two_numbers"),
    Mutant("compiler/capture/selection.py", "if found != n:", "if found > n:",
           "tests/compiler/capture/test_masks.py::test_anything_else_is_right_for_every_count_by_a_plan_for_each"),
    Mutant("compiler/capture/selection.py", "whole.dtype.type(HARMLESS)), flat)", "whole), flat)",
           "tests/compiler/capture/test_masks.py::test_what_has_no_slope_where_the_mask_does_not_hold_reaches_no_gradient"),
    # --- the compiler: lowering, rewriting, fusing, memory, statements
    Mutant("compiler/program/lower.py", "max(total.size, 1) - ddof, 0)", "max(total.size, 1), 0)",
           "tests/compiler/test_every_op.py -k 'value_of_every and var'"),
    Mutant("compiler/program/rewrite.py", "return y if c.inputs[0] is g and finite(d) else None", "return y if c.inputs[0] is g else None",
           "tests/compiler/program/test_rewrite.py::test_a_masked_product_with_a_derivative_that_may_be_infinite_stays"),
    Mutant("compiler/plan/fuse.py", "and not ends(source, group):", "and True:",
           "tests/compiler/plan/test_memory.py::test_softmax_is_one_loop_and_a_sum_over_the_batch_ends_it"),
    Mutant("compiler/plan/memory.py", "first <= last[i]) & (first[i] <= last)", "first < last[i]) & (first[i] < last)",
           "tests/compiler/plan/test_memory.py::test_blocks_that_are_alive_at_one_stage_do_not_overlap"),
    Mutant("compiler/plan/memory.py", "if self.last[x] == i and self._movable(x)]", "if self._movable(x)]",
           "tests/compiler/test_step.py::test_training_compiled_is_training"),
    Mutant("compiler/engines/numpy/statements.py", "if last[x] == i and x in group.values and x not in group.stores:", "if x in group.values and x not in group.stores:",
           "tests/compiler/engines/numpy/test_writers.py::test_a_scratch_array_is_not_used_again_before_its_last_reading"),
    # --- the compiler: native code, stores, proofs
    Mutant("compiler/engines/llvm/products/products.py", "y = f.at(b, i * self.steps[1][axis], self.dtype)", "y = f.at(b, i * self.steps[0][axis], self.dtype)",
           "tests/compiler/engines/llvm/test_native.py::test_batches_of_products_broadcast"),
    Mutant("compiler/engines/llvm/loops/reductions.py", "wins = wins | ((x == y) & (i < j))", "wins = wins | ((x == y) & (i > j))",
           "tests/compiler/engines/llvm/test_native.py::test_the_first_of_equal_extremes_wins_and_nan_before_all"),
    Mutant("compiler/engines/llvm/loops/access.py", "whole = static - static % lanes", "whole = static",
           "tests/compiler/engines/llvm/test_native.py::test_rows_columns_and_everything_are_reduced"),
    Mutant("compiler/engines/llvm/loops/joining.py", "whole.offset + at * whole.strides[axis]", "whole.offset + at",
           "tests/compiler/engines/llvm/loops/test_joining.py"),
    Mutant("compiler/engines/llvm/plan/tickets.py", "%all = icmp eq i64 %finished, %target", "%all = icmp ule i64 %finished, %target",
           "tests/compiler/engines/llvm/plan/test_pool.py::test_a_region_is_over_when_another_threads_last_task_is"),
    Mutant("compiler/capture/store.py", "> self.base[i] - (0 if here else 1)", "> self.base[i] + 1",
           "tests/compiler/test_step.py::test_a_gradient_that_somebody_keeps_is_not_overwritten"),
    Mutant("compiler/proof/tolerance.py", "MARGIN = 4  #", "MARGIN = 4e9  #",
           "tests/compiler/proof/test_prove.py::test_a_small_fault_is_found_all_the_same"),
    Mutant("compiler/proof/verify.py", "if not np.array_equal(z[~both], eager[~both], equal_nan=True):", "if False:",
           "tests/compiler/proof/test_verify.py::test_nan_must_be_where_eager_has_it"),
)
# fmt: on


# --- one run of pytest --------------------------------------------------------------------------------------
@dataclass
class Outcome:
    """How a run of pytest ended: `passed`, `failed` (or crashed), `nothing` was run, or it took too long."""

    kind: str
    seconds: float
    output: str = ""


def tested(test: str, source: Path, scratch: Path, limit: float) -> Outcome:
    """Run a test of the checkout on the package below `source`, in a process of its own."""
    environment = os.environ | {
        "PYTHONPATH": str(source),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis"),  # failures found here are no news there
        "OPENBLAS_NUM_THREADS": "1",
    }
    options = ["-x", "-p", "no:cacheprovider", "--tb=line"]
    command = [sys.executable, "-m", "pytest", *options, *shlex.split(test)]
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a test may have children of its own
    )
    try:
        output, _ = process.communicate(timeout=limit)
        kind = _kind(process.returncode, output)
    except subprocess.TimeoutExpired:
        kind, output = "timeout", ""
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return Outcome(kind, time.perf_counter() - began, output)


def _kind(status: int, output: str) -> str:
    """What pytest's exit status means: 1 a test failed, 2 a test file did, below 0 the interpreter crashed."""
    if status == 0:
        return "passed" if re.search(r"\b\d+ passed", output) else "nothing"
    return "failed" if status in (1, 2) or status < 0 else "nothing"


# --- copies of the source -----------------------------------------------------------------------------------
class Copies:
    """As many copies of `src` as there are jobs; each is lent to one run at a time."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.free = folder, SimpleQueue[Path]()
        for number in range(count):
            copy = folder / f"src-{number}"
            shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
            # Compiled once, and found out of date by contents: a fault may leave size and second as they were.
            checked = py_compile.PycInvalidationMode.CHECKED_HASH
            compileall.compile_dir(copy, quiet=2, invalidation_mode=checked)
            self.free.put(copy)

    def run(self, test: str, limit: float, mutant: Mutant | None = None) -> Outcome:
        """Run a test on a copy, for that time with the mutant's fault in it."""
        copy = self.free.get()
        try:
            if mutant is None:
                return tested(test, copy, self.folder, limit)
            path = copy / PACKAGE / mutant.file
            whole = path.read_text(encoding="utf-8")
            try:
                path.write_text(whole.replace(mutant.old, mutant.new), encoding="utf-8")
                return tested(test, copy, self.folder, limit)
            finally:
                path.write_text(whole, encoding="utf-8")
        finally:
            self.free.put(copy)


def stale(mutant: Mutant) -> str:
    """Say why a row fits the source no more, '' where it does."""
    path = ROOT / "src" / PACKAGE / mutant.file
    if not path.is_file():
        return "there is no such file"
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        return f"its line occurs {text.count(mutant.old)} times"
    try:
        compile(text.replace(mutant.old, mutant.new), mutant.file, "exec")
    except SyntaxError as error:
        return f"with the fault it is no Python: {error.msg}"
    return ""


# --- all of them --------------------------------------------------------------------------------------------
def main(argv: Sequence[str] | None = None) -> int:
    """Try every mutant, print a row for each and a summary; return the exit status."""
    parser = argparse.ArgumentParser(description="One-line faults, each with the test that must catch it.")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many tests run at once")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows that hold this text, in any column")
    parser.add_argument("--limit", type=float, default=LIMIT, metavar="SECONDS", help="for one test")
    args = parser.parse_args(argv)
    chosen = [m for m in MUTANTS if any(args.only in text for text in m)]
    if not chosen or args.jobs < 1:
        parser.error(f"no row holds {args.only!r}" if not chosen else "--jobs wants 1 or more")
    began = time.perf_counter()
    fresh = []
    for mutant in chosen:
        reason = stale(mutant)
        if reason:
            _show("stale", 0.0, mutant, reason)
        else:
            fresh.append(mutant)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = Copies(Path(folder), args.jobs)
        sound = _baseline(copies, fresh, args)
        counts = _tried(copies, [m for m in fresh if m.test in sound], args)
    untested = len(fresh) - sum(counts.values())
    counts |= {"without a test that passes": untested, "stale": len(chosen) - len(fresh)}
    said = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    print(f"{len(chosen)} mutants: {said}; {time.perf_counter() - began:.0f} s")
    return 0 if counts["caught"] == len(chosen) else 1


def _baseline(copies: Copies, mutants: Iterable[Mutant], args: argparse.Namespace) -> set[str]:
    """Run each test on the source as it is, and return those that pass: another could catch nothing."""
    tests = list(dict.fromkeys(m.test for m in mutants))
    sound = set()
    for test, outcome in _each(args.jobs, tests, lambda test: copies.run(test, args.limit)):
        if outcome.kind == "passed":
            sound.add(test)
        else:
            print(f"unmutated, {outcome.kind}: {test}\n{outcome.output[-2000:]}", flush=True)
    return sound


def _tried(copies: Copies, mutants: list[Mutant], args: argparse.Namespace) -> dict[str, int]:
    counts = {"caught": 0, "SURVIVED": 0}
    for mutant, outcome in _each(args.jobs, mutants, lambda m: copies.run(m.test, args.limit, m)):
        caught = outcome.kind in ("failed", "timeout")  # unmutated, the test passes in time
        verdict = "caught" if caught else "SURVIVED"
        counts[verdict] += 1
        _show(verdict, outcome.seconds, mutant, "timeout" if outcome.kind == "timeout" else "")
    return counts


def _each(jobs: int, things: list[T], run: Callable[[T], Outcome]) -> Iterable[tuple[T, Outcome]]:
    with ThreadPoolExecutor(jobs) as threads:
        yield from zip(things, threads.map(run, things), strict=True)


def _show(verdict: str, seconds: float, mutant: Mutant, remark: str = "") -> None:
    where = f"{mutant.file:<36} {mutant.old.strip()[:58]:<58}  {mutant.test}"
    print(f"{verdict:<9}{seconds:>6.1f} s  {where}{f' ({remark})' if remark else ''}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
