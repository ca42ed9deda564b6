"""The safetensors format: the same as the reference package's both ways, and every damage is noticed."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from clearprop.errors import InputError
from clearprop.interop.safetensors import load_safetensors, save_safetensors

DTYPES = [np.bool_, *(np.dtype(c) for c in "bBhHiIlLefdF")]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("weights") / "w.safetensors"


@pytest.fixture(scope="module")
def reference():
    """The reference package, imported before an example's time is taken."""
    return pytest.importorskip("safetensors.numpy")


@st.composite
def named_arrays(draw):
    names = st.text(max_size=8).filter(lambda name: name != "__metadata__" and name.isprintable())
    one = st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0))
    )
    return draw(st.dictionaries(names, one, max_size=5))


@given(held=named_arrays())
def test_the_reference_package_reads_what_is_written(reference, path, held):
    save_safetensors(path, held, {"a": "b"})

    same(reference.load_file(path), held)


@given(held=named_arrays())
def test_what_the_reference_package_writes_is_read(reference, path, held):
    reference.save_file(held, path, metadata={"made by": "another", "ü": "ß"})
    found, metadata = load_safetensors(path)

    same(found, held)
    assert metadata == {"made by": "another", "ü": "ß"}


def same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_metadata_comes_back_without_the_package_too(path):
    save_safetensors(path, {"w": np.ones(3)}, {"ü": '"quoted"\n', "a": ""})
    found, metadata = load_safetensors(path)

    assert metadata == {"ü": '"quoted"\n', "a": ""}
    same(found, {"w": np.ones(3)})


def test_the_same_arrays_give_the_same_bytes_in_any_order(path):
    one, two = {"b": np.ones(3), "a": np.zeros(2, np.int8)}, {"a": np.zeros(2, np.int8), "b": np.ones(3)}
    save_safetensors(path, one, {"x": "1", "y": "2"})
    first = path.read_bytes()
    save_safetensors(path, two, {"y": "2", "x": "1"})

    assert path.read_bytes() == first


def test_views_and_other_byte_orders_are_written_as_they_look(path):
    turned, big = np.arange(6.0).reshape(2, 3).T, np.arange(3, dtype=">f4")
    save_safetensors(path, {"turned": turned, "big": big, "number": 2.5})
    found, _ = load_safetensors(path)

    same(found, {"turned": turned, "big": big.astype(np.float32), "number": np.array(2.5)})
    found["turned"][0, 0] = 7.0  # what is read can be written to


def test_bfloat16_is_widened_exactly(path):
    bits = np.array([0x3F80, 0xC000, 0x7F80, 0x0001], "<u2")
    path.write_bytes(file({"w": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}, bits.tobytes()))

    np.testing.assert_array_equal(load_safetensors(path)[0]["w"], np.float32([1, -2, np.inf, 2.0**-133]))


def test_what_the_format_cannot_hold_is_refused(path):
    for name, array in (
        ("w", np.ones(2, np.complex128)),
        ("w", np.array("text")),
        ("__metadata__", np.ones(1)),
    ):
        with pytest.raises(TypeError, match="save_safetensors"):
            save_safetensors(path, {name: array})
    with pytest.raises(TypeError, match="wants metadata of strings: 'n': 1"):
        save_safetensors(path, {}, {"n": 1})


def file(header, data=b"", length=None):
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


DAMAGED = {
    "empty": (b"", "it has 0 bytes, too few for a header"),
    "a few bytes": (b"\x10\0\0", "it has 3 bytes, too few for a header"),
    "header cut": (file({"w": entry()})[:30], "it is cut short: the header lacks"),
    "data cut": (file({"w": entry()}, bytes(5)), "it is cut short: 'w' reaches to byte 8, the data has 5"),
    "data too long": (file({"w": entry()}, bytes(9)), "1 bytes at its end belong to no array"),
    "not JSON": (file(b'{"w": }'), "its header cannot be read"),
    "not UTF-8": (file(b'{"\xff": 1}'), "its header cannot be read"),
    "nested without end": (file(b'{"w":' * 100_000), "its header cannot be read"),
    "a name twice": (file(b'{"w": 1, "w": 2}'), "a name occurs twice"),
    "not an entry": (file({"w": 3}), "'w' lacks its dtype, shape or data_offsets"),
    "no shape": (file({"w": {"dtype": "F32", "data_offsets": [0, 8]}}), "'w' lacks its dtype, shape"),
    "wrong dtype": (file({"w": entry("F33")}, bytes(8)), "'w' has the dtype 'F33', which is not among BOOL"),
    "dtype no text": (file({"w": entry(["F32"])}, bytes(8)), "'w' has the dtype ['F32']"),
    "negative shape": (file({"w": entry(shape=(-2, -1))}, bytes(8)), "'w' has no usable shape"),
    "broken shape": (file({"w": entry(shape=(2.0,))}, bytes(8)), "'w' has no usable shape"),
    "bool in shape": (file({"w": entry(shape=(True, 2))}, bytes(8)), "'w' has no usable shape"),
    "three offsets": (file({"w": entry(offsets=(0, 8, 9))}, bytes(9)), "'w' has no usable shape"),
    "backwards": (file({"w": entry(offsets=(8, 0))}, bytes(8)), "'w' ends before it begins (8 to 0)"),
    "shape and size": (file({"w": entry(shape=(3,))}, bytes(8)), "'w' of shape (3,) and F32 takes 12 bytes"),
    "huge shape": (file({"w": entry(shape=(2**62, 8))}, bytes(8)), "'w' of shape"),
    "overlap": (
        file({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)),
        "'b' overlaps the array before",
    ),
    "gap": (file({"a": entry(), "b": entry(offsets=(9, 17))}, bytes(17)), "a gap of 1 bytes before 'b'"),
    "metadata": (file({"__metadata__": {"n": 1}}), "its metadata is not a table of strings"),
    "metadata list": (file({"__metadata__": ["n"]}), "its metadata is not a table of strings"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_files_are_refused(path, damage):
    content, message = DAMAGED[damage]
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_safetensors(path)

    assert str(caught.value).startswith(f"reading {path}: is not a whole safetensors file: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04" + bytes(100), b"\x80\x04\x95" + b"pickle" * 9, b"a,b\n1,2\n3,4\n", file(b"[1]"), bytes(16),
     file({}, length=2**63), b"\x93NUMPY\x01\0" + bytes(100)],
    ids=["zip", "pickle", "csv", "json list", "zeros", "long header", "npy"],
)  # fmt: skip
def test_files_of_other_programs_are_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_safetensors(path)

    assert str(caught.value) == (
        f"reading {path}: is not a safetensors file: it does not begin with the length of a JSON header.\n"
        "  Try a file written by `clearprop train` or by the safetensors package."
    )


def test_missing_files_and_directories_are_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        load_safetensors(tmp_path / "none")
    with pytest.raises(InputError, match="is a directory"):
        load_safetensors(tmp_path)


@given(place=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.booleans())
def test_any_damage_gives_arrays_or_an_input_error(path, place, byte, cut):
    save_safetensors(path, {"w": np.ones((2, 3), np.float32), "b": np.zeros(2, np.int64)}, {"k": "v"})
    content = bytearray(path.read_bytes())
    place %= len(content)
    content[place] = byte
    path.write_bytes(content[:place] if cut else content)
    try:
        arrays, _ = load_safetensors(path)
    except InputError:
        return

    assert not cut
    assert all(isinstance(array, np.ndarray) for array in arrays.values())
