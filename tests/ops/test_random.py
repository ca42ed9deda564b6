"""Random numbers: a pure function of a visible state, replayable, and Philox as published."""

import threading

import numpy as np
import pytest

import clearprop
from clearprop import Tensor
from clearprop.modes import Observer, observed
from clearprop.ops import random

WORD = 2**64


def philox(counter, key):
    """Philox4x64-10 from the paper, in Python's own integers."""
    c, (low, high) = list(counter), key
    for _ in range(10):
        first, second = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [second // WORD ^ c[1] ^ low, second % WORD, first // WORD ^ c[3] ^ high, first % WORD]
        low, high = (low + 0x9E3779B97F4A7C15) % WORD, (high + 0xBB67AE8584CAA73B) % WORD
    return c


def words(key, call, count):
    blocks = range(1, 2 + count // 4)
    return [word for block in blocks for word in philox((block, call, 0, 0), (key, 0))][:count]


@pytest.mark.parametrize(("key", "call"), [(0, 0), (7, 3), (2**64 - 1, 123456789)])
def test_the_bits_are_those_of_the_published_generator(key, call):
    state = np.array([key, call], np.uint64)
    doubles = random.random_uniform(state, shape=(3, 3))
    assert doubles.ravel().tolist() == [(word >> 11) * 2.0**-53 for word in words(key, call, 9)]
    halves = [half for word in words(key, call, 5) for half in (word % 2**32, word >> 32)][:9]
    floats = random.random_uniform(state, shape=(9,), dtype=np.float32)
    assert floats.dtype == np.float32
    assert floats.tolist() == [(half >> 8) * 2.0**-24 for half in halves]


def test_a_seed_repeats_everything_and_each_call_counts_one():
    clearprop.manual_seed(5)
    first, second = random.uniform((4,)).value, random.uniform((4,)).value
    assert random.get_rng_state().tolist() == [5, 2]
    clearprop.manual_seed(5)
    assert np.array_equal(random.uniform((4,)).value, first)
    assert not np.array_equal(first, second)


def test_a_saved_state_goes_on_with_the_same_bits():
    clearprop.manual_seed(5)
    random.uniform((4,))
    saved = random.get_rng_state()
    ahead = random.normal((4,)).value
    random.set_rng_state(saved)
    assert np.array_equal(random.normal((4,)).value, ahead)


def test_shapes_ranges_and_dtypes():
    clearprop.manual_seed(0)
    assert random.uniform().shape == ()
    assert random.uniform(dtype=np.float32).dtype == np.float32
    assert random.uniform((0, 3)).shape == (0, 3)
    drawn = random.uniform((20_000,), -2.0, 3.0, np.float32)
    assert drawn.dtype == np.float32
    assert -2.0 <= drawn.value.min() < -1.99
    assert 2.99 < drawn.value.max() < 3.0
    assert not drawn.requires_grad


def test_the_normal_distribution_has_its_moments():
    clearprop.manual_seed(0)
    drawn = random.normal((200_000,), 1.0, 2.0).value
    standard = (drawn - 1) / 2
    for power, moment in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)):
        assert abs((standard**power).mean() - moment) < 0.05
    assert random.normal((2,), dtype=np.float32).dtype == np.float32


def test_while_recording_the_state_is_read_and_assigned_like_any_other():
    class Recorder(Observer):
        remembers = records = True

        def __init__(self):
            self.latest, self.news = {}, []

        def resolve(self, x):
            return self.latest.get(x, x)

        def saw(self, node):
            pass

        def python_value(self, tensor, asked):
            raise TypeError(asked)

        def assigned(self, tensor, new):
            self.latest[tensor] = new
            self.news.append((tensor, new))

    clearprop.manual_seed(9)
    eager = [random.uniform((3,)).value for _ in range(2)]
    clearprop.manual_seed(9)
    recorder = Recorder()
    with observed(recorder):
        drawn = [random.uniform((3,)) for _ in range(2)]

    assert all(np.array_equal(d._value, e) for d, e in zip(drawn, eager, strict=True))
    assert all(d.op.name == "random_uniform" for d in drawn)
    assert drawn[1].inputs[0] is recorder.news[0][1]
    assert [new._value.tolist() for _, new in recorder.news] == [[9, 1], [9, 2]]
    assert all(isinstance(new, Tensor) for _, new in recorder.news)
    assert random.get_rng_state().tolist() == [9, 2]


def test_threads_never_draw_the_same_numbers():
    clearprop.manual_seed(0)
    drawn = []

    def draw():
        for _ in range(200):
            drawn.append(float(random.uniform().value))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(drawn)) == 800
    assert random.get_rng_state().tolist() == [0, 800]


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "1", True, None])
def test_a_bad_seed_is_explained(seed):
    with pytest.raises(ValueError, match=r"manual_seed\(seed\): wants an integer from 0 to 2\*\*64 - 1"):
        clearprop.manual_seed(seed)


def test_a_bad_state_is_explained():
    with pytest.raises(
        ValueError, match=r"set_rng_state\(state\): wants two uint64, \(key, calls\): \(3,\) int64"
    ):
        random.set_rng_state([1, 2, 3])
