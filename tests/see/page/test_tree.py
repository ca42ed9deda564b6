"""A graph as a tree of groups: modules, the loss, what repeats, slices; and the arrows across borders."""

import json

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn
from clearprop.see.page.cluster import Cluster
from clearprop.see.page.story import Story


def scalars(width: int) -> Tensor:
    """A net of numbers: 3 inputs, two hidden layers, one output."""
    rng = np.random.default_rng(0)
    row = [Tensor(float(v), name=f"x{i}") for i, v in enumerate(rng.normal(size=3))]
    for layer, size in enumerate((width, width, 1)):
        made = []
        for j in range(size):
            total = Tensor(0.1, name=f"b{layer}_{j}")
            for i, x in enumerate(row):
                total = total + x * Tensor(float(rng.normal()), name=f"w{layer}_{j}_{i}")
            made.append(np.tanh(total))
        row = made
    return row[0]


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.norm = nn.Linear(6, 6), nn.LayerNorm(6)

    def forward(self, x):
        return x + np.tanh(self.inner(self.norm(x)))


def blocks(count: int) -> tuple[Tensor, nn.Module]:
    clearprop.manual_seed(0)
    net = nn.Sequential(nn.Sequential(*[Block() for _ in range(count)]), nn.Linear(6, 3))
    x = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    return nn.CrossEntropyLoss()(net(x), np.arange(4) % 3), net


def story(output: Tensor, model=None, prefix: str = "") -> Story:
    return Story(output, model, prefix, {})


def random_graph(count: int, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    nodes = [Tensor(float(v)) for v in rng.normal(size=4)]
    while len(nodes) < count:
        i, j = rng.integers(max(0, len(nodes) - 12), len(nodes), size=2)
        nodes.append(nodes[i] * 0.5 + nodes[j] if rng.random() < 0.5 else np.tanh(nodes[i]))
    return sum(nodes[-12:], start=nodes[-13])


def test_a_small_graph_stays_flat():
    a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")

    assert story((a + b) * b**3).root.kids == [0, 1, 2, 3, 4]


def test_modules_are_groups_and_equal_ones_a_run():
    loss, net = blocks(12)
    root = story(loss, net, "net").root

    whole, end = (kid for kid in root.kids if isinstance(kid, Cluster))
    run, head = whole.kids
    assert (whole.title, whole.kind) == ("net", "Sequential")
    assert (run.title, run.kind, len(run.kids), run.sealed) == (
        "net.0",
        "12 \N{MULTIPLICATION SIGN} Block",
        12,
        True,
    )
    assert [kid.title for kid in run.kids[:2]] == ["net.0.0", "net.0.1"]
    assert (head.title, head.kind) == ("net.1", "Linear")
    assert (end.title, end.loss) == ("loss", True)


def test_the_loss_is_one_box_with_its_own_constants():
    loss, net = blocks(2)
    told = story(loss, net, "net")
    end = told.root.kids[-1]

    assert isinstance(end, Cluster)
    assert told.boxes[list(end.boxes())[-1]].node is loss


def test_what_repeats_is_a_group_where_there_is_no_module():
    root = story(scalars(20)).root

    kinds = [kid.title for kid in root.kids if isinstance(kid, Cluster)]
    times = "\N{MULTIPLICATION SIGN}"
    assert kinds == [
        f"20 {times} (3 {times} (Multiply, Add), Tanh)",
        f"21 {times} (20 {times} (Multiply, Add), Tanh)",
    ]


@pytest.mark.parametrize(
    "make", [lambda: scalars(17), lambda: random_graph(900), lambda: random_graph(2500, 3)]
)
def test_no_group_is_crowded_and_every_box_has_one_place(make):
    told = story(make())

    inside = list(told.root.boxes())
    assert sorted(inside) == list(range(len(told.boxes)))
    assert max(len(group.kids) for group in told.groups) <= 60


def test_a_chain_of_three_thousand_is_grouped():
    t = Tensor(1.0, name="t")
    for _ in range(1_500):  # deeper than Python calls itself
        t = np.tanh(t) * 0.5
    told = story(t)

    assert len(told.root.kids) <= 40
    assert json.dumps(told.data("chain"))


def test_a_module_called_twice_is_two_groups():
    net = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
    x = np.ones((2, 3), np.float32)
    told = story(np.mean(net(net(x)) ** 2), net, "net")

    assert [kid.title for kid in told.root.kids if isinstance(kid, Cluster)] == ["net", "net", "loss"]


def test_every_link_can_be_followed_through_the_borders():
    """Each arrow between boxes is a chain of arrows: out of groups, across, and into groups."""
    loss, net = blocks(4)
    told = story(loss, net, "net")
    data = told.data("blocks")
    things = data["boxes"] + data["groups"]
    parent = {kid: n for n, thing in enumerate(things) for kid in thing.get("kids", ())}

    def way(n):
        found = [n]
        while found[-1] in parent:
            found.append(parent[found[-1]])
        return found[::-1]

    for target, box in enumerate(data["boxes"]):
        for source in box["i"][::2]:
            above, below = way(source), way(target)
            level = next(k for k, (a, b) in enumerate(zip(above, below, strict=False)) if a != b)
            assert all(source in things[group]["outs"] for group in above[level:-1])
            assert all(source in things[group]["ins"] for group in below[level:-1])
    for thing in data["groups"]:
        plan = data["plans"][thing["plan"]]
        assert len(plan["kids"]) == len(thing["kids"])
        assert len(plan["ins"]) == len(thing["ins"])


def test_equal_layers_share_a_plan():
    loss, net = blocks(12)
    data = story(loss, net, "net").data("blocks")

    assert len(data["plans"]) < 0.6 * len(data["groups"])


def test_names_leave_out_what_the_box_around_them_says():
    loss, net = blocks(4)
    told = Story(loss, net, "net", {id(p): f"net.{path}" for path, p in net.named_parameters()})
    data = told.data("blocks")

    weight = next(box for box in data["boxes"] if box["t"] == "weight" and "(3, 6)" in box["l"])
    assert weight["r"] == 1
    assert [group["t"] for group in data["groups"] if group.get("path") == "net.0.2.inner"] == ["inner"]


def test_the_data_are_the_same_however_often_they_are_asked_for():
    loss, net = blocks(3)
    told = story(loss, net, "net")

    assert told.data("x") == told.data("x")
