"""Which nodes belong to which module of a model, and which modules are folded into one box."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clearprop.tensor import Tensor

COMFORTABLE = 40  # boxes that can be taken in at a glance
_SHORTEST_RUN = 4  # equal modules in a row that share one box


@dataclass(eq=False)
class FoldedModule:
    """Nodes that are drawn as one box: a module's, or those of a run of equal modules."""

    path: str
    title: str
    """What the box is called: the module's path, with the model's name in front where that is known."""
    kind: str
    """The module's class, and for a run how many there are."""
    members: list[Tensor] = field(default_factory=list)
    parameters: int = 0
    parts: tuple[FoldedModule, ...] = ()
    """The modules of a run."""


def folds(
    order: Sequence[Tensor],
    model: Any,
    depth: int | None = None,
    expand: Iterable[str] | str = (),
    prefix: str = "",
) -> list[FoldedModule]:
    """Return the folded modules of a graph whose nodes are `order`.

    Modules down to level `depth` are open, those named in `expand` too, with all that hold them;
    `expand="all"` opens everything. Without a depth one level is open if that is readable. A module with a
    single op is drawn as that op.
    """
    opened = [expand] if isinstance(expand, str) else list(expand)
    if "all" in opened:
        return []
    opened = [path.removeprefix(prefix + ".") if prefix else path for path in opened]
    paths = membership(order, model)
    if depth is not None:
        return _folded(order, model, paths, depth, opened, prefix)
    found = _folded(order, model, paths, 1, opened, prefix)
    hidden = sum(len(fold.members) for fold in found)
    return (
        found
        if len(order) - hidden + len(found) <= COMFORTABLE
        else _folded(order, model, paths, 0, opened, prefix)
    )


def calls(order: Sequence[Tensor], model: Any) -> dict[Tensor, list[tuple[str, int]]]:
    """Return, for every node made inside `model`, the calls it was made in, the outermost first: the path of
    the module and the number of its call.

    Modules note the serial numbers between which their calls made nodes; where they did not, a node belongs
    to the module whose parameters it uses, and the nodes between those to the model itself.
    """
    modules = dict(model.named_modules())
    spans = sorted(
        (start, -stop, path, call)
        for path, module in modules.items()
        for call, (start, stop) in enumerate(module.latest_calls)
    )
    inside = _by_span(order, spans)
    if inside:
        return inside
    owned = _by_parameters(order, _owners(model))
    return {node: [(above, 0) for above in _ways(path)] for node, (path, _) in owned.items()}


def _ways(path: str) -> list[str]:
    """Return a path and all above it: `["", "net", "net.0"]`."""
    names = path.split(".") if path else []
    return [".".join(names[:n]) for n in range(len(names) + 1)]


def _owners(model: Any) -> dict[int, str]:
    """Return the path of the module that each parameter and buffer belongs to."""
    tensors = (*model.named_parameters(), *model.named_buffers())
    return {id(tensor): path.rpartition(".")[0] for path, tensor in tensors}


def membership(order: Sequence[Tensor], model: Any) -> dict[Tensor, tuple[str, int]]:
    """Return, for every node made inside `model`, the path of its innermost module and the number of the
    call; see `calls`.
    """
    inside = {node: stack[-1] for node, stack in calls(order, model).items()}
    owner = _owners(model)
    for node in order:
        if id(node) in owner:
            inside[node] = (owner[id(node)], 0)
    return inside


def _by_span(
    order: Sequence[Tensor], spans: list[tuple[int, int, str, int]]
) -> dict[Tensor, list[tuple[str, int]]]:
    inside: dict[Tensor, list[tuple[str, int]]] = {}
    waiting = iter(spans)
    following = next(waiting, None)
    active: list[tuple[int, str, int]] = []
    for node in order:
        if node.op is None:
            continue
        while following is not None and following[0] < node.serial:
            while active and active[-1][0] <= following[0]:  # left before the next one was entered
                active.pop()
            active.append((-following[1], following[2], following[3]))
            following = next(waiting, None)
        while active and active[-1][0] < node.serial:
            active.pop()
        if active:
            inside[node] = [(path, call) for _, path, call in active]
    return inside


def _by_parameters(order: Sequence[Tensor], owner: dict[int, str]) -> dict[Tensor, tuple[str, int]]:
    source: dict[int, str] = dict(owner)  # of nodes computed from parameters alone
    inside: dict[Tensor, tuple[str, int]] = {}
    for node in order:
        if node.op is None:
            continue
        users_of = [source[id(x)] for x in node.inputs if id(x) in source]
        if users_of:
            inside[node] = (users_of[-1], 0)
        if users_of and all(isinstance(x, Tensor) and id(x) in source for x in node.inputs):
            source[id(node)] = users_of[-1]
    if inside:
        first, last = min(n.serial for n in inside), max(n.serial for n in inside)
        for node in order:
            if node.op is not None and node not in inside and first < node.serial < last:
                inside[node] = ("", 0)
    return inside


def _folded(
    order: Sequence[Tensor],
    model: Any,
    paths: dict[Tensor, tuple[str, int]],
    depth: int,
    opened: list[str],
    prefix: str,
    runs: bool = True,
) -> list[FoldedModule]:
    modules = dict(model.named_modules())
    groups: dict[tuple[str, int], FoldedModule] = {}
    of: dict[Tensor, FoldedModule] = {}
    for node in order:
        closed = _closed(paths[node][0], depth, opened) if node in paths and node.op is not None else None
        if closed is not None:
            key = (closed, paths[node][1] if closed == paths[node][0] else 0)
            module = modules[closed]
            title = ".".join(name for name in (prefix, closed) if name)
            made = FoldedModule(closed, title, type(module).__name__, [], module.count_parameters())
            fold = groups.setdefault(key, made)
            fold.members.append(node)
            of[node] = fold
    _take_in_leaves(order, paths, of)
    found = list(groups.values())
    if runs:
        found = _runs(found, modules)
    return _without_circles(order, [fold for fold in found if len(fold.members) > 1])


def _closed(path: str, depth: int, opened: list[str]) -> str | None:
    """Return the outermost module on the way to `path` that is not open."""
    names = path.split(".") if path else []
    for level in range(len(names) + 1):
        here = ".".join(names[:level])
        below = here + "." if here else ""
        if level >= depth and not any(o == here or o.startswith(below) for o in opened):
            return here
    return None


def _take_in_leaves(
    order: Sequence[Tensor], paths: dict[Tensor, tuple[str, int]], of: dict[Tensor, FoldedModule]
) -> None:
    """Put a parameter or a mask into the box of the module that uses it, unless somebody else uses it too."""
    users: dict[Tensor, set[FoldedModule | None]] = {}
    for node in order:
        for x in node.inputs:
            if isinstance(x, Tensor):
                users.setdefault(x, set()).add(of.get(node))
    for node in order:
        using = users.get(node, set())
        own = node in paths or node.dtype.kind == "b"  # whoever draws a mask, the module alone works with it
        if node.op is None and own and len(using) == 1:
            fold = next(iter(using))
            if fold is not None:
                fold.members.append(node)


def _runs(groups: list[FoldedModule], modules: Mapping[str, Any]) -> list[FoldedModule]:
    """Join the middle of a run of equal modules, or of a pattern of up to four: a deep network's many blocks.

    The first and the last of the run stay as they are, so that their gradients can be compared.
    """
    by_parent: dict[str, list[FoldedModule]] = {}
    for fold in groups:
        parent, _, name = fold.path.rpartition(".")
        if name.isdigit():
            by_parent.setdefault(parent, []).append(fold)
    joined: list[FoldedModule] = []
    for parent, row in by_parent.items():
        signs = [likeness_of(modules[fold.path]) for fold in row]
        start = 0
        while start < len(row):
            period, times = _repeats(signs, start)
            middle = row[start + period : start + period * (times - 1)]
            if times >= _SHORTEST_RUN:
                joined.append(_join(parent, middle, period))
                start += period * times
            else:
                start += 1
    within = {id(part) for fold in joined for part in fold.parts}
    return [fold for fold in groups if id(fold) not in within] + joined


def _repeats(signs: list[Any], start: int) -> tuple[int, int]:
    """Return the pattern length, and how often it repeats from `start` on, that cover most."""
    best = (1, 1)
    for period in range(1, 5):
        pattern, times = signs[start : start + period], 1
        while (
            len(pattern) == period and signs[start + period * times : start + period * (times + 1)] == pattern
        ):
            times += 1
        if times >= _SHORTEST_RUN and period * times > best[0] * best[1]:
            best = (period, times)
    return best


def likeness_of(module: Any) -> tuple[Any, ...]:
    """Return what equal modules share: the class, and the paths and shapes of the parameters."""
    return (type(module).__name__, *((path, p.shape) for path, p in module.named_parameters()))


def _join(parent: str, row: list[FoldedModule], period: int) -> FoldedModule:
    pattern = ", ".join(fold.kind for fold in row[:period])
    kind = f"{len(row) // period} \u00d7 ({pattern})" if period > 1 else f"{len(row)} \u00d7 {pattern}"
    title = f"{row[0].title} … {row[-1].path.rpartition('.')[2]}"
    members = [node for fold in row for node in fold.members]
    return FoldedModule(parent, title, kind, members, sum(fold.parameters for fold in row), tuple(row))


def _without_circles(order: Sequence[Tensor], found: list[FoldedModule]) -> list[FoldedModule]:
    """Open the modules whose boxes would have arrows running in a circle (a module entered, left and
    entered again).
    """
    while True:
        of = {node: fold for fold in found for node in fold.members}
        circular = _circular(order, of)
        if not circular:
            return found
        found = [fold for fold in found if fold not in circular]


def _circular(order: Sequence[Tensor], of: dict[Tensor, FoldedModule]) -> set[FoldedModule]:
    things = {of.get(node, node) for node in order}
    arrows = set(_arrows(order, of))
    backward = {(target, source) for source, target in arrows}
    left = _unreached(things, arrows) & _unreached(things, backward)
    return {thing for thing in left if isinstance(thing, FoldedModule)}


def _unreached(things: set[Any], arrows: set[tuple[Any, Any]]) -> set[Any]:
    """Return what a topological order never comes to: the circles and what lies after them."""
    users: dict[Any, list[Any]] = {}
    waiting = dict.fromkeys(things, 0)
    for source, target in arrows:
        users.setdefault(source, []).append(target)
        waiting[target] += 1
    ready = [thing for thing, n in waiting.items() if n == 0]
    for thing in ready:  # grows while it is walked
        for user in users.get(thing, ()):
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    return things.difference(ready)


def _arrows(order: Sequence[Tensor], of: dict[Tensor, FoldedModule]) -> Iterator[tuple[Any, Any]]:
    for node in order:
        target = of.get(node, node)
        for x in node.inputs:
            if isinstance(x, Tensor) and of.get(x, x) is not target:
                yield of.get(x, x), target
