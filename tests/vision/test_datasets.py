"""Data sets in torchvision's names: what is in the files comes out, and nothing in them is run."""

import gzip
import io
import os
import pickle
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

import clearprop.torch as torch
from clearprop.errors import InputError
from clearprop.torch.vision import batches, datasets, transforms

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (6, 3, 32, 32), np.uint8)
CLASSES = [3, 0, 9, 1, 2, 7]
NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def idx(array):
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder, images, labels, part="train", packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    for array, name in ((images, f"{part}-images-idx3-ubyte"), (labels, f"{part}-labels-idx1-ubyte")):
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / name).write_bytes(idx(array))


def digits(n=4, side=28):
    return RNG.integers(0, 256, (n, side, side), np.uint8), np.arange(n, dtype=np.uint8) % 10


# --- MNIST ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("kind", "place"),
    [(datasets.MNIST, "MNIST/raw"), (datasets.FashionMNIST, "FashionMNIST/raw"), (datasets.MNIST, ".")],
)
def test_pictures_and_labels_of_idx_files(tmp_path, kind, place, packed):
    images, labels = digits()
    write_idx(tmp_path / place, images, labels, packed=packed)
    write_idx(tmp_path / place, images[:1], labels[:1], "t10k", packed)

    found, tested = kind(tmp_path), kind(str(tmp_path), train=False, download=True)

    assert (len(found), len(tested)) == (4, 1)
    assert found.data.dtype is torch.uint8
    assert found.targets.tolist() == [0, 1, 2, 3]
    picture, label = found[2]
    assert isinstance(picture, Image.Image)
    assert picture.mode == "L"
    assert np.array_equal(np.asarray(picture), images[2])
    assert label == 2
    assert type(label) is int


def test_transforms_of_pictures_and_of_targets(tmp_path):
    images, labels = digits()
    write_idx(tmp_path, images, labels)
    change = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.25,))])
    found = datasets.MNIST(tmp_path, transform=change, target_transform=lambda y: y + 100)

    x, y = found[1]

    grey = images[1].astype(np.float32)  # PyTorch's own steps, in its precision
    assert np.array_equal(x.numpy()[0], (grey / np.float32(255) - np.float32(0.5)) / np.float32(0.25))
    assert y == 101
    assert "Number of datapoints: 4" in repr(found)
    assert "Split: Train" in repr(found)
    assert "Normalize(mean=(0.5,), std=(0.25,))" in repr(found)


def test_data_that_a_program_cuts_down_stays_cut(tmp_path):
    images, labels = digits()
    write_idx(tmp_path, images, labels)
    found = datasets.MNIST(tmp_path)

    keep = found.targets > 1
    found.data, found.targets = found.data[keep], found.targets[keep]

    assert len(found) == 2
    assert np.array_equal(np.asarray(found[0][0]), images[2])
    assert found[0][1] == 2


@pytest.mark.parametrize("download", [True, False])
def test_missing_files_are_named_with_their_place(tmp_path, download):
    with pytest.raises(RuntimeError, match="train-images-idx3-ubyte") as caught:
        datasets.MNIST(tmp_path, download=download)

    said = str(caught.value)
    assert ("fetches nothing" in said) is download
    assert f"Try putting train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz into {tmp_path}" in said
    assert "At " in said


def test_a_file_that_is_cut_short_and_labels_of_another_length_are_refused(tmp_path):
    images, labels = digits()
    write_idx(tmp_path, images, labels[:3], packed=False)
    with pytest.raises(InputError, match="a label for each"):
        datasets.MNIST(tmp_path)

    write_idx(tmp_path, images, labels, packed=False)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images)[:-1])
    with pytest.raises(InputError, match="not a whole IDX file"):
        datasets.MNIST(tmp_path)


# --- CIFAR ------------------------------------------------------------------------------------------------
def python_batches(place, protocol=2, as_bytes=False):
    place.mkdir(parents=True, exist_ok=True)
    word = str.encode if as_bytes else str
    for i, name in enumerate([f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]):
        batch = {"data": COLOURS[i : i + 1].reshape(1, -1), "labels": [CLASSES[i]], "batch_label": "one"}
        batch = {word(key): value for key, value in batch.items()}
        (place / name).write_bytes(pickle.dumps(batch, protocol))
    meta = {word("label_names"): [word(name) for name in NAMES]}
    (place / "batches.meta").write_bytes(pickle.dumps(meta, protocol))


def binary_batches(place):
    place.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate([f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]):
        (place / f"{name}.bin").write_bytes(bytes([CLASSES[i]]) + COLOURS[i].tobytes())
    (place / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")


def packed(place, archive):
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(place, "cifar")


@pytest.mark.parametrize(
    "write",
    [
        lambda root: python_batches(root / "cifar-10-batches-py"),
        lambda root: python_batches(root, protocol=4, as_bytes=True),
        lambda root: python_batches(root, protocol=5),
        lambda root: binary_batches(root / "cifar-10-batches-bin"),
        lambda root: binary_batches(root),
        lambda root: (python_batches(root / "a"), packed(root / "a", root / "cifar-10-python.tar.gz")),
        lambda root: (binary_batches(root / "a"), packed(root / "a", root / "cifar-10-binary.tar.gz")),
    ],
    ids=["python", "bytes", "buffers", "binary", "root", "archive", "binary archive"],
)
def test_cifar_in_each_of_its_forms(tmp_path, write):
    write(tmp_path)

    found, tested = datasets.CIFAR10(tmp_path), datasets.CIFAR10(tmp_path, train=False, download=True)

    assert found.data.shape == (5, 32, 32, 3)
    assert np.array_equal(found.data, COLOURS[:5].transpose(0, 2, 3, 1))
    assert (found.targets, tested.targets) == (CLASSES[:5], CLASSES[5:])
    assert found.classes == NAMES
    assert found.class_to_idx["frog"] == 6
    picture, label = tested[0]
    assert (picture.mode, picture.size, label) == ("RGB", (32, 32), 7)
    assert np.array_equal(np.asarray(picture), COLOURS[5].transpose(1, 2, 0))


def test_the_hundred_finer_classes(tmp_path):
    place = tmp_path / "cifar-100-python"
    place.mkdir()
    fine = [f"class {i}" for i in range(100)]
    batch = {"data": COLOURS.reshape(6, -1), "fine_labels": [99, 0, 1, 2, 3, 4], "coarse_labels": [0] * 6}
    (place / "train").write_bytes(pickle.dumps(batch))
    (place / "meta").write_bytes(pickle.dumps({"fine_label_names": fine}))

    found = datasets.CIFAR100(tmp_path)

    assert found.targets == [99, 0, 1, 2, 3, 4]
    assert found.classes[99] == "class 99"


class Evil:
    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


@pytest.mark.parametrize(
    "content",
    [
        lambda mark: pickle.dumps({"data": Evil(os.mkdir, str(mark))}),
        lambda mark: pickle.dumps({"data": Evil(eval, f"open({str(mark)!r}, 'w')")}),
        lambda mark: pickle.dumps({"data": np.array([Evil(os.mkdir, str(mark))], object)}),
        lambda mark: pickle.dumps({"data": Evil(np.load, str(mark))}),
        lambda mark: pickle.dumps([1, 2]),
        lambda mark: pickle.dumps({"data": np.zeros(4, np.uint8)})[:-9],
        lambda mark: b"no pickle",
        lambda mark: b"\x80\x02Nr\xff\xff\xff\x7f.",
        lambda mark: b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b".",
        lambda mark: b"",
    ],
)
def test_a_pickle_that_would_run_something_is_refused_before_it_does(tmp_path, content):
    mark = tmp_path / "ran"

    with pytest.raises(InputError, match="wants a dict of arrays and lists"):
        batches.read_batch(content(mark), "data_batch_1")

    assert not mark.exists()


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ({"data": np.zeros((1, 3071), np.uint8), "labels": [0]}, "an array 'data'"),
        ({"data": np.zeros((1, 3072), np.float32), "labels": [0]}, "an array 'data'"),
        ({"labels": [0]}, "an array 'data'"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [0]}, "a list 'labels' of 2"),
        ({"data": np.zeros((1, 3072), np.uint8), "labels": [10]}, "classes from 0 to 9"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(tmp_path, batch, said):
    python_batches(tmp_path)
    (tmp_path / "data_batch_3").write_bytes(pickle.dumps(batch))

    with pytest.raises(InputError, match=said):
        datasets.CIFAR10(tmp_path)


def test_cifar_without_one_of_its_batches_is_not_read(tmp_path):
    python_batches(tmp_path)
    (tmp_path / "data_batch_4").unlink()

    with pytest.raises(RuntimeError, match=r"fetches nothing.*data_batch_4"):
        datasets.CIFAR10(tmp_path, download=True)


# --- folders ----------------------------------------------------------------------------------------------
def test_a_folder_for_each_class(tmp_path):
    for name, value in (("dog/b.png", 10), ("cat/z.png", 20), ("cat/inner/a.png", 30)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 5), value, np.uint8)).save(path)
    (tmp_path / "cat" / "notes.txt").write_text("no picture")

    found = datasets.ImageFolder(str(tmp_path), transforms.ToTensor())

    assert found.classes == ["cat", "dog"]
    assert [(Path(p).name, y) for p, y in found.samples] == [("z.png", 0), ("a.png", 0), ("b.png", 1)]
    assert found.imgs is found.samples
    assert found.targets == [0, 0, 1]
    x, y = found[2]
    assert x.shape == (3, 4, 5)
    assert torch.allclose(x, torch.full((3, 4, 5), 10 / 255))
    assert y == 1


def test_folders_without_classes_or_pictures_are_refused_and_so_are_broken_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folders in it"):
        datasets.ImageFolder(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(FileNotFoundError, match="cat has none"):
        datasets.ImageFolder(tmp_path)
    assert len(datasets.ImageFolder(tmp_path, allow_empty=True)) == 0

    (tmp_path / "cat" / "1.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="no picture that Pillow knows"):
        datasets.ImageFolder(tmp_path)[0]


# --- programs ---------------------------------------------------------------------------------------------
LENET = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision
import torchvision.transforms as T
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

torch.manual_seed(1)
change = transforms.Compose([
    transforms.Resize((28, 28)), transforms.RandomCrop(28, padding=1),
    transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,)),
])
train = datasets.MNIST("data", train=True, download=True, transform=change)
plain = T.Compose([T.ToTensor(), T.Normalize((0.1307,), (0.3081,))])
test = datasets.MNIST("data", train=False, transform=plain)
loader = DataLoader(train, batch_size=20, shuffle=True, num_workers=WORKERS)


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 5, padding=2)
        self.conv2 = nn.Conv2d(4, 8, 5)
        self.fc = nn.Linear(8 * 5 * 5, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(torch.flatten(x, 1))


if __name__ == "__main__":
    model = LeNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(4):
        for images, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
    correct = 0
    with torch.no_grad():
        for images, labels in DataLoader(test, batch_size=50):
            correct += (model(images).argmax(1) == labels).sum().item()
    torchvision.utils.save_image(images[:8], "seen.png", normalize=True, nrow=4)
    print(f"accuracy {correct / len(test):.2f}")
    print(images.shape, labels.dtype)
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_lenet_of_a_course_runs_unchanged(tmp_path, workers):
    shapes = np.zeros((10, 28, 28), np.uint8)
    for k in range(10):  # a bar at another height for each class, half as wide for the odd ones
        shapes[k, 2 + 2 * k : 6 + 2 * k, 4 : 24 - 8 * (k % 2)] = 220
    labels = np.tile(np.arange(10, dtype=np.uint8), 20)
    noisy = np.clip(shapes[labels] + RNG.integers(0, 30, (200, 28, 28)), 0, 255).astype(np.uint8)
    write_idx(tmp_path / "data/MNIST/raw", noisy, labels)
    write_idx(tmp_path / "data/MNIST/raw", noisy[:50], labels[:50], "t10k", packed=False)
    (tmp_path / "lenet.py").write_text(LENET.replace("WORKERS", str(workers)))

    done = subprocess.run(
        [sys.executable, "-m", "clearprop.torch", "lenet.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert done.returncode == 0, done.stderr[-2000:]
    accuracy, shapes_line = done.stdout.splitlines()
    assert float(accuracy.split()[1]) >= 0.9
    assert shapes_line == "torch.Size([50, 1, 28, 28]) torch.int64"
    with Image.open(tmp_path / "seen.png") as image:
        assert image.size == (4 * 30 + 2, 2 * 30 + 2)


def test_without_pillow_samples_are_arrays_that_the_transforms_take(tmp_path):
    images, labels = digits()
    write_idx(tmp_path, images, labels)
    program = """
import sys, importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "PIL" else find(name, *rest)
sys.modules["PIL"] = None
from clearprop.torch.vision import datasets, transforms as T
change = T.Compose([T.Pad(2), T.RandomCrop(28), T.RandomHorizontalFlip(1.0), T.Resize(14), T.ToTensor()])
plain = datasets.MNIST(sys.argv[1])
print(type(plain[0][0]).__name__, plain[0][0].shape)
print(datasets.MNIST(sys.argv[1], transform=change)[0][0].shape)
"""

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == ["ndarray (28, 28)", "torch.Size([1, 14, 14])"]


def test_names_that_are_not_there_are_refused_by_name():
    with pytest.raises(AttributeError, match="ImageFolder"):
        datasets.CocoDetection
    with pytest.raises(AttributeError, match="there are CenterCrop"):
        transforms.AugMix
    with pytest.raises(AttributeError, match="no operations on boxes"):
        torch.vision.ops
    assert not torch.accelerator.is_available()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("from torchvision.models import swin_t", "there is no such network"),
        ("import torchvision.nothing", "there is no such name"),
        ("import torch.distributed", "there is one process"),
        ("import torch.nn.utils.stateless", "there is no such function"),
        ("from torch.nn.utils import prunes", "Try prune"),
        ("from torchvision.datasets import CocoDetection", "torchvision.datasets.CocoDetection: "),
    ],
)
def test_an_unchanged_program_is_told_what_is_not_there(tmp_path, line, said):
    (tmp_path / "program.py").write_text(line)

    done = subprocess.run(
        [sys.executable, "-m", "clearprop.torch", "program.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert done.returncode == 1
    assert said in done.stderr


def test_a_dataset_can_be_pickled_for_a_worker(tmp_path):
    images, labels = digits()
    write_idx(tmp_path, images, labels)
    found = datasets.MNIST(tmp_path, transform=transforms.Compose([transforms.ToTensor()]))

    again = pickle.load(io.BytesIO(pickle.dumps(found)))

    assert torch.equal(again[3][0], found[3][0])
