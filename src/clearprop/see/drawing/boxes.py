"""What stands in the boxes of a drawing: titles, values, gradients, and how much room they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.backward import sent
from clearprop.see.columns import clipped, columns
from clearprop.see.drawing.pictures import Picture, align, picture
from clearprop.see.numbers import number, summary
from clearprop.tensor import Tensor, raw

ROW, PAD, GLYPH, SMALL_GLYPH = (
    25.0,
    10.0,
    7.53,
    6.35,
)  # heights and widths in pixels; a glyph is one character
CAPTION = 17.0
_UNNAMED = "·"
_LONGEST_TITLE, _LONGEST_LINE = 44, 72  # characters of a first line that are drawn
_NARROW_TITLE, _NARROW_LINE = 32, 34  # in a narrow box
_SHORTEST = 6


@dataclass(slots=True)
class Box:
    """One box: what it shows, and once it is placed the corner `(x, y)` and size `(w, h)` of it.

    `kind` is `input`, `constant`, `middle`, `output` or `module` (a folded one, with the nodes it
    stands for in `members`). `title` and `note` stand at the left of the first line,
    `label` or `value` at its right, `grad` below and `footer` last; an array has pictures of its value and
    gradient.
    """

    id: str
    node: Any
    kind: str
    title: str
    name: str = ""
    note: str = ""
    label: str = ""
    footer: str = ""
    value: str = ""
    grad: str = ""
    value_picture: Picture | None = None
    grad_picture: Picture | None = None
    members: tuple[Any, ...] = ()
    path: str = ""
    x: float = 0.0
    y: float = 0.0
    w: float = 0.0
    h: float = 0.0
    rank: int = 0
    alarm: bool = False
    """Whether a NaN or an infinity stands in it."""

    @property
    def heading(self) -> str:
        """The first line as text: op, name and note."""
        return " ".join(part for part in (self.title, self.name, self.note) if part)

    def head(self, narrow: bool = False) -> tuple[str, str]:
        """Return title and rest of a first line as they are drawn: what is too long is cut in the middle."""
        most, line = (_NARROW_TITLE, _NARROW_LINE) if narrow else (_LONGEST_TITLE, _LONGEST_LINE)
        title = clipped(self.title, most)
        rest = " ".join(part for part in (self.name, self.note) if part)
        return title, clipped(rest, max(line - columns(title) - 1, _SHORTEST))


@dataclass(slots=True)
class Link:
    """An arrow that has no place yet."""

    id: str
    source: str
    target: str
    index: int


Texts = Callable[[Tensor], str]
Users = Mapping[Tensor, list[tuple[Tensor, int]]]


def is_number(x: Any) -> bool:
    """Tell whether an input is a plain number (or None, or text), shown inside the box of its op."""
    return not isinstance(x, Tensor) and np.ndim(x) == 0


def array_box(id: str, value: Any, name: str) -> Box:
    """Return the box of a plain array that an op was given."""
    box = Box(id, None, "constant", name or "data")
    show_array(box, np.asarray(value), None)
    return measure(box)


def node_box(
    id: str,
    node: Tensor,
    output: Tensor,
    names: Mapping[int, str],
    users: Users,
    grad_text: Texts | None = None,
    value_text: Texts | None = None,
    grads: Mapping[Tensor, Any] | None = None,
) -> Box:
    """Return the box of one node, measured but not placed."""
    name = names.get(id_of(node), "") or node.name or ""
    if node.op is None:
        kind = "input" if node.requires_grad else "constant"
        box = Box(id, node, kind, name or ("input" if node.requires_grad else "constant"))
    else:
        box = Box(id, node, "middle", title_of(node), name, note_of(node, names))
        if name and box.note and "=" not in box.note:
            box.note = "= " + box.note
    if node is output:
        box.kind = "output"
    grad = raw(node.grad if grads is None else grads.get(node))
    if np.ndim(node._value) == 0:
        box.value = f"value={number(node._value)}"
        box.grad = _sum_text(grad, users.get(node, [])) if node.requires_grad else ""
    else:
        show_array(box, node._value, grad)
        if node.requires_grad and grad is None:
            box.grad = "grad=?"
    box.alarm = not (_finite(node._value) and _finite(grad))
    if value_text is not None:
        box.value = value_text(node)
    if grad_text is not None:
        box.grad = grad_text(node)
    return measure(box)


def id_of(node: Any) -> int:
    """Return the key under which a node's name is kept."""
    return id(node)


def _finite(array: Any) -> bool:
    if array is None or isinstance(array, (tuple, list)):
        return True
    array = np.asarray(array)
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def show_array(box: Box, value: Any, grad: Any) -> None:
    """Fill in an array's label, captions and pictures."""
    box.label = f"{shape_text(value)} {value.dtype}"
    box.value_picture = picture(value)
    shown = box.value_picture is not None and box.value_picture.kind == "cells"
    box.value = "value" if shown else f"value {summary(value)}"
    if grad is not None and not isinstance(grad, (tuple, list)):
        box.grad_picture = picture(grad)
        box.grad = "grad" if box.grad_picture is not None and box.grad_picture.kind == "cells" else (
            f"grad {summary(grad)}"
        )  # fmt: skip
    if stacked(box) and box.value_picture and box.grad_picture:  # entry above entry
        align(box.value_picture, box.grad_picture)


def shape_text(value: Any) -> str:
    """Return a shape as NumPy writes it.

    >>> shape_text(np.ones((64, 20))), shape_text(np.ones(3))
    ('(64, 20)', '(3,)')
    """
    return str(np.shape(value))


def title_of(node: Tensor) -> str:
    """Return the op's name as the head of its box: `log_softmax` becomes `Log softmax`."""
    if node.op is None:
        return ""
    return node.op.name.replace("_", " ").capitalize()


def note_of(node: Tensor, names: Mapping[int, str]) -> str:
    """Return the op written out where that says more than its arrows: with its numbers and attributes.

    >>> b = Tensor(3.0, name="b")
    >>> note_of(b**3, {}), note_of(b + b, {})
    ('b ** 3', 'b + b')
    >>> note_of(Tensor([[1.0, 2.0]]).sum(axis=0), {}), note_of(b * Tensor(2.0, name="a"), {})
    ('axis=0', '')
    """
    op = node.op
    if op is None:
        return ""
    said = {k: v for k, v in node.attrs.items() if k not in op.facts.quiet}
    attrs = {k: v for k, v in said.items() if k not in op.defaults or not _same(v, op.defaults[k])}
    constants = [x for x in node.inputs if is_number(x) and x is not None]
    repeated = len(node.inputs) > len({id(x) for x in node.inputs})
    if not attrs and not constants and not repeated:
        return ""
    words = [_operand(x, names) for x in node.inputs if x is not None]
    if op.facts.sign and op.facts.sign != "[]" and len(words) == 2:
        return f"{words[0]} {op.facts.sign} {words[1]}"
    if op.facts.sign == "[]":
        return f"{words[0]}[{_index_text(attrs.get('index', ()), words[1:])}]"
    settings = [f"{k}={_attr_text(v)}" for k, v in attrs.items()]
    if not constants:
        return _cut(" ".join(settings), 34)
    return _cut(f"{op.name}({', '.join(words + settings)})", 34)


def _same(a: Any, b: Any) -> bool:
    return a is b or (
        type(a) is type(b) and repr(a) == repr(b)
    )  # `==` of what holds arrays is no truth value


def _operand(x: Any, names: Mapping[int, str]) -> str:
    if isinstance(x, Tensor):
        return names.get(id(x), "") or x.name or _UNNAMED
    if is_number(x) and not isinstance(x, str):
        return number(np.asarray(x)[()])
    return names.get(id(x), _UNNAMED)


def _index_text(index: Any, arrays: list[str]) -> str:
    rest = iter(arrays)
    return _cut(", ".join(_index_entry(entry, rest) for entry in index), 20)


def _index_entry(entry: Any, arrays: Any) -> str:
    if isinstance(entry, slice):
        start, stop, step = ("" if t is None else str(t) for t in (entry.start, entry.stop, entry.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    if entry is Ellipsis:
        return "..."
    if entry is None or isinstance(entry, (int, np.integer)):
        return str(entry)
    return next(arrays, _UNNAMED)


def _attr_text(value: Any) -> str:
    return f"array {shape_text(value)}" if isinstance(value, np.ndarray) else _cut(str(value), 16)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _sum_text(grad: Any, users: list[tuple[Tensor, int]]) -> str:
    """Return `grad=270+27=297` where several users sent something and it adds up, else the gradient alone."""
    if grad is None:
        return "grad=?"
    if 2 <= len(users) <= 3 and all(user.grad is not None and user.op is not None for user, _ in users):
        amounts = [sent(user, i, raw(user.grad)) for user, i in sorted(users, key=lambda use: -use[0].serial)]
        if all(d is not None for d in amounts) and sum(amounts) == grad:
            terms = "+".join(f"({number(d)})" if d < 0 else number(d) for d in amounts)
            return f"grad={terms}={number(grad)}"
    return f"grad={number(grad)}"


def measure(box: Box, narrow: bool = False) -> Box:
    """Give a box the width and height that its lines and pictures need.

    In a `narrow` one, what stands at the right of the first line has a line of its own, and a gradient stands
    below its value.
    """
    right = box.label or box.value
    w, h = columns(" ".join(filter(None, box.head(narrow)))) * GLYPH + 2 * PAD, ROW
    if right:
        wide = columns(right) * (SMALL_GLYPH if box.label else GLYPH) + 2 * PAD
        w, h = (max(w, wide), 2 * ROW) if narrow else (w + wide, ROW)
    if box.label:
        body_width, body_height = body_size(box, narrow)
        w, h = max(w, body_width), h + body_height
        if box.footer:
            w, h = max(w, len(box.footer) * SMALL_GLYPH + 2 * PAD), h + 18.0
    elif box.grad:
        w, h = max(w, len(box.grad) * GLYPH + 2 * PAD), h + ROW
    box.w, box.h = max(w, 64.0), h
    return box


def stacked(box: Box) -> bool:
    """Tell whether the value stands above the gradient, as vectors do, rather than beside it."""
    shown = box.value_picture
    return shown is None or shown.kind == "line" or (shown.kind == "cells" and len(shown.rows) == 1)


def body_size(box: Box, narrow: bool = False) -> tuple[float, float]:
    """Return the room that an array's value and gradient need below the first line."""
    cells = [
        (len(text) * SMALL_GLYPH, shown)
        for text, shown in ((box.value, box.value_picture), (box.grad, box.grad_picture))
        if text
    ]
    if not cells:
        return 0.0, 0.0
    if stacked(box):
        widths = [w + (shown.width + PAD if shown else 0.0) + 2 * PAD for w, shown in cells]
        heights = [max(20.0, shown.height + 6.0 if shown else 0.0) for _, shown in cells]
        caption = max(w for w, _ in cells)
        pictures = max((shown.width for _, shown in cells if shown), default=0.0)
        return max(*widths, caption + pictures + 3 * PAD), sum(heights) + 4.0
    widths = [max(w, shown.width if shown else 0.0) + 2 * PAD for w, shown in cells]
    heights = [CAPTION + (shown.height if shown else 0.0) + 8.0 for _, shown in cells]
    return (max(widths), sum(heights)) if narrow else (sum(widths), max(heights))
