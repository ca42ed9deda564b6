"""A trace as a moving picture: frames, their order, and what is refused."""

import re
import struct

import numpy as np
import pytest

import clearprop
from clearprop import Tensor
from clearprop.cli import main
from clearprop.errors import InputError
from clearprop.see.step import movie
from clearprop.see.step.page import picture
from clearprop.typed.lecture import EXAMPLES


@pytest.fixture
def drawn(monkeypatch):
    """The SVG of each frame, where nothing turns them into pixels."""
    made = []

    def png(text, scale, called):
        made.append(text)
        return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDRtEXtSoftware\0clearprop%d" % len(made)

    monkeypatch.setattr(movie, "png", png)
    return made


def lecture():
    a, b = Tensor(7.0), Tensor(3.0)
    return clearprop.trace((a + b) * b**3)


def test_each_step_is_a_frame_of_one_size_with_its_sentence(drawn):
    steps = lecture()
    list(movie.frames(steps))

    assert len(drawn) == len(steps) + 1
    assert len({re.search(r'width="(\d+)" height="(\d+)"', one).groups() for one in drawn}) == 1
    words = [" ".join(re.findall(r'font-size="12.5"[^>]*>([^<]*)', one)) for one in drawn]
    assert words[0].startswith("0/9")
    assert words[6] == f"6/9 {steps[5].sentence}"
    assert "value=270" not in drawn[0]
    assert "grad=270+27=297" in drawn[-1]


def test_what_goes_back_points_back():
    steps = lecture()
    lit = r'edge active.*?class="head" d="M[^l]*l(-?9)'
    forward, backward = picture(steps, steps[1]), picture(steps, steps[5])

    assert set(re.findall(lit, forward)) == {"-9"}
    assert re.findall(lit, backward) == ["9"]


def test_frames_are_written_into_a_folder_and_replace_only_their_like(drawn, tmp_path):
    steps = lecture()
    paths = movie.save_frames(steps, tmp_path / "new" / "steps")

    assert [path.name for path in paths] == [f"step-{n:03d}.png" for n in range(10)]
    movie.save_frames(steps, tmp_path / "new" / "steps", overwrite=False)
    paths[3].write_bytes(b"a photograph")
    with pytest.raises(InputError, match=r"step-003\.png"):
        movie.save_frames(steps, tmp_path / "new" / "steps", overwrite=False)
    assert paths[3].read_bytes() == b"a photograph"


def test_a_shorter_movie_leaves_nothing_of_a_longer_one(drawn, tmp_path):
    movie.save_frames(lecture(), tmp_path)
    (tmp_path / "step-007.png").write_bytes(b"a photograph")
    (tmp_path / "step-1.png").write_bytes(b"\x89PNG\r\n\x1a\nSoftware\0clearprop")
    a = Tensor(2.0, name="a")

    paths = movie.save_frames(clearprop.trace(a * a), tmp_path, overwrite=False)

    assert [path.name for path in paths] == [f"step-{n:03d}.png" for n in range(5)]
    names = [*(path.name for path in paths), "step-007.png", "step-1.png"]  # a stranger's, and not of a movie
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_file_in_the_way_is_found_before_the_first_frame_is_written(drawn, tmp_path):
    (tmp_path / "step-003.png").write_bytes(b"a photograph")
    with pytest.raises(InputError, match=r"step-003\.png"):
        movie.save_frames(lecture(), tmp_path, overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["step-003.png"]


def test_hundreds_of_steps_are_refused(drawn):
    x = y = Tensor(1.0)
    for _ in range(300):
        y = y * x
    with pytest.raises(ValueError, match="a movie: shows fewer than 500 steps"):
        list(movie.frames(clearprop.trace(y)))


@pytest.mark.parametrize("name", ["steps.mp4", "steps.png"])
def test_other_endings_are_refused(name, tmp_path, capsys):
    assert main(["step", "a*b", "a=7", "b=3", "--movie", str(tmp_path / name)]) == 2
    assert "wants a name that ends in .gif, or a folder" in capsys.readouterr().err


def test_without_a_converter_the_way_to_one_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(__import__("sys").modules, "cairosvg", None)

    assert main(["step", "a*b", "a=7", "b=3", "--movie", str(tmp_path / "s.gif")]) == 2
    assert "pip install 'clearprop[png]'" in capsys.readouterr().err
    assert not (tmp_path / "s.gif").exists()


def test_a_gif_has_all_frames(tmp_path):
    pytest.importorskip("cairosvg", exc_type=(ImportError, OSError))  # OSError: without the library cairo
    image = pytest.importorskip("PIL.Image")
    X = np.arange(6.0).reshape(3, 2)
    steps = clearprop.trace(np.mean((X @ Tensor([1.0, -1.0], name="w")) ** 2))
    path = steps.save(tmp_path / "steps.gif")
    with image.open(path) as shown:
        assert shown.n_frames == len(steps) + 1
        assert struct.unpack("<HH", path.read_bytes()[6:10]) == shown.size
    steps.save(path, overwrite=False)  # it is known as one of ours


def test_arrows_of_a_picture_stay_turned_once_a_gradient_went_back():
    steps = clearprop.trace(EXAMPLES["dag"].graph())
    looks = [re.findall(r'class="edge( \w+)?"', steps.to_svg(n)) for n in range(len(steps))]

    assert looks[0].count(" active") == 2
    assert not {" sent", " faint"} & set(looks[3])  # the start: nothing has gone back
    assert [look.count(" active") for look in looks[4:]] == [1, 1, 1, 1, 1]
    assert [look.count(" sent") for look in looks[4:]] == [0, 1, 2, 3, 4]
    assert [look.count(" faint") for look in looks[4:]] == [4, 3, 2, 1, 0]
