"""Pictures with their classes: folders, IDX, CIFAR's binary files, `.npz`; what cannot be read is named."""

import gzip
import io
import struct
import tarfile

import numpy as np
import pytest

from clearprop.data.augment import PictureRows, moments
from clearprop.data.pictures import are_pictures, read_pictures
from clearprop.errors import InputError

Image = pytest.importorskip("PIL.Image")


def grey(value=0, height=8, width=8):
    return np.full((height, width), value, np.uint8)


def folder(tmp_path, **classes):
    """Write pictures: a folder for each class, each a list of arrays, Pillow's images or bytes."""
    for name, images in classes.items():
        place = tmp_path / name
        place.mkdir(parents=True, exist_ok=True)
        for i, image in enumerate(images):
            if isinstance(image, bytes):
                (place / f"{i}.png").write_bytes(image)
            else:
                (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(place / f"{i}.png")
    return str(tmp_path)


def idx(array):
    array = np.asarray(array)
    kinds = {np.dtype(np.uint8): 8, np.dtype(">i4"): 12}
    head = bytes([0, 0, kinds[array.dtype], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def test_a_folder_for_each_class(tmp_path):
    found = read_pictures(folder(tmp_path, cat=[grey(7)], dog=[grey(9), grey(8)]))

    assert found.classes == ("cat", "dog")
    assert found.labels.tolist() == [0, 1, 1]
    assert found.images[:, 0, 0, 0].tolist() == [7, 9, 8]
    assert (found.images.shape, found.images.dtype) == ((3, 1, 8, 8), np.uint8)
    assert (found.names[0], found.notes, found.parts) == ("cat/0.png", [], None)


def test_classes_with_numbers_are_in_the_order_of_numbers(tmp_path):
    found = read_pictures(folder(tmp_path, **{"10": [grey()], "9": [grey()], "2": [grey()]}))

    assert found.classes == ("2", "9", "10")


def test_folders_named_train_and_test_are_the_parts(tmp_path):
    folder(tmp_path / "train", cat=[grey(), grey()], dog=[grey()])
    folder(tmp_path / "Test", cat=[grey()], dog=[grey()])
    found = read_pictures(tmp_path)

    assert found.classes == ("cat", "dog")
    assert sorted(found.parts.tolist()) == [0, 0, 0, 2, 2]


def test_what_is_no_picture_is_left_out_and_said(tmp_path):
    path = folder(tmp_path, cat=[grey()], dog=[grey()])
    (tmp_path / "cat" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "cat" / ".hidden.png").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "__MACOSX").mkdir()
    found = read_pictures(path)

    assert len(found) == 2
    assert found.notes == ["left out, as no pictures of a class: 'Thumbs.db' and 'notes.txt'"]


def test_links_to_folders_are_said_to_be_left_out(tmp_path):
    path = folder(tmp_path, cat=[grey()], dog=[grey()])
    (tmp_path / "cat" / "around").symlink_to(tmp_path)

    assert read_pictures(path).notes == ["left out, as no pictures of a class: 'around'"]


IMAGES = "train-images-idx3-ubyte"
RED = np.zeros((8, 8, 3), np.uint8) + np.array([200, 0, 0], np.uint8)


def modes():
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:, :, 0], clear[:4, :, 3] = 200, 255
    deep = np.full((8, 8), 0x8A12, np.uint16)
    turned = Image.fromarray(np.stack([grey(10, 4, 8), grey(10, 4, 8), grey(10, 4, 8)], -1))
    return {
        "palette": (Image.fromarray(RED).quantize(4), (3, 200, 0, 0)),
        "alpha": (Image.fromarray(clear), (3, 200, 0, 0)),
        "cmyk": (Image.fromarray(RED).convert("CMYK"), (3, 200, 0, 0)),
        "two tones": (Image.fromarray(grey(255)).convert("1"), (1, 255)),
        "16 bits": (Image.fromarray(deep), (1, 0x8A)),
        "grey, alpha": (Image.fromarray(grey(50)).convert("LA"), (1, 50)),
        "turned": (turned, (3, 10, 10, 10)),
    }


@pytest.mark.parametrize("name", modes())
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_every_mode_becomes_eight_bits(tmp_path, name, suffix):
    image, (channels, *first) = modes()[name]
    folder(tmp_path, b=[RED if channels == 3 else grey()])
    (tmp_path / "a").mkdir()
    options = {}
    if name == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        options["exif"] = exif
    image.save(tmp_path / "a" / f"0.{'tif' if name == 'cmyk' else suffix}", **options)
    found = read_pictures(tmp_path, size=(8, 8))

    assert found.images.shape == (2, channels, 8, 8)
    assert found.images[0, :, 0, 0].tolist() == first


def test_transparent_pixels_lie_on_white(tmp_path):
    image, _ = modes()["alpha"]
    found = read_pictures(folder(tmp_path, a=[image], b=[grey()]))

    assert found.images[0, :, 7, 0].tolist() == [255, 255, 255]
    assert "1 is transparent in places: those are white" in found.notes
    assert found.notes[0] == "1 of 2 are grey: taken as colours (--color grey for all in grey)"


def test_a_picture_that_lies_on_its_side_is_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the first row of what is stored is at the right
    pixels = np.zeros((4, 8), np.uint8)
    pixels[0] = 200
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / name / "0.jpg", exif=exif, quality=100)
    found = read_pictures(tmp_path)

    assert found.shape == (1, 8, 4)
    assert (found.images[0, 0, :, 3] > 150).all()
    assert "2 are turned, as their EXIF says" in found.notes


def test_sizes_that_differ_become_one_and_are_said(tmp_path):
    found = read_pictures(folder(tmp_path, a=[grey(1, 20, 40), grey(1, 20, 40)], b=[grey(1, 30, 10)]))

    assert found.shape == (1, 20, 40)
    assert found.notes == [
        "2 sizes, 20 x 40 to 30 x 10: brought to 20 x 40, filled, with what stands out cut off (--size HxW)"
    ]
    assert read_pictures(tmp_path, size=(6, 5), color="rgb").shape == (3, 6, 5)


def test_large_pictures_get_64_pixels_at_the_longer_side(tmp_path):
    assert read_pictures(folder(tmp_path, a=[grey(1, 100, 200)], b=[grey(1, 100, 200)])).shape == (1, 32, 64)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no picture that Pillow knows"),
        (b"not a picture", "no picture that Pillow knows"),
        ("cut", "truncated"),
        ("fractions", "pixels that are fractions"),
    ],
)
def test_a_picture_that_cannot_be_read_is_named(tmp_path, content, why):
    file = io.BytesIO()
    if content == "cut":
        noise = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
        Image.fromarray(noise).save(file, "PNG")
        content = file.getvalue()[:1000]
    elif content == "fractions":
        Image.fromarray(np.zeros((8, 8), np.float32)).save(file, "TIFF")
        content = file.getvalue()
    path = folder(tmp_path, cat=[grey(), content], dog=[grey()])

    with pytest.raises(InputError) as caught:
        read_pictures(path)
    text = str(caught.value)
    assert text.startswith(f"reading {path}: wants pictures that can be read: 1 of 3 cannot: cat/1.png (")
    assert why in text
    assert "Try --skip-broken to leave them out." in text

    found = read_pictures(path, skip_broken=True)
    assert len(found) == 2
    assert found.notes[0].startswith("left out, 1 picture that cannot be read: cat/1.png (")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"cat": [grey()], "dog": []}, "wants a picture or more of each class: the folder 'dog' has none"),
        ({"cat": [grey(), grey()]}, "wants pictures of two classes or more: 2 pictures of 'cat' alone"),
        ({}, "wants a folder of pictures for each class: no folders in it"),
        ({".": [grey()]}, "wants a folder of pictures for each class: 1 picture and no folders in it"),
        ({"train/cat": [grey()], "test/dog": [grey()]}, "to learn from in train: the folder 'dog' has none"),
    ],
)
def test_folders_that_cannot_be_learned_from_are_refused(tmp_path, classes, message):
    with pytest.raises(InputError) as caught:
        read_pictures(folder(tmp_path, **classes))

    assert message in str(caught.value)


def mnist(tmp_path, packed):
    rng = np.random.default_rng(0)
    for part, count in (("train", 6), ("t10k", 4)):
        images, labels = rng.integers(0, 255, (count, 9, 8)).astype(np.uint8), np.arange(count) % 2
        for name, array in (("images-idx3", images), ("labels-idx1", labels.astype(np.uint8))):
            content = idx(array)
            file = tmp_path / f"{part}-{name}-ubyte{'.gz' if packed else ''}"
            file.write_bytes(gzip.compress(content) if packed else content)
    return rng


@pytest.mark.parametrize("packed", [False, True])
def test_mnist_as_it_comes(tmp_path, packed):
    mnist(tmp_path, packed)
    found = read_pictures(tmp_path)
    one = read_pictures(tmp_path / f"train-images-idx3-ubyte{'.gz' if packed else ''}")

    assert (found.images.shape, found.classes) == ((10, 1, 9, 8), ("0", "1"))
    assert sorted(found.parts.tolist()) == [0] * 6 + [2] * 4
    assert len(one) == 6
    assert one.parts is None
    np.testing.assert_array_equal(one.images, found.images[found.parts == 0])


def test_emnist_says_further_on_in_its_names_which_part_it_is(tmp_path):
    mnist(tmp_path, False)
    for file in sorted(tmp_path.iterdir()):
        file.rename(tmp_path / f"emnist-letters-{file.name.replace('t10k', 'test')}")

    assert read_pictures(tmp_path).parts.tolist().count(2) == 4


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / "train-labels-idx1-ubyte").unlink(), "wants the labels beside it"),
        (lambda p: (p / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((6, 9, 8), np.uint8))[:-3]),
         "is not a whole IDX file"),
        (lambda p: (p / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(5, np.uint8))),
         "wants a label for each picture: 6 pictures, labels of shape (5,)"),
        (lambda p: (p / IMAGES).write_bytes(gzip.compress(b"ab")[:12]), "wants a folder"),
    ],
)  # fmt: skip
def test_an_idx_file_that_is_not_whole_is_refused(tmp_path, spoil, message):
    mnist(tmp_path, False)
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / name).unlink()
    spoil(tmp_path)

    with pytest.raises(InputError) as caught:
        read_pictures(tmp_path)
    assert message in str(caught.value)


def cifar(count=4):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 255, (count, 3073)).astype(np.uint8)
    rows[:, 0] = np.arange(count) % 2
    return rows


@pytest.mark.parametrize("way", ["folder", "archive"])
def test_cifars_binary_files_as_they_come(tmp_path, way):
    files = {"data_batch_1.bin": cifar().tobytes(), "test_batch.bin": cifar(2).tobytes(),
             "batches.meta.txt": b"airplane\nautomobile\n\n"}  # fmt: skip
    path = tmp_path / "cifar-10-binary.tar.gz"
    if way == "archive":
        with tarfile.open(path, "w:gz") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    else:
        path = tmp_path
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
    found = read_pictures(path)

    assert are_pictures(str(path))
    assert (found.images.shape, found.classes) == ((6, 3, 32, 32), ("airplane", "automobile"))
    assert found.parts.tolist() == [0, 0, 0, 0, 2, 2]
    np.testing.assert_array_equal(found.images[1].ravel(), cifar()[1, 1:])


def test_cifars_pickles_are_not_opened(tmp_path):
    path = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("cifar-10-batches-py/data_batch_1"))

    with pytest.raises(InputError, match=r"pickles, which are not opened(.|\n)*cifar-10-binary.tar.gz"):
        read_pictures(path)


@pytest.mark.parametrize(
    ("shape", "names", "scale"),
    [
        ((6, 9, 8), ("x_train", "y_train"), 1),
        ((6, 9, 8, 1), ("train_images", "train_labels"), 1),
        ((6, 9, 8, 3), ("images", "labels"), 255.0),
        ((6, 3, 9, 8), ("x", "y"), 1),
    ],
)
def test_npz_as_it_comes(tmp_path, shape, names, scale):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    given = pixels if scale == 1 else (pixels / scale).astype(np.float32)
    labels = np.array([[3], [5], [3], [5], [3], [5]]) if len(shape) == 4 else np.array(list("ababab"))
    np.savez_compressed(tmp_path / "m.npz", **{names[0]: given, names[1]: labels})
    found = read_pictures(tmp_path / "m.npz")

    assert are_pictures(str(tmp_path / "m.npz"))
    assert found.images.shape == (6, 3 if 3 in shape else 1, 9, 8)
    np.testing.assert_array_equal(np.sort(found.images.ravel()), np.sort(pixels.ravel()))
    assert found.classes == (("3", "5") if len(shape) == 4 else ("a", "b"))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_all_parts_of_npz_have_one_scale(tmp_path, dtype):
    bright, dark = np.full((4, 8, 8), 51400, dtype), np.full((2, 8, 8), 257, dtype)
    np.savez(tmp_path / "m.npz", x_train=bright, y_train=[0, 1, 0, 1], x_test=dark // 2, y_test=[0, 1])
    found = read_pictures(tmp_path / "m.npz")

    assert np.unique(found.images[found.parts == 0]).tolist() == [200]
    assert found.images[found.parts == 2].max() <= 1


def test_idx_files_of_one_folder_have_one_scale(tmp_path):
    for part, value in (("train", 51400), ("t10k", 128)):
        pixels, labels = np.full((2, 8, 8), value, ">i4"), bytes([0, 1])
        head = bytes([0, 0, 12, 3]) + np.array(pixels.shape, ">u4").tobytes()
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2]) + labels)
    found = read_pictures(tmp_path)

    assert np.unique(found.images[found.parts == 0]).tolist() == [200]
    assert np.unique(found.images[found.parts == 2]).tolist() == [0]
    assert found.tops == {"int32": 65535.0}


def test_npz_of_a_table_is_no_pictures(tmp_path):
    np.savez(tmp_path / "t.npz", x=np.zeros((3, 2)), y=np.zeros(3))

    assert not are_pictures(str(tmp_path / "t.npz"))


def test_npz_that_cannot_be_pictures_is_refused(tmp_path):
    np.savez(tmp_path / "m.npz", x=np.full((3, 9, 8), -1.0), y=np.arange(3))
    with pytest.raises(InputError, match="wants pixels from 0 to 1, to 255 or to 65535"):
        read_pictures(tmp_path / "m.npz")
    np.savez(tmp_path / "n.npz", x=np.zeros((3, 9, 8)), y=np.array([1.5, 2.5, 3.5]))
    with pytest.raises(InputError, match="wants a label for each picture: 'y' is float64"):
        read_pictures(tmp_path / "n.npz")


def test_the_digits_that_scikit_learn_brings():
    pytest.importorskip("sklearn")
    found = read_pictures("digits")

    assert (found.images.shape, found.images.max(), len(found.classes)) == ((1797, 1, 8, 8), 255, 10)


# --- as a network reads them --------------------------------------------------------------------------------
def rows(**options):
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 9, 8)).astype(np.uint8)
    return PictureRows(images, np.arange(20), *moments(images), **options)


def test_each_channel_has_a_mean_of_0_and_a_spread_of_1():
    x, y = rows().batch(slice(None))

    assert x.dtype == np.float32
    np.testing.assert_allclose(x.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(x.std(axis=(0, 2, 3)), 1, atol=1e-4)
    np.testing.assert_array_equal(y, np.arange(20))


@pytest.mark.parametrize("changes", [("flip",), ("shift",), ("crop",), ("flip", "crop", "shift")])
def test_changes_are_the_same_for_the_same_batch_and_others_for_another(changes):
    numbers = np.array([3, 1, 2, 5])
    one, again, other = rows(changes=changes), rows(changes=changes), rows(changes=changes, seed=1)

    np.testing.assert_array_equal(one.batch(numbers)[0], again.batch(numbers)[0])
    assert not np.array_equal(one.batch(numbers)[0], one.batch(numbers[::-1])[0][::-1])
    assert not np.array_equal(one.batch(numbers)[0], other.batch(numbers)[0])
    assert not np.array_equal(one.batch(numbers)[0], rows().batch(numbers)[0])


def test_a_mirrored_picture_is_one_of_two():
    plain, found = rows().batch(slice(None))[0], rows(changes=("flip",)).batch(slice(None))[0]
    same = [np.array_equal(a, b) for a, b in zip(plain, found, strict=True)]
    turned = [np.array_equal(a[:, :, ::-1], b) for a, b in zip(plain, found, strict=True)]

    assert all(a != b for a, b in zip(same, turned, strict=True))
    assert 4 < sum(turned) < 16


def test_a_moved_picture_has_its_edge_drawn_out():
    plain, found = rows().batch(slice(None))[0], rows(changes=("shift",)).batch(slice(None))[0]
    for a, b in zip(plain, found, strict=True):
        wide = np.pad(a, ((0, 0), (1, 1), (1, 1)), mode="edge")
        parts = [wide[:, i : i + 9, j : j + 8] for i in range(3) for j in range(3)]
        assert any(np.array_equal(b, part) for part in parts)


def test_the_digest_tells_pictures_apart():
    assert rows().digest() == rows().digest()
    assert rows().digest() != rows(changes=("flip",)).digest()
    assert rows().digest() != rows(seed=1).digest()
