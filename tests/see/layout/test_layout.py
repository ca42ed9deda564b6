"""Layouts: nothing overlaps, arrows point to the right and avoid boxes, few cross, large graphs are quick."""

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.counting import calls

from clearprop import Tensor
from clearprop.see.drawing.arrange import Arrangement, arrange, layout
from clearprop.see.layout.order import crossings, reduce_crossings, with_dummies
from clearprop.see.layout.ranks import ranks
from clearprop.see.layout.straighten import cost, packed, straighten

SIZES = [(60.0, 25.0), (120.0, 50.0), (220.0, 100.0)]


def random_graph(count: int, seed: int, reach: int = 15) -> tuple[list, list]:
    draw = random.Random(seed)
    edges = [
        (draw.randrange(max(0, v - reach), v), v) for v in range(1, count) for _ in range(draw.randint(1, 2))
    ]
    return [draw.choice(SIZES) for _ in range(count)], edges


def overlaps(found: Arrangement, sizes: list) -> int:
    """Count the pairs of boxes that overlap."""
    x, y, w = np.array(found.x), np.array(found.y), np.array(found.wide)
    h = np.array([tall for _, tall in sizes])
    close = (abs(x[:, None] - x) < (w[:, None] + w) / 2 - 0.01) & (
        abs(y[:, None] - y) < (h[:, None] + h) / 2 - 0.01
    )
    return int(close.sum() - len(x)) // 2


def boxes_hit(found: Arrangement, sizes: list, edges: list) -> int:
    """Count the stretches of arrows that lie in a box which is not one of their ends."""
    hits = 0
    for (u, v), route in zip(edges, found.routes, strict=True):
        for (a, b), (c, d) in pairwise(route):
            for k, (_, tall) in enumerate(sizes):
                if k in (u, v):
                    continue
                left, right = found.x[k] - found.wide[k] / 2, found.x[k] + found.wide[k] / 2
                low, high = found.y[k] - tall / 2, found.y[k] + tall / 2
                inside_x = min(a, c) < right - 0.01 and max(a, c) > left + 0.01
                hits += inside_x and min(b, d) < high and max(b, d) > low
    return hits


@pytest.mark.parametrize("count", [20, 200, 1000])
def test_no_boxes_overlap(count):
    sizes, edges = random_graph(count, seed=count)

    found = arrange(sizes, edges)

    assert overlaps(found, sizes) == 0


@pytest.mark.parametrize("count", [20, 100])
def test_arrows_go_around_boxes(count):
    sizes, edges = random_graph(count, seed=count)

    found = arrange(sizes, edges)

    assert boxes_hit(found, sizes, edges) == 0


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 24))
    sizes = draw(st.lists(st.sampled_from(SIZES), min_size=count, max_size=count))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    edges = [(min(p), max(p)) for p in draw(st.lists(pairs, max_size=40)) if p[0] != p[1]]
    return sizes, edges


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_any_graph_is_drawn_without_overlaps_with_arrows_to_the_right_and_within_its_size(graph):
    sizes, edges = graph

    found = arrange(sizes, edges)

    assert overlaps(found, sizes) == 0
    assert boxes_hit(found, sizes, edges) == 0
    assert all(found.rank[u] < found.rank[v] for u, v in edges)
    assert all(a <= c + 0.01 for route in found.routes for (a, _), (c, _) in pairwise(route))
    assert all(-0.01 <= x <= found.width + 0.01 for route in found.routes for x, _ in route)
    assert all(-0.01 <= y <= found.height + 0.01 for route in found.routes for _, y in route)


def test_an_arrow_starts_at_the_right_side_of_its_source_and_ends_at_the_left_side_of_its_target():
    sizes, edges = random_graph(60, seed=5)

    found = arrange(sizes, edges)

    for (u, v), route in zip(edges, found.routes, strict=True):
        assert route[0] == pytest.approx((found.x[u] + found.wide[u] / 2, found.y[u]), abs=0.02)
        assert route[-1][0] == pytest.approx(found.x[v] - found.wide[v] / 2, abs=0.02)
        assert abs(route[-1][1] - found.y[v]) <= sizes[v][1] / 2


def test_a_thousand_boxes_take_a_bounded_amount_of_work():
    sizes, edges = random_graph(1000, seed=1)

    assert calls(lambda: arrange(sizes, edges)) < 3_000_000  # 1.6 million calls are half a second


@pytest.mark.parametrize("count", [60, 200])
def test_straightening_makes_arrows_much_shorter_than_packing_alone(count):
    sizes, edges = random_graph(count, seed=count)
    layered = with_dummies(ranks(count, edges), edges)
    reduce_crossings(layered)
    tall = [tall for _, tall in sizes] + [0.0] * (len(layered.left) - count)
    gap = lambda u, v: 20.0  # noqa: E731

    start = packed(layered, tall, gap)
    found = straighten(layered, start, tall, gap)

    assert cost(layered, found) < 0.8 * cost(layered, start)
    for layer in layered.layers:  # and no box came too close to its neighbour
        for upper, lower in pairwise(layer):
            assert found[lower] - found[upper] >= (tall[upper] + tall[lower]) / 2 + 20.0 - 1e-6


def test_a_chain_is_one_straight_line():
    found = arrange([(80.0, 40.0)] * 50, [(i, i + 1) for i in range(49)])

    assert len({round(y, 6) for y in found.y}) == 1
    assert all(len(route) == 2 for route in found.routes)


def test_a_chain_of_ten_thousand_boxes_needs_no_recursion():
    found = arrange([(80.0, 40.0)] * 10_000, [(i, i + 1) for i in range(9_999)])

    assert found.rank == list(range(10_000))


def test_a_long_arrow_is_straight_where_it_passes_other_columns():
    found = arrange([(80.0, 40.0)] * 8, [(i, i + 1) for i in range(6)] + [(7, 6)], left=[7])
    route = found.routes[-1]

    assert route[0][0] < found.x[1] < found.x[5] < route[-1][0]
    assert len({y for x, y in route if found.x[1] < x < found.x[5]}) <= 1


def test_inputs_stand_next_to_their_user_unless_they_are_kept_at_the_left():
    edges = [(0, 1), (1, 2), (2, 3), (4, 3)]

    assert ranks(5, edges) == [0, 1, 2, 3, 2]
    assert ranks(5, edges, left=[4]) == [0, 1, 2, 3, 0]


def test_a_circle_is_refused():
    with pytest.raises(ValueError, match="run in a circle"):
        ranks(2, [(0, 1), (1, 0)])


def test_a_drawing_of_nothing_has_no_size():
    found = arrange([], [])

    assert (found.x, found.width, found.height) == ([], 0.0, 0.0)


def brute_force(layered) -> int:
    place = layered.positions()
    rank = {v: r for r, layer in enumerate(layered.layers) for v in layer}
    edges = [(u, v) for u, near in enumerate(layered.right) for v in near]
    return sum(
        rank[a] == rank[c] and (place[a] - place[c]) * (place[b] - place[d]) < 0
        for i, (a, b) in enumerate(edges)
        for c, d in edges[:i]
    )


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_crossings_are_counted_as_by_hand_and_never_grow(graph):
    sizes, edges = graph
    layered = with_dummies(ranks(len(sizes), edges), edges)
    before = crossings(layered)

    found = reduce_crossings(layered)

    assert found == crossings(layered) == brute_force(layered)
    assert found <= before


def test_a_planar_graph_is_drawn_without_crossings():
    draw = random.Random(3)
    names = list(range(31))
    draw.shuffle(names)
    edges = [(names[v], names[(v - 1) // 2]) for v in range(1, 31)]  # a binary tree, its boxes in any order

    found = arrange([(50.0, 20.0)] * 31, edges)

    assert found.crossings == 0


def test_the_same_graph_gets_the_same_layout():
    sizes, edges = random_graph(150, seed=8)

    assert arrange(sizes, edges) == arrange(sizes, edges)


def test_edges_know_their_source_target_and_input_index():
    a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")

    drawn = layout(a - b)

    assert [(e.id, e.source, e.target, e.index) for e in drawn.edges] == [
        ("n0-n2-0", "n0", "n2", 0),
        ("n1-n2-1", "n1", "n2", 1),
    ]
    assert drawn.box("n2").node.op.name == "subtract"
    assert drawn.box_of(a).title == "a"


def test_an_input_used_twice_by_one_op_has_two_arrows():
    b = Tensor(3.0, name="b")

    drawn = layout(b * b)

    assert [e.index for e in drawn.edges] == [0, 1]
    assert drawn.edges[0].points[-1] != drawn.edges[1].points[-1]


def test_the_inputs_of_a_small_graph_are_in_the_left_column_and_the_output_is_at_the_right():
    a, b, c = (Tensor(v, name=n) for v, n in ((7.0, "a"), (3.0, "b"), (2.0, "c")))

    drawn = layout((a + b**3) * c)

    left = {box.title for box in drawn.boxes if box.x == min(other.x for other in drawn.boxes)}
    rightmost = max(drawn.boxes, key=lambda box: box.x)
    assert left == {"a", "b", "c"}
    assert rightmost.kind == "output"


@pytest.mark.parametrize("width", [400.0, 700.0, 1500.0])
def test_a_long_drawing_continues_in_the_next_row_without_overlaps(width):
    edges = [(i, i + 1) for i in range(39)] + [(i, i + 4) for i in range(0, 34, 6)]
    sizes = [SIZES[i % 3] for i in range(40)]

    found = arrange(sizes, edges, wrap=width)

    assert overlaps(found, sizes) == 0
    assert found.width <= 1.25 * width + 100
    for route in found.routes:
        assert all(-0.01 <= x <= found.width + 0.01 and -0.01 <= y <= found.height + 0.01 for x, y in route)


def test_wires_from_row_to_row_pass_no_box():
    edges = [(i, i + 1) for i in range(39)] + [(i, i + 4) for i in range(0, 34, 6)]
    sizes = [SIZES[i % 3] for i in range(40)]

    found = arrange(sizes, edges, wrap=700.0)

    assert boxes_hit(found, sizes, edges) == 0


def test_a_drawing_that_would_need_many_wires_from_row_to_row_stays_in_one():
    edges = [(c * 10 + i, c * 10 + 10 + (i + s) % 10) for c in range(9) for i in range(10) for s in (0, 1)]

    found = arrange([(100.0, 40.0)] * 100, edges, wrap=500.0)

    assert len({round(x) for x in found.x}) == 10
