"""Parts of tables that several processes read: together they are the table, row by row, line by line."""

import gzip
import importlib
import random

import numpy as np
import pytest
from tests.data.several import several

from clearprop.data import read_table
from clearprop.data.reading import blocks
from clearprop.data.reading.shares import Share, everywhere
from clearprop.data.sums import Sums, exact_squares, exact_sum
from clearprop.data.tables import stacked
from clearprop.errors import InputError


def parts(path, size, rows=5, **spelling):
    def read(world):
        share = Share.of(path, world, spelling.get("encoding"))
        return everywhere(world, lambda: written(share))[world.rank]

    def written(share):
        found = list(share.blocks(rows, **spelling))
        for table in found:
            table.verbatim(table.cells)
        return found

    return several(size, read)


def whole(found):
    table = stacked([table for some in found for table in some])
    return dict(table.columns), table.lines.tolist()


def content(seed):
    """A table with quoted cells, ends of lines inside of them, empty lines, and a name of two lines."""
    chance = random.Random(seed)
    end, quotes = chance.choice(["\n", "\r\n"]), chance.random() < 0.6
    inside = ["a,b", "a\nb", 'q""r', "\n\n", "\r\n,", '""', ""]

    def cell():
        if quotes and chance.random() < 0.3:
            return f'"{chance.choice(inside)}"'
        return chance.choice(["x", "Ü", "", "1", "2.5", "a long word"])

    lines = [chance.choice(["a,b,c", '"a\nq",b,c', "\ufeffa,b,c"])]
    for number in range(chance.randrange(1, 60)):
        lines.append(f"k{number},{cell()},{cell()}")
        lines += [""] * (chance.random() < 0.1)
    text = end.join(lines) + end * (chance.random() < 0.7)
    return gzip.compress(text.encode()) if chance.random() < 0.2 else text.encode()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("seed", range(8))
def test_stretches_of_text_are_the_table(size, seed):
    for number in range(5):
        table = read_table(content(100 * seed + number), verbatim=True)
        found = whole(parts(content(100 * seed + number), size))

        assert found == (dict(table.columns), table.lines.tolist())


def test_stretches_are_about_equally_long():
    text = ("a,b\n" + "1,2\n" * 1000).encode()

    assert [sum(map(len, some)) for some in parts(text, 4)] == [250] * 4


def test_bytes_are_not_their_own_name():
    assert Share.of(b"a,b\n1,2\n").name == "<bytes>"


def test_a_process_without_a_row_knows_the_columns():
    *_, last = parts(b"a,b\n1,x\n", 3)

    assert [(len(table), list(table.cells)) for table in last] == [(0, ["a", "b"])]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_files_are_one_table_in_the_order_of_their_names(tmp_path, size):
    for name, rows in (("b.csv", "3,z\n4,w"), ("a.csv", "1,x\n2,y\n"), ("c.csv", ""), ("_done", "?")):
        (tmp_path / name).write_text("n,word\n" + rows)
    (tmp_path / ".hidden").write_text("?")
    for path in (tmp_path, f"{tmp_path}/*.csv", sorted(tmp_path.glob("*.csv"))):
        columns, lines = whole(parts(path, size))

        assert columns == {"n": ["1", "2", "3", "4"], "word": ["x", "y", "z", "w"]}
        assert sorted(set(lines)) == lines


@pytest.mark.parametrize("engine", ["pyarrow", "polars"])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_row_groups_are_the_table(tmp_path, size, engine, monkeypatch):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pytest.importorskip(engine)
    n = 0
    for name, rows in (("a", 70), ("b", 1), ("c", 33)):
        frame = pa.table({"n": list(range(n, n + rows)), "word": [f"w{i}" for i in range(n, n + rows)]})
        pq.write_table(frame, tmp_path / f"{name}.parquet", row_group_size=10)
        n += rows
    if engine == "polars":
        known = importlib.import_module

        def without(name):
            if name.startswith("pyarrow"):
                raise ImportError(name)
            return known(name)

        monkeypatch.setattr(blocks.importlib, "import_module", without)
    found = parts(tmp_path, size, rows=7)
    columns, lines = whole(found)

    assert [int(cell) for cell in columns["n"]] == lines == list(range(n))
    counts = [sum(map(len, some)) for some in found]
    assert max(counts) - min(counts) <= 20


def test_a_process_that_row_groups_do_not_reach_has_none(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"n": list(range(10))}), tmp_path / "t.parquet")
    found = parts(tmp_path / "t.parquet", 2)

    assert sorted(sum(map(len, some)) for some in found) == [0, 10]


REFUSED = {
    "a quote inside of a cell": (b'a,b\n1,5" of\n2,"x\ny"\n' + b"3,z\n" * 9, {}, "reading it by one process"),
    "old ends of lines": (b"a,b\r1,2\r3,4\r", {}, r"wants lines that end with \\n or \\r\\n"),
    "wide letters": ("a,b\n1,2\n3,4\n".encode("utf-16"), {"encoding": "utf-16"}, "told byte by byte"),
    "a short row": (b"a,b\n" + b"1,2\n" * 7 + b"3\n", {}, "line 9 has 1 cell"),
    "bytes of another letter": (b"a,b\n" + b"1,2\n" * 7 + b"\xff,3\n", {}, "Line 9 holds bytes"),
    "no file": ("nothing/here.csv", {}, "there is no such file"),
    "no files": ("nothing/*.csv", {}, "wants files of a table: there are none"),
    "no rows": (b"a,b\n", {}, "wants rows below the column names"),
    "another format": (b"{}", {}, "is read in pieces from CSV or Parquet alone"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_in_parts_is_refused_by_all(what):
    path, spelling, said = REFUSED[what]
    with pytest.raises(InputError, match=said):
        parts(path, 4, **spelling)


def test_files_of_two_formats_are_refused(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"n": [1]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("n\n1\n")
    with pytest.raises(InputError, match="wants files of one format"):
        parts(tmp_path, 2)


def test_sums_are_the_same_bits_whatever_the_pieces_are():
    generator = np.random.default_rng(0)
    x = generator.normal(1e9, 1e-3, 2000) * 10.0 ** generator.integers(-3, 4, 2000)
    x[::7] = np.nan
    one, joined = Sums(), Sums()
    one.add(x)
    for part in np.array_split(generator.permutation(x), [3, 400, 401, 1500]):
        other = Sums()
        other.add(part)
        joined.join(other)

    assert joined == one
    assert one.mean == pytest.approx(np.nanmean(x), rel=1e-14)
    assert one.spread == pytest.approx(np.nanstd(x), rel=1e-12)


def test_numbers_far_apart_and_close_together_have_their_spread():
    years, far, small = Sums(), Sums(), Sums()
    years.add(np.full(1000, 1.7e9) + np.arange(1000) % 2)
    far.add(np.array([1e200, -1e200]))
    small.add(np.array([5e-324, 1e-310, 0.0]))

    assert (years.mean, years.spread) == (1.7e9 + 0.5, 0.5)
    assert (far.mean, far.spread) == (0.0, np.inf)
    assert small.total == round(5e-324 / 5e-324 + 1e-310 / 5e-324) << 52
    assert small.spread == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_exact_sums_are_those_of_whole_numbers(seed):
    x = np.random.default_rng(seed).normal(size=50) * 2.0 ** np.random.default_rng(seed).integers(-60, 60, 50)
    fractions = [float(v).as_integer_ratio() for v in x]
    products, rest = exact_squares(x)

    assert exact_sum(x) == sum((n << 1126) // d for n, d in fractions)
    assert exact_sum(products) + exact_sum(rest) == sum((n * n << 1126) // (d * d) for n, d in fractions)
