"""Tables in pieces: the same columns as in memory, statistics of training rows alone, batches that go on."""

import io
import lzma
import os
import tracemalloc

import numpy as np
import pytest

import clearprop
from clearprop import nn, train
from clearprop.data import BlockFile, inspection, read_blocks, read_table, stream_table, streaming
from clearprop.data.columns import Category, Number, encode
from clearprop.data.divisions import FoldByLine, chance
from clearprop.data.goals import Classes
from clearprop.data.reading import delimited
from clearprop.data.split import ordered_parts
from clearprop.errors import InputError

ROWS = 3000


def content(rows=ROWS, **columns):
    generator = np.random.default_rng(0)
    x, town = generator.normal(size=rows), generator.choice(["Oslo", "Rome", "Lima"], rows)
    kind = np.where(x + (town == "Rome") > 0.3, "yes", "no")
    table = {"x": [f"{v:.4f}" for v in x], "town": town, "kind": kind} | columns
    lines = [",".join(table), *(",".join(map(str, row)) for row in zip(*table.values(), strict=True))]
    return ("\n".join(lines) + "\n").encode()


@pytest.mark.parametrize("rows", [1, 7, 500, 5000])
@pytest.mark.parametrize("pack", [bytes, lzma.compress])
def test_pieces_are_the_table(rows, pack):
    whole = read_table(content(300))
    pieces = list(read_blocks(pack(content(300)), rows))

    assert [c for piece in pieces for c in piece.columns["x"]] == whole.columns["x"]
    assert np.concatenate([piece.lines for piece in pieces]).tolist() == whole.lines.tolist()


@pytest.mark.parametrize(
    "bad",
    [b"", b"a,b\n", b"a,b\n1,2\n3\n", b'a,b\n1,"2\n', b"a,a\n1,2\n", b"a,b\n1,\xff\n", b"a,b\n1,2\0\n"],
)
def test_a_fault_is_told_as_the_whole_reader_tells_it(bad):
    with pytest.raises(InputError) as whole:
        read_table(bad)
    with pytest.raises(InputError) as pieces:
        list(read_blocks(bad, 1))

    assert str(pieces.value) == str(whole.value)


def test_other_formats_and_no_rows_are_refused():
    packed = io.BytesIO()
    np.savez(packed, a=np.arange(3))
    with pytest.raises(InputError, match="in pieces from CSV or Parquet alone"):
        list(read_blocks(packed.getvalue()))
    with pytest.raises(ValueError, match=r"read_blocks\(rows=\): wants 1 row or more: 0"):
        list(read_blocks(b"a\n1\n", 0))


def test_statistics_are_those_of_the_training_rows_alone():
    stream = stream_table(content(), "kind", block_rows=400, seed=3)
    table = read_table(content())
    held = {*stream.validation.lines.tolist(), *stream.test.lines.tolist()}
    learned = table.rows([i for i, line in enumerate(table.lines.tolist()) if line not in held])
    x, _ = learned.numbers("x")
    number = next(c for c in stream.columns if isinstance(c, Number))

    assert stream.rows == (len(learned), len(stream.validation), len(stream.test))
    assert 0.07 < len(stream.validation) / ROWS < 0.13
    assert 0.16 < len(stream.test) / ROWS < 0.24
    assert (number.mean, number.scale) == pytest.approx((x.mean(), x.std()), rel=1e-12)
    assert stream.target == Classes("kind", ("no", "yes"))


@pytest.mark.parametrize("rows", [100, 999, 10_000])
def test_the_pieces_size_changes_nothing(rows):
    one, other = (stream_table(content(), "kind", block_rows=n) for n in (rows, 357))

    assert one.rows == other.rows
    assert one.test.lines.tolist() == other.test.lines.tolist()
    assert [c.name for c in one.columns] == [c.name for c in other.columns]
    for a, b in zip(one.columns, other.columns, strict=True):
        np.testing.assert_allclose(a.encode(one.test), b.encode(one.test), rtol=1e-9, atol=1e-12)


def test_the_file_of_rows_is_what_the_network_would_read(tmp_path):
    stream = stream_table(content(), "kind", block_rows=400)
    file = stream.cache(tmp_path / "rows")
    held = {*stream.validation.lines.tolist(), *stream.test.lines.tolist()}
    table = read_table(content())
    learned = table.rows([i for i, line in enumerate(table.lines.tolist()) if line not in held])
    inputs, targets = file.read(0, len(file))

    np.testing.assert_array_equal(inputs, encode(learned, stream.columns))
    np.testing.assert_array_equal(targets, stream.target.encode(learned))


def test_codes_that_are_plain_in_one_piece_alone_keep_their_zeros():
    codes = [f"{i % 40:03}" if i > 2000 else str(100 + i % 40) for i in range(ROWS)]
    stream = stream_table(content(code=codes), "kind", block_rows=300)
    code = next(c for c in stream.columns if c.name == "code")

    assert isinstance(code, Category)
    assert {"005", "105"} <= set(code.values)


def test_a_class_of_one_row_is_known():
    kinds = np.array(["a", "b"] * (ROWS // 2), object)
    kinds[77] = "rare"
    stream = stream_table(content(kind=kinds), "kind", block_rows=300)

    assert stream.target.values == ("a", "b", "rare")


def test_a_word_among_numbers_is_named_with_its_line():
    x = ["1.5"] * ROWS
    x[2900] = "oops"
    with pytest.raises(InputError, match=r"'oops' on line 2902"):
        stream_table(content(x=x), "kind", columns={"x": "number"}, block_rows=300).cache("/dev/null")


def rows_file(path, rows=1000):
    kinds = ((2,), np.float32), ((), np.int64)
    with BlockFile.writing(path, *kinds) as file:
        for start in range(0, rows, 300):
            numbers = np.arange(start, min(start + 300, rows))
            file.add(np.stack([numbers, -numbers], axis=1), numbers)
    return BlockFile(path, *kinds)


@pytest.mark.parametrize("buffer", [1, 2000, 1 << 20])
def test_every_row_comes_once_in_batches_of_one_size(tmp_path, buffer):
    loader = rows_file(tmp_path / "rows").batches(32, seed=1, buffer=buffer)
    epochs = [list(loader) for _ in range(2)]
    orders = [np.concatenate([y for _, y in epoch]).tolist() for epoch in epochs]

    assert [len(y) for _, y in epochs[0]] == [32] * 31 + [8]
    assert len(loader) == 32
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(1000))
    assert orders[0] != orders[1] != sorted(orders[1])
    assert all(np.array_equal(x[:, 0], y) for x, y in epochs[0])


@pytest.mark.parametrize("given", [0, 1, 17, 31, 32])
def test_a_loader_goes_on_with_the_very_next_batch(tmp_path, given):
    file = rows_file(tmp_path / "rows")
    loader = file.batches(32, seed=1, buffer=2000)
    batches = iter(loader)
    for _ in range(given):
        next(batches)
    state = loader.state_dict()
    rest = [y.tolist() for _, y in batches]
    other = file.batches(32, seed=9, buffer=2000)
    other.load_state_dict(state)

    assert [y.tolist() for _, y in other] == (rest or [y.tolist() for _, y in loader])


def test_fit_learns_from_a_stream_and_resumes_to_the_same_bits(tmp_path):
    stream = stream_table(content(), "kind", block_rows=400)
    file = stream.cache(tmp_path / "rows")
    width = sum(column.width for column in stream.columns)
    held = encode(stream.test, stream.columns), stream.target.encode(stream.test)

    def fit(epochs, **options):
        clearprop.manual_seed(0)
        model = nn.Sequential(nn.Linear(width, 16), nn.Tanh(), nn.Linear(16, 2))
        loader = file.batches(32, seed=0, buffer=4000)
        train.fit(
            model, nn.CrossEntropyLoss(), loader, epochs=epochs, metrics=["accuracy"], progress=False,
            compile=False, **options,
        )  # fmt: skip
        return model

    whole = fit(4)
    fit(2, checkpoint=tmp_path / "run")
    resumed = fit(4, checkpoint=tmp_path / "run", resume=True)

    assert train.evaluate(whole, nn.CrossEntropyLoss(), held, ["accuracy"])["accuracy"] > 0.9
    for name, array in whole.state_dict().items():
        np.testing.assert_array_equal(array, resumed.state_dict()[name])


def test_memory_does_not_grow_with_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "SAMPLE", 1000)
    monkeypatch.setattr(delimited, "_CHARACTERS", 1 << 14)
    peaks = []
    for rows in (20_000, 80_000):
        path = tmp_path / f"{rows}.csv"
        path.write_bytes(content(rows))
        tracemalloc.start()
        stream = stream_table(path, "kind", block_rows=2000, validation=0.01, test=0.01)
        file = stream.cache(tmp_path / "rows")
        assert sum(len(y) for _, y in file.batches(256, buffer=1 << 16)) == stream.rows[0]
        stream = file = None
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < 1.3 * peaks[0]


@pytest.mark.parametrize("kind", ["pyarrow", "polars"])
def test_parquet_comes_in_pieces(tmp_path, kind, monkeypatch):
    engine = pytest.importorskip(kind)
    table = read_table(content(500))
    columns = {"x": table.numbers("x")[0], "town": table.columns["town"], "kind": table.columns["kind"]}
    path = tmp_path / "t.parquet"
    if kind == "pyarrow":
        pytest.importorskip("pyarrow.parquet").write_table(engine.table(columns), path)
    else:
        engine.DataFrame(columns).write_parquet(path)
        monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    pieces = list(read_blocks(path, 64))

    assert len(pieces) == 8
    assert [v for piece in pieces for v in piece.columns["town"]] == table.columns["town"]
    stream = stream_table(path, "kind", block_rows=64)
    assert sum(stream.rows) == 500


@pytest.mark.parametrize("gap", ["", "n/a"])
@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("block_rows", [30, 500])
def test_rows_without_a_target_are_told_of_as_in_memory(gap, task, block_rows):
    values = [("yes", "no") if task == "classification" else ("1.5", "2.5")][0]
    rows = "".join(f"{i % 17}.5,{gap if i % 10 == 0 else values[i % 3 == 0]}\n" for i in range(300))
    given = f"x,y\n{rows}".encode()
    stream = stream_table(given, "y", task=task, block_rows=block_rows)
    table = read_table(given)
    reading = inspection.inspect(table, "y", task=task)
    inspection.with_target(table, reading)

    assert stream.reading.remarks == reading.remarks
    assert "30 of 300 rows are left out: 'y' is missing" in reading.remarks[0]
    assert sum(stream.rows) == 270


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_what_can_be_read_once_is_not_streamed(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for given in (io.BytesIO(content()), "-", tmp_path / "pipe"):
        with pytest.raises(InputError, match="wants a file, which is read more than once"):
            stream_table(given, "kind")


def patients(rows=ROWS, seed=0):
    """Return rows of 60 patients, by number or, in the later half of them, by a code that is no number."""
    generator = np.random.default_rng(seed)
    number = generator.integers(1, 61, rows)
    names = [f"{n}.0" if n < 30 and i % 2 else f"{n}" if n < 50 else f"0{n}" for i, n in enumerate(number)]
    return names, number


@pytest.mark.parametrize("block_rows", [171, 10_000])
@pytest.mark.parametrize("seed", range(3))
def test_groups_of_a_stream_stay_whole_however_they_are_written(block_rows, seed):
    names, number = patients()
    given = content(patient=names)
    stream = stream_table(
        given, "kind", group="patient", columns={"patient": "ignore"}, block_rows=block_rows, seed=seed
    )
    whole = read_table(given)
    place = dict(zip(whole.lines.tolist(), number.tolist(), strict=True))
    parts = [{place[line] for line in part.lines.tolist()} for part in (stream.validation, stream.test)]

    assert all(parts)
    assert not parts[0] & parts[1]
    assert sum(stream.rows) == ROWS
    for part, known in zip((stream.validation, stream.test), parts, strict=True):
        assert len(part) == sum(n in known for n in number.tolist())
    assert 0.2 * ROWS <= len(stream.test) < 0.26 * ROWS
    assert "patient" not in [column.name for column in stream.columns]


def test_groups_and_moments_do_not_depend_on_the_pieces():
    names, _ = patients()
    days = [f"{1 + i * 7 % 28:02}/{1 + i * 11 % 12:02}/{2000 + i * 13 % 9}" for i in range(ROWS)]
    for more in ({"group": "patient"}, {"time": "day"}):
        found = [
            stream_table(content(patient=names, day=days), "kind", block_rows=n, **more) for n in (239, 5000)
        ]
        assert found[0].test.lines.tolist() == found[1].test.lines.tolist()
        assert found[0].validation.lines.tolist() == found[1].validation.lines.tolist()


@pytest.mark.parametrize("written", [
    lambda i: f"{1 + i % 28:02}/{1 + i // 28 % 12:02}/{1990 + i // 336}",
    lambda i: f"{1990 + i // 336}-{1 + i // 28 % 12:02}-{1 + i % 28:02}T{i % 24:02}:00:00+02:00",
    lambda i: 1990 + i // 100,
    lambda i: i / 7,
])  # fmt: skip
def test_the_latest_rows_of_a_stream_are_those_of_the_table(written):
    order = np.random.default_rng(1).permutation(ROWS)
    given = content(when=[written(i) for i in order.tolist()])
    stream = stream_table(given, "kind", time="when", block_rows=333)
    table = read_table(given)
    moments = [written(i) for i in range(ROWS)]
    _, ranks = np.unique(moments, return_inverse=True)
    if isinstance(moments[0], str) and "/" in moments[0]:
        ranks = np.arange(ROWS)  # each day once
    _, validation, test = ordered_parts(ranks[order], 0.1, 0.2)

    assert stream.test.lines.tolist() == table.lines[test].tolist()
    assert stream.validation.lines.tolist() == table.lines[validation].tolist()


def test_a_held_out_part_that_fills_the_memory_is_drawn_from(monkeypatch):
    monkeypatch.setattr(streaming, "HELD_OUT", 100)
    given = content(year=[2000 + (i % 3 == 0) for i in range(ROWS)])
    stream = stream_table(given, "kind", time="year", block_rows=500, validation=0.0)
    years, _ = read_table(given).numbers("year")

    assert stream.rows[0] == (years == 2000).sum()
    assert 100 <= len(stream.test) <= 200
    assert set(stream.test.columns["year"]) == {"2001"}
    assert (
        f"of 1,000 rows to test on {len(stream.test)} are kept, drawn by chance" in stream.reading.remarks[-1]
    )


@pytest.mark.parametrize("group", [None, "patient"])
def test_every_row_of_a_stream_is_tested_once(tmp_path, group):
    names, _ = patients()
    stream = stream_table(content(patient=names), "kind", group=group, block_rows=500)
    found = list(stream.folds(4, 0.1, seed=3))

    tested = np.concatenate([fold.test.lines for fold in found])
    assert sorted(tested.tolist()) == list(range(2, ROWS + 2))
    for fold in found:
        assert sum(fold.rows) == ROWS == len(fold.cache(tmp_path / "rows")) + sum(fold.rows[1:])
        assert 0.05 * ROWS < len(fold.validation) < 0.15 * ROWS
        assert not {*fold.test.lines.tolist()} & {*fold.validation.lines.tolist()}
        assert [c.name for c in fold.columns] == [c.name for c in stream.columns]
    assert np.concatenate([f.test.lines for f in stream.folds(4, 0.1, seed=4)]).tolist() != tested.tolist()


def test_no_line_falls_behind_the_last_fold(monkeypatch):
    monkeypatch.setattr("clearprop.data.divisions.chance", lambda lines, salt=1: np.ones(len(lines)))
    block = read_table(b"a,b\n1,2\n3,4\n")
    assert FoldByLine(4, 5, 0.1, 0).parts(block).tolist() == [2, 2]
    assert chance(np.arange(1000)).max() < 1


@pytest.mark.parametrize(("more", "message"), [
    ({"group": "patient", "time": "x"}, "divides the rows by groups or by time"),
    ({"group": "patien"}, "has no column 'patien', wanted as the groups"),
    ({"group": "kind"}, "--group: wants more groups than are held out: 2 groups in 'kind'"),
    ({"time": "tim"}, "has no column 'tim', wanted as the time"),
    ({"time": "town"}, "column 'town' wants numbers"),
    ({"time": "gap"}, "--time: wants to know of every row when it was, 'gap' is missing"),
    ({"time": "same"}, "--time: wants rows before those that are held out, by 'same': 3,000 rows"),
])  # fmt: skip
def test_a_stream_that_cannot_be_divided_so_is_refused(more, message):
    columns = {"patient": patients()[0], "gap": ["", *["1"] * (ROWS - 1)], "same": ["5"] * ROWS}
    with pytest.raises(InputError, match=message):
        stream_table(content(**columns), "kind", block_rows=700, **more)


@pytest.mark.parametrize("cells", [("0", "1"), ("no", "yes")])
def test_a_class_too_rare_for_the_sample_makes_two_all_the_same(monkeypatch, cells):
    monkeypatch.setattr(streaming, "SAMPLE", 20)
    kinds = [cells[i == 1234] for i in range(ROWS)]
    stream = stream_table(content(kind=kinds), "kind", block_rows=300)

    assert stream.target == Classes("kind", cells)


def test_many_classes_of_a_stream_are_allowed_where_asked():
    given = content(kind=[f"k{i % 900}" for i in range(ROWS)])
    with pytest.raises(InputError, match="--many-classes"):
        stream_table(given, "kind")
    assert len(stream_table(given, "kind", many_classes=True).target.values) == 900


def test_a_loader_holds_one_buffer_and_little_more(tmp_path):
    kinds = ((50,), np.float32), ((), np.int64)
    with BlockFile.writing(tmp_path / "rows", *kinds) as file:
        for start in range(0, 50_000, 5_000):
            file.add(np.ones((5_000, 50), np.float32), np.arange(start, start + 5_000))
    buffer = 2 << 20  # the file has 10.4 MB
    loader = BlockFile(tmp_path / "rows", *kinds).batches(77, seed=0, buffer=buffer)
    tracemalloc.start()
    seen = [y.copy() for _, y in loader]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert sorted(np.concatenate(seen).tolist()) == list(range(50_000))
    assert peak < 1.6 * buffer


def test_one_day_everywhere_leaves_no_rows_before():
    given = ("when,x,kind\n" + "".join(f"2024-01-05,{i},{'ab'[i % 2]}\n" for i in range(60))).encode()
    with pytest.raises(InputError, match="60 rows, all of one moment"):
        stream_table(given, "kind", time="when")


def test_a_table_that_is_divided_in_time_has_no_folds():
    given = ("when,x,kind\n" + "".join(f"{i},{i % 7},{'ab'[i % 2]}\n" for i in range(60))).encode()
    stream = stream_table(given, "kind", time="when")
    with pytest.raises(InputError, match="divided by chance or by groups: one divided in time"):
        next(stream.folds(3, 0.1, seed=0))
