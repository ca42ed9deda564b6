"""A table that several processes go through: all find, to the bit, what one finds that reads everything."""

import numpy as np
import pytest
from tests.data.several import several

from clearprop.data import read_table, stream_table, streaming
from clearprop.errors import InputError

ROWS = 3000


def content(rows=ROWS, seed=0):
    generator = np.random.default_rng(seed)
    x, town = generator.normal(1e6, 1, size=rows), generator.choice(["Oslo", "Rome", "Lima", "NA"], rows)
    kind = np.where(x + (town == "Rome") > 1e6 + 0.3, "yes", "no").astype(object)
    kind[::97], kind[rows - 5] = "", "rare"
    codes = [f"{i % 40:03}" if i > 2000 else str(100 + i % 40) for i in range(rows)]
    table = {"x": [f"{v:.4f}" for v in x], "town": town, "code": codes, "kind": kind, "n": range(rows)}
    lines = [",".join(table), *(",".join(map(str, row)) for row in zip(*table.values(), strict=True))]
    return ("\n".join(lines) + "\n").encode()


def found(path, target, folder, world=None, **options):
    """What is found: encodings, rows, their file, as things that can be compared."""
    stream = stream_table(path, target, block_rows=70, world=world, **options)
    rank = 0 if world is None else world.rank
    rows = stream.cache(folder / f"rows-{rank}-{0 if world is None else world.size}")
    return {
        "columns": [column.spec() for column in stream.columns],
        "target": stream.target.spec(),
        "rows": stream.rows,
        "sample": (dict(stream.sample.columns), stream.sample.lines.tolist()),
        "held": [(dict(t.columns), t.lines.tolist()) for t in (stream.validation, stream.test)],
        "remarks": stream.reading.remarks,
        "counts": None if stream.counts is None else stream.counts.tolist(),
    }, rows.read(0, len(rows))


OPTIONS = {
    "classes": ("kind", {}),
    "robust": ("kind", {"robust": True}),
    "numbers": ("x", {"columns": {"kind": "category"}}),
    "nothing held out": ("kind", {"validation": 0.0, "test": 0.0}),
    "groups": ("kind", {"group": "code"}),
    "time": ("kind", {"time": "n"}),
}


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("what", OPTIONS)
def test_all_find_what_one_finds(what, size, tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "SAMPLE", 400)  # fewer than there are rows
    target, options = OPTIONS[what]
    one, whole = found(content(), target, tmp_path, **options)
    all_found = several(size, lambda world: found(content(), target, tmp_path, world, **options))

    for each, _ in all_found:
        assert each == one
    for i, array in enumerate(whole):
        np.testing.assert_array_equal(np.concatenate([rows[i] for _, rows in all_found]), array)


def test_a_process_without_rows_takes_part(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = read_table(content(400))
    frame = pa.table({name: table.columns[name] for name in ("x", "town", "kind")})
    pq.write_table(frame, tmp_path / "t.parquet", row_group_size=250)
    one, whole = found(tmp_path / "t.parquet", "kind", tmp_path)
    all_found = several(4, lambda world: found(tmp_path / "t.parquet", "kind", tmp_path, world))

    assert [each for each, _ in all_found] == [one] * 4
    assert sorted(len(rows[0]) > 0 for _, rows in all_found) == [False, False, True, True]
    np.testing.assert_array_equal(np.concatenate([rows[0] for _, rows in all_found]), whole[0])


@pytest.mark.parametrize("size", [1, 3])
def test_files_of_a_folder_are_one_table(size, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    head, *lines = content(900).decode().splitlines()
    for number in range(3):
        (folder / f"{number}.csv").write_text("\n".join([head, *lines[300 * number : 300 * number + 300]]))
    whole = several(1, lambda world: found(folder, "kind", tmp_path, world))[0]
    all_found = several(size, lambda world: found(str(folder / "*.csv"), "kind", tmp_path, world))

    assert whole[0]["rows"] == all_found[0][0]["rows"]
    assert all(each == all_found[0][0] for each, _ in all_found)
    assert all_found[0][0]["columns"] == whole[0]["columns"]
    np.testing.assert_array_equal(np.concatenate([rows[0] for _, rows in all_found]), whole[1][0])


@pytest.mark.parametrize("size", [1, 2])
def test_files_of_other_columns_are_refused(size, tmp_path):
    (tmp_path / "a.csv").write_text("x,kind\n" + "1,a\n2,b\n" * 50)
    (tmp_path / "b.csv").write_text("x,kind,y\n" + "1,a,3\n2,b,4\n" * 50)
    with pytest.raises(InputError, match="wants the same columns in all files"):
        several(size, lambda world: stream_table(tmp_path, "kind", world=world))


def test_a_fault_in_one_part_stops_all():
    rows = b"x,kind\n" + b"1,a\n2,b\n" * 500 + b"1,a,3\n" + b"1,a\n" * 20
    with pytest.raises(InputError, match="line 1002 has 3 cells"):
        several(3, lambda world: stream_table(rows, "kind", world=world))
