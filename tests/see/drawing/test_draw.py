"""Drawings: files, notebooks, folded modules."""

import base64
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn, registry
from clearprop.graph import topological_order
from clearprop.see.drawing.draw import draw
from clearprop.see.drawing.folding import folds, membership
from clearprop.testing import cases


def lecture() -> Tensor:
    a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    e = (a + b) * b**3
    e.backward()
    return e


def deep(layers: int) -> tuple[nn.Module, Tensor]:
    parts = [part for _ in range(layers) for part in (nn.Linear(8, 8), nn.Tanh())]
    net = nn.Sequential(*parts)
    loss = np.mean(net(np.ones((5, 8), np.float32)) ** 2)
    loss.backward()
    return net, loss


def test_draw_is_a_public_name():
    assert clearprop.draw is draw


def test_saves_svg_html_and_text(tmp_path):
    drawing = draw(lecture())

    svg = drawing.save(tmp_path / "e.svg").read_text()
    html = drawing.save(tmp_path / "e.html").read_text()
    text = drawing.save(str(tmp_path / "e.txt")).read_text()

    ElementTree.fromstring(svg)
    assert html.startswith("<!DOCTYPE html>")
    assert text.startswith("╭ a ─")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.html", "e.svg", "e.txt"]


def test_saves_png(tmp_path):
    pytest.importorskip("cairosvg", exc_type=(ImportError, OSError))  # OSError: without the library cairo

    path = draw(lecture()).save(tmp_path / "e.png")

    assert path.read_bytes().startswith(b"\x89PNG")


def test_png_without_its_converter_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cairosvg", None)

    with pytest.raises(ImportError) as caught:
        draw(lecture()).save(tmp_path / "e.png")

    assert str(caught.value) == (
        "draw(...).to_png(): wants a converter from SVG to PNG: cairosvg is not installed.\n"
        "  Try pip install 'clearprop[png]', or save('graph.svg'), which needs nothing."
    )
    assert list(tmp_path.iterdir()) == []


def test_png_without_the_library_cairo_names_it(tmp_path, monkeypatch):
    (tmp_path / "lost").mkdir()
    (tmp_path / "lost" / "cairosvg.py").write_text('raise OSError("no library called cairo-2 was found")')
    monkeypatch.syspath_prepend(tmp_path / "lost")
    monkeypatch.delitem(sys.modules, "cairosvg", raising=False)

    with pytest.raises(
        ImportError, match=r"cairosvg finds no library cairo\.\n  Try apt install libcairo2, or"
    ):
        draw(lecture()).to_png()


def test_an_unknown_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"writes \.svg \.png \.html \.txt: \.gif\."):
        draw(lecture()).save(tmp_path / "e.gif")


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "e.svg"
    path.write_text("old")
    drawing = draw(lecture())

    def broken(*args):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(OSError, match="disk full"):
        drawing.save(path)

    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["e.svg"]


def test_something_that_is_no_tensor_is_refused():
    with pytest.raises(TypeError) as caught:
        draw(nn.Linear(2, 1))

    assert str(caught.value) == (
        "draw(t): wants a Tensor, the output of a graph: Linear.\n  Try draw(model(x), model)."
    )


def test_a_notebook_gets_a_picture_and_a_terminal_gets_text():
    drawing = draw(lecture())

    assert drawing._repr_svg_().startswith("<svg")
    kept = re.search(r'src="data:image/svg\+xml;base64,([^"]*)"', drawing._repr_html_()).group(1)
    assert base64.b64decode(kept).decode() == drawing._repr_svg_()
    assert repr(drawing).startswith("╭ a ─")


def test_a_large_drawing_is_not_printed_by_repr():
    t = Tensor(1.0)
    for _ in range(100):
        t = t + 1

    assert repr(draw(t)) == "<Drawing of 101 boxes, 100 arrows: save('x.svg')>"


def test_drawing_changes_nothing():
    e = lecture()
    before = [(node.value, node.grad, node.name) for node in topological_order(e)]

    draw(e).to_html()

    assert [(node.value, node.grad, node.name) for node in topological_order(e)] == before


def test_a_graph_of_gradients_can_be_drawn():
    x = Tensor(2.0, name="x")
    (x**3).backward(create_graph=True)

    assert draw(x.grad).layout.boxes


def test_modules_are_folded_into_one_box_each():
    net = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))
    loss = np.mean(net(np.ones((4, 3), np.float32)) ** 2)
    loss.backward()

    boxes = draw(loss, net).layout.boxes

    modules = [(box.title, box.note, box.footer) for box in boxes if box.kind == "module"]
    assert modules == [("net.0", "Linear", "8 parameters"), ("net.2", "Linear", "3 parameters")]
    assert [box.title for box in boxes if box.kind == "middle"] == ["Tanh", "Power"]


def test_depth_and_expand_open_modules():
    net = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))
    loss = np.mean(net(np.ones((4, 3), np.float32)))

    def modules(**how) -> list[str]:
        return [box.title for box in draw(loss, net, **how).layout.boxes if box.kind == "module"]

    assert modules(depth=0) == ["net"]
    assert modules(depth=1) == ["net.0", "net.2"]
    assert modules(depth=2) == []
    assert modules(expand="0") == ["net.2"]
    assert modules(expand=["net.0"], depth=0) == ["net.2"]
    assert modules(expand="all") == []


def test_fifty_layers_fit_on_a_page():
    net, loss = deep(50)

    drawing = draw(loss, net)

    run = next(box for box in drawing.layout.boxes if "…" in box.title)
    assert (run.title, run.note) == ("net.2 … 97", "48 \N{MULTIPLICATION SIGN} (Linear, Tanh)")
    assert len(drawing.layout.boxes) <= 12
    assert drawing.layout.width < 1800


def test_a_large_graph_finds_its_model_among_the_variables():
    net, loss = deep(20)

    assert any(box.kind == "module" for box in draw(loss).layout.boxes)
    assert net is not None


class Twice(nn.Module):
    """One layer used two times, with an op in between that is not part of it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(np.tanh(self.layer(x)))


def test_a_module_called_twice_is_two_boxes_and_its_parameters_stand_outside():
    net = Twice()
    loss = np.mean(net(np.ones((2, 4), np.float32)))

    boxes = draw(loss, net).layout.boxes

    assert [box.title for box in boxes if box.kind == "module"] == ["net.layer", "net.layer"]
    assert [box.title for box in boxes if box.kind == "input"] == ["net.layer.weight", "net.layer.bias"]


def test_without_notes_of_calls_nodes_belong_to_the_module_whose_parameters_they_use():
    net, loss = deep(2)
    for module in net.modules():
        module._made.clear()
    order = topological_order(loss)

    paths = {path for path, _ in membership(order, net).values()}
    folded = [fold.path for fold in folds(order, net, depth=1)]

    assert paths == {"", "0", "2"}
    assert {"0", "2"} <= set(folded)


def test_folding_never_makes_arrows_run_in_a_circle():
    class Tangled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 3)

        def forward(self, x):
            return self.inner(x)

    net = Tangled()
    x = np.ones((2, 3), np.float32)
    loss = np.mean(net(np.tanh(net(x))))  # the root is left and entered again

    assert draw(loss, net, depth=0).layout.boxes


@pytest.mark.parametrize("name", [op.name for op in registry.ops.values() if op.differentiable])
def test_every_op_can_be_drawn_before_and_after_its_backward_pass(name):
    for place, case in enumerate(cases(registry.ops[name])):
        output = case.function(*(Tensor(x) if np.asarray(x).dtype.kind in "fc" else x for x in case.inputs))
        for part in output if isinstance(output, (tuple, list)) else (output,):
            if part.requires_grad and place:  # before it, one case of an op is drawn as another is
                part.backward(np.ones(part.shape))
            ElementTree.fromstring(draw(part).to_svg())
            assert draw(part).to_text(width=200)
            if part.requires_grad and not place:
                part.backward(np.ones(part.shape))
                ElementTree.fromstring(draw(part).to_svg())
                assert draw(part).to_text(width=200)


def test_drawing_costs_nothing_until_it_is_used():
    code = (
        "import sys, clearprop, numpy; (clearprop.Tensor(2.0) * 3).backward(); "
        "print(sorted(m for m in sys.modules if m.startswith('clearprop.see')))"
    )

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert shown.strip() == "[]"


def test_masks_stand_in_the_box_of_the_module_that_works_with_them():
    net = nn.Sequential(*[nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)) for _ in range(12)])
    drawing = draw(np.sum(net(np.ones((2, 4)))), net)

    assert "mask" not in drawing.to_text()
