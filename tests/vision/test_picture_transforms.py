"""Transforms in torchvision's names: numbers by hand, Pillow's pictures, tensors and arrays alike."""

import math

import numpy as np
import pytest

import clearprop.torch as torch
from clearprop.errors import InputError
from clearprop.torch.vision import io, transforms, utils
from clearprop.torch.vision.transforms import InterpolationMode
from clearprop.torch.vision.transforms import functional as F

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(3)
COLOURS = RNG.integers(0, 256, (7, 10, 3), np.uint8)
GREY = RNG.integers(0, 256, (7, 10), np.uint8)


def as_tensor(pixels):
    return torch.tensor(np.moveaxis(pixels if pixels.ndim == 3 else pixels[..., None], -1, 0))


def pixels(result):
    """What a picture of any kind shows, as an array (height, width) or (height, width, channels)."""
    if isinstance(result, torch.Tensor):
        array = np.moveaxis(result.numpy(), 0, -1)
        return array[..., 0] if array.shape[-1] == 1 else array
    return np.asarray(result)


def in_each_kind(change, picture):
    """Return what a change makes of Pillow's picture, a tensor and an array."""
    return [pixels(change(kind)) for kind in (Image.fromarray(picture), as_tensor(picture), picture)]


# --- into tensors and back --------------------------------------------------------------------------------
def test_a_picture_becomes_floats_up_to_one():
    x = transforms.ToTensor()(Image.fromarray(np.array([[0, 51], [102, 255]], np.uint8)))

    assert x.dtype is torch.float32
    assert x.tolist() == [[[0.0, pytest.approx(0.2)], [pytest.approx(0.4), 1.0]]]


@pytest.mark.parametrize(
    ("picture", "shape", "dtype", "top"),
    [
        (Image.fromarray(COLOURS), (3, 7, 10), torch.float32, COLOURS.max() / 255),
        (Image.fromarray(np.array([[0, 7]], np.int32)), (1, 1, 2), torch.int32, 7),
        (Image.fromarray(np.array([[0, 0.5]], np.float32)), (1, 1, 2), torch.float32, 0.5),
        (Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1"), (1, 1, 2), torch.float32, 1),
        (np.array([[[0.25, 3.0, 9.0]]]), (3, 1, 1), torch.float64, 9),
        (np.array([[7, 8]], np.int64), (1, 1, 2), torch.int64, 8),
    ],
    ids=["colours", "int32", "float", "black and white", "array", "whole"],
)
def test_other_pictures_keep_their_numbers(picture, shape, dtype, top):
    x = F.to_tensor(picture)

    assert (tuple(x.shape), x.dtype) == (shape, dtype)
    assert x.max().item() == pytest.approx(top)


def test_there_and_back():
    for picture in (COLOURS, GREY):
        image = Image.fromarray(picture)
        back = transforms.ToPILImage()(transforms.PILToTensor()(image))
        assert (back.mode, back.tobytes()) == (image.mode, image.tobytes())
        assert np.array_equal(np.asarray(F.to_pil_image(F.to_tensor(image))), picture)


def test_normalize_by_hand():
    x = torch.tensor([[[1.0, 2.0]], [[3.0, 5.0]]])

    y = transforms.Normalize(mean=[1.0, 3.0], std=[0.5, 4.0])(x)

    assert y.tolist() == [[[0.0, 2.0]], [[0.0, 0.5]]]
    assert transforms.Normalize((1.0,), (2.0,))(x).tolist() == [[[0.0, 0.5]], [[1.0, 2.0]]]
    assert x.tolist() == [[[1.0, 2.0]], [[3.0, 5.0]]]
    F.normalize(x, (1.0,), (2.0,), inplace=True)
    assert x.tolist() == [[[0.0, 0.5]], [[1.0, 2.0]]]


@pytest.mark.parametrize(
    ("x", "mean", "std", "kind", "said"),
    [
        (np.zeros((1, 2, 2), np.float32), (0.5,) * 3, (0.5,) * 3, RuntimeError, "1 channels, 3 means"),
        (np.zeros((1, 2, 2), np.uint8), (0.5,), (0.5,), TypeError, "Try transforms.ToTensor"),
        (np.zeros((1, 2, 2), np.float32), (0.5,), (0.0,), ValueError, "divides by std"),
        (np.zeros((2, 2), np.float32), (0.5,), (0.5,), ValueError, "channels, height, width"),
    ],
)
def test_what_cannot_be_normalized_is_refused(x, mean, std, kind, said):
    with pytest.raises(kind, match=said):
        transforms.Normalize(mean, std)(torch.tensor(x))


# --- sizes ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shape", "size", "most", "wanted"),
    [
        ((7, 10), 14, None, (14, 20)),
        ((10, 7), 14, None, (20, 14)),
        ((7, 10), [3], None, (3, 4)),
        ((7, 10), 14, 17, (11, 17)),
        ((7, 10), (5, 3), None, (5, 3)),
    ],
)
def test_the_other_side_follows_the_shorter(shape, size, most, wanted):
    for found in in_each_kind(lambda img: F.resize(img, size, max_size=most), np.zeros(shape, np.uint8)):
        assert found.shape == wanted


@pytest.mark.parametrize("picture", [COLOURS, GREY], ids=["colours", "grey"])
@pytest.mark.parametrize("size", [(3, 4), (14, 20), (14, 4)])
@pytest.mark.parametrize("mode", [InterpolationMode.BILINEAR, InterpolationMode.BICUBIC])
def test_tensors_are_resized_as_pillow_does_to_one_in_255(picture, size, mode):
    picture = picture // 3 + 80  # Pillow cuts off what leaves 0 to 255 between its two passes
    by_pillow, by_ops, of_array = in_each_kind(lambda img: F.resize(img, size, mode), picture)

    assert np.abs(by_pillow.astype(int) - by_ops.astype(int)).max() <= 1
    assert np.array_equal(by_ops, of_array)


def test_halving_a_ramp_by_hand():
    """Triangles of 4 entries: (1 3 3 1)/8 inside, those beyond the edge left out: (3 3 1)/7."""
    x = torch.tensor([[[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]]]).repeat(1, 2, 1)

    y = F.resize(x, (2, 3))

    assert y[0, 0].tolist() == pytest.approx([5 / 7, 2.5, 5 - 5 / 7])
    assert F.resize(x, (2, 3), antialias=False)[0, 0].tolist() == pytest.approx([0.5, 2.5, 4.5])


@pytest.mark.parametrize("picture", [COLOURS, GREY], ids=["colours", "grey"])
def test_cuts_borders_and_mirrors_are_the_same_in_each_kind(picture):
    two = ((2, 2), (2, 2)) + ((0, 0),) * (picture.ndim - 2)
    around = ((1, 2), (4, 3)) + ((0, 0),) * (picture.ndim - 2)
    for change, wanted in (
        (lambda img: F.crop(img, 2, 3, 4, 5), picture[2:6, 3:8]),
        (lambda img: F.crop(img, -1, -4, 10, 17), np.pad(picture, around)),
        (lambda img: F.center_crop(img, 4), picture[2:6, 3:7]),
        (lambda img: F.center_crop(img, (5, 10)), picture[1:6]),
        (lambda img: F.center_crop(img, (10, 12)), np.pad(picture, ((1, 2), (1, 1), *around[2:]))),
        (lambda img: F.pad(img, (4, 1, 3, 2)), np.pad(picture, around)),
        (lambda img: F.pad(img, (4, 1, 3, 2), padding_mode="edge"), np.pad(picture, around, mode="edge")),
        (lambda img: F.pad(img, 2, padding_mode="reflect"), np.pad(picture, two, mode="reflect")),
        (lambda img: F.pad(img, (2, 2), fill=9), np.pad(picture, two, constant_values=9)),
        (F.hflip, picture[:, ::-1]),
        (F.vflip, picture[::-1]),
    ):
        for found in in_each_kind(change, picture):
            assert np.array_equal(found, wanted)


def test_a_border_in_a_colour():
    for found in in_each_kind(lambda img: F.pad(img, 1, fill=(1, 2, 3)), COLOURS):
        assert found[0, 0].tolist() == found[-1, 4].tolist() == [1, 2, 3]
        assert np.array_equal(found[1:-1, 1:-1], COLOURS)


# --- turns and colours ------------------------------------------------------------------------------------
@pytest.mark.parametrize("angle", [0, 90, 180, -90, 17, -40.5])
@pytest.mark.parametrize("expand", [False, True])
def test_turning_against_the_clock(angle, expand):
    square = GREY[:, :7]
    by_pillow, by_ops, _ = in_each_kind(lambda img: F.rotate(img, angle, expand=expand, fill=5), square)

    if angle % 90 == 0:
        assert np.array_equal(by_ops, np.rot90(square, angle // 90))
        assert np.array_equal(by_pillow, by_ops)
    elif not expand:
        assert (by_pillow == by_ops).mean() > 0.9  # ties between two entries are broken either way


def test_grey_by_hand():
    x = torch.tensor([[[1.0]], [[0.5]], [[0.0]]])

    assert transforms.Grayscale()(x).tolist() == [[[pytest.approx(0.2989 + 0.587 / 2)]]]
    assert transforms.Grayscale(3)(x).shape == (3, 1, 1)
    image = transforms.Grayscale(num_output_channels=3)(Image.fromarray(COLOURS))
    assert image.mode == "RGB"
    by_pillow, by_ops, _ = in_each_kind(transforms.Grayscale(), COLOURS)
    assert np.abs(by_pillow.astype(int) - by_ops).max() <= 1


def test_brightness_contrast_and_saturation_by_hand():
    x = torch.tensor([[[0.2, 0.6]], [[0.2, 0.6]], [[0.2, 0.6]]])
    grey = np.array([0.2, 0.6]) * (0.2989 + 0.587 + 0.114)

    assert F.adjust_brightness(x, 1.5)[0, 0].tolist() == pytest.approx([0.3, 0.9])
    assert F.adjust_brightness(x, 9)[0, 0].tolist() == [1, 1]
    assert F.adjust_contrast(x, 0.5)[0, 0].tolist() == pytest.approx(
        [0.1 + grey.mean() / 2, 0.3 + grey.mean() / 2]
    )
    assert F.adjust_saturation(x, 0)[0, 0].tolist() == pytest.approx(grey.tolist())


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
@pytest.mark.parametrize("factor", [0.0, 0.4, 1.7])
def test_colours_of_tensors_are_those_of_pillow(name, factor):
    change = getattr(F, f"adjust_{name}")

    by_pillow, by_ops, of_array = in_each_kind(lambda img: change(img, factor), COLOURS)

    assert np.abs(by_pillow.astype(int) - by_ops).max() <= 2  # both round on the way
    assert np.array_equal(by_ops, of_array)


def test_hue_goes_around():
    red = Image.new("RGB", (2, 2), (255, 0, 0))

    assert np.asarray(F.adjust_hue(red, 1 / 3))[0, 0].argmax() == 1
    assert np.asarray(F.adjust_hue(red, -1 / 3))[0, 0].argmax() == 2
    with pytest.raises(NotImplementedError, match="after ColorJitter"):
        F.adjust_hue(torch.zeros(3, 2, 2), 0.1)


def test_jitter_draws_within_its_bounds():
    torch.manual_seed(0)
    jitter = transforms.ColorJitter(brightness=0.5)
    seen = [jitter(torch.full((3, 1, 1), 0.5))[0, 0, 0].item() for _ in range(200)]

    assert 0.25 <= min(seen) < 0.3
    assert 0.7 < max(seen) <= 0.75
    assert transforms.ColorJitter().forward(COLOURS) is COLOURS
    with pytest.raises(ValueError, match=r"ColorJitter\(hue=\)"):
        transforms.ColorJitter(hue=0.7)


def test_a_part_is_erased():
    torch.manual_seed(0)
    x = torch.ones(3, 10, 10)

    y = transforms.RandomErasing(p=1.0, scale=(0.2, 0.2), ratio=(1.0, 1.0), value=7)(x)

    assert (y == 7).sum().item() == 3 * 4 * 4  # sqrt(20) is 4.5, which is rounded
    assert x.min() == x.max() == 1
    assert transforms.RandomErasing(p=0.0)(x) is x
    noisy = transforms.RandomErasing(1.0, value="random")(x)
    assert len(set(noisy.flatten().tolist())) > 3
    assert F.erase(x, 1, 2, 3, 4, 0)[0].sum() == 88


def test_the_newer_names():
    from clearprop.torch.vision.transforms import v2

    chain = v2.Compose([v2.ToImage(), v2.Resize(5), v2.ToDtype(torch.float32, scale=True)])

    assert torch.allclose(chain(Image.fromarray(COLOURS)) * 255, F.resize(as_tensor(COLOURS), 5).float())
    assert v2.ToDtype(torch.float32)(torch.tensor([255], dtype=torch.uint8)).item() == 255


def test_gradients_pass_through_a_chain_of_transforms():
    x = torch.ones(3, 8, 8, requires_grad=True)
    chain = [transforms.Pad(1), transforms.RandomHorizontalFlip(1.0), transforms.CenterCrop(8)]
    chain += [transforms.Resize(4), transforms.Normalize((0.0,), (0.5,)), transforms.RandomRotation((90, 90))]

    transforms.Compose(chain)(x).sum().backward()

    assert x.grad.sum().item() == pytest.approx(3 * 16 * 2)


# --- chance -----------------------------------------------------------------------------------------------
def test_a_seed_settles_what_is_drawn():
    chain = transforms.Compose(
        [
            transforms.RandomCrop(6, padding=1),
            transforms.RandomHorizontalFlip(),
            transforms.RandomRotation(20),
            transforms.RandomResizedCrop(5),
        ]
    )
    image = Image.fromarray(COLOURS)

    def drawn(seed):
        torch.manual_seed(seed)
        return [np.asarray(chain(image)).tolist() for _ in range(4)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_what_is_drawn_has_the_chances_that_were_asked_for():
    torch.manual_seed(0)
    x = torch.arange(2.0).reshape(1, 1, 2)
    flip, cut = transforms.RandomHorizontalFlip(0.3), transforms.RandomCrop((1, 2))

    flips = sum(flip(x)[0, 0, 0].item() for _ in range(600))
    assert abs(flips / 600 - 0.3) < 4 * math.sqrt(0.21 / 600)
    starts = [cut(torch.arange(4.0).reshape(1, 1, 4))[0, 0, 0].item() for _ in range(300)]
    assert {*starts} == {0, 1, 2}
    assert min(starts.count(k) for k in range(3)) > 70
    angles = [transforms.RandomRotation.get_params([-10, 30]) for _ in range(300)]
    assert -10 <= min(angles) < -5
    assert 25 < max(angles) < 30


def test_a_picture_too_small_to_cut_from():
    with pytest.raises(ValueError, match="pad_if_needed=True"):
        transforms.RandomCrop(8)(torch.zeros(1, 7, 10))
    assert transforms.RandomCrop(12, pad_if_needed=True)(torch.zeros(1, 7, 10)).shape == (1, 12, 12)


@pytest.mark.parametrize("wrong", ["a picture", None, [1, 2], torch.zeros(3)])
@pytest.mark.parametrize("change", [F.resize, F.crop, F.hflip, F.rotate, F.to_tensor, F.pad, F.to_pil_image])
def test_what_is_no_picture_is_refused(change, wrong):
    more = {F.resize: (4,), F.crop: (0, 0, 1, 1), F.rotate: (10,), F.pad: (1,)}.get(change, ())

    with pytest.raises(TypeError, match="wants a") as caught:
        change(wrong, *more)

    assert "Try " in str(caught.value)


def test_transforms_print_as_in_torchvision():
    chain = transforms.Compose([transforms.Resize(8), transforms.RandomCrop(4, padding=1)])

    assert repr(chain) == (
        "Compose(\n    Resize(size=8, interpolation=bilinear, max_size=None, antialias=True)\n"
        "    RandomCrop(size=(4, 4), padding=1)\n)"
    )


# --- many as one, and files -------------------------------------------------------------------------------
def test_a_grid_by_hand():
    x = torch.arange(3.0).reshape(3, 1, 1, 1)

    grid = utils.make_grid(x, nrow=2, padding=1, pad_value=9)

    assert grid[1].tolist() == [[9, 9, 9, 9, 9], [9, 0, 9, 1, 9], [9, 9, 9, 9, 9], [9, 2, 9, 9, 9], [9] * 5]
    assert grid.shape == (3, 5, 5)
    assert utils.make_grid(x[:1], padding=3).shape == (3, 1, 1)
    assert utils.make_grid([torch.zeros(3, 2, 4)] * 2, padding=0).shape == (3, 2, 8)
    scaled = utils.make_grid(x, padding=0, normalize=True)
    assert scaled[0].tolist() == [[0, 0.5, 1]]
    clipped = utils.make_grid(x, padding=0, normalize=True, value_range=(0, 1))
    assert clipped[0].tolist() == [[0, 1, 1]]


def test_a_saved_picture_is_read_back(tmp_path):
    x = torch.tensor([[[0.0, 0.2], [0.4, 1.5]]])

    utils.save_image(x, tmp_path / "x.png")

    assert io.read_image(tmp_path / "x.png")[0].tolist() == [[0, 51], [102, 255]]
    assert io.read_image(tmp_path / "x.png", mode="GRAY").shape == (1, 2, 2)


def test_a_picture_that_cannot_be_written_leaves_what_was_there(tmp_path):
    (tmp_path / "x.png").write_text("before")
    with pytest.raises((ValueError, TypeError, OSError)):
        utils.save_image(torch.zeros(5, 4, 4), tmp_path / "x.png")
    with pytest.raises(InputError, match=r"a name that ends in \.png"):
        utils.save_image(torch.zeros(3, 4, 4), tmp_path / "x.strange")
    with pytest.raises(TypeError, match="wants floats"):
        utils.save_image(torch.zeros(3, 4, 4, dtype=torch.uint8), tmp_path / "x.png")

    assert (tmp_path / "x.png").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]
