"""Rows of which each process has its own: the batches and losses of one process that is given them."""

import pytest
from tests.parallel.test_mpi import HERE, run
from tests.parallel.test_mpi import told as told_by

pytest.importorskip("mpi4py")
PROGRAM = (str(HERE / "on_tables.py"),)


def told(*words, **options):
    return told_by(*words, python=PROGRAM, **options)


@pytest.mark.parametrize(
    ("n", "sizes", "more", "counts"),
    [
        (2, "[40,7]", [], [23, 24]),
        (2, "[0,47]", ["weighed"], [23, 24]),
        (2, "[10,32]", ["gathered", "weighed"], [21, 21]),
        (3, "[31,1,0]", [], [9, 10, 13]),  # the last batch, of two rows, is of two of the three
        (4, "[5,5,20,23]", [], [10, 16, 11, 16]),
    ],
)
def test_losses_are_those_of_one_process_that_is_given_the_batches(n, sizes, more, counts, tmp_path):
    found = told(n, "fit", tmp_path, sizes, 10, *more)

    assert found["together"] == pytest.approx(found["alone"], rel=1e-6)
    assert found["order"]
    assert found["counts"] == counts
    assert set(found["batches"][:-1]) == {10}
    assert found["all seen"]
    assert found["other order"]


def test_a_digest_does_not_know_of_processes(tmp_path):
    digests = [told(n, "fit", tmp_path, sizes, 10)["digest"] for n, sizes in ((2, "[1,41]"), (3, "[4,30,8]"))]

    assert len(set(digests)) == 1


def test_fewer_rows_than_processes_are_refused(tmp_path):
    error = run(3, "fit", tmp_path, "[1,1,0]", 10, status=1, python=PROGRAM).stderr

    assert "wants a row of each batch for each of 3 processes: 2 rows in batches of 10" in error


def test_metrics_of_a_part_of_the_rows_and_of_one_process_alone_are_refused(tmp_path):
    found = told(2, "refused", tmp_path)

    assert "measures in the first process, which has a part of the rows" in found["metrics"]
    assert "has a part of the rows in each process: one process" in found["alone"]
    assert "wants batches of the size that the rows lie in, 10: 5" in found["size"]


def test_an_epoch_that_was_cut_goes_on_with_the_very_next_batch(tmp_path):
    found = told(2, "cut", tmp_path)

    assert found["goes on"]
    assert "the rest of this epoch has other rows" in found["warned"]
