"""Updates that are alike: states that go through one formula go through it side by side, as one array."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from clearprop.compiler.plan.fuse import Families, Group
from clearprop.compiler.plan.memory import Plan, side_by_side
from clearprop.compiler.program.ir import Program, State, Value
from clearprop.compiler.program.layout import layout

MOST = 1 << 18  # entries side by side: with longer arrays what a call costs is next to nothing

Ends = dict[Value, State]  # the values that are new contents of Tensors


@dataclass(eq=False)
class Update:
    """What is computed entry by entry for some states and nothing else.

    `arrays` are those that it reads, in the order of their first use. Chains with the same `formula` are the
    same calls on other arrays, with the same numbers: two learning rates are two, though they be equal.
    """

    values: list[Value] = field(default_factory=list)
    arrays: list[Value] = field(default_factory=list)
    formula: Any = None


def bundles(program: Program, plain: Callable[[Value], bool]) -> list[Group]:
    """Return the bundles of a program: two or more chains each, which can run when all else has.

    `plain(v)` is the executor's answer whether it computes a value entry by entry, from numbers and whole
    arrays that stay where they are. What lies between two arrays is computed with as well, be it anything, so
    that no such call may raise or take longer for what it finds.
    """
    ends = {v: state for state, v in program.assignments if state.slot == "value"}
    alike: dict[Any, list[Update]] = {}
    for chain in _chains(program, plain, ends):
        alike.setdefault(chain.formula, []).append(chain)
    found = []
    for chains in alike.values():
        chains.sort(key=lambda chain: chain.values[0].size)
        begins, _ = side_by_side([chain.values[0].size for chain in chains])
        small = [c for c, begin in zip(chains, begins, strict=True) if begin + c.values[0].size <= MOST]
        if len(small) > 1:
            found.append(_bundle(small, ends))
    return found


def _bundle(chains: list[Update], ends: Ends) -> Group:
    bundle = Group("bundle")
    for chain in chains:
        stores = [v for v in chain.values if v in ends]
        part = Group("sweep", chain.values[0].shape, chain.values, reads=chain.arrays, stores=stores)
        bundle.parts.append(part)
        bundle.values += part.values
        bundle.stores += stores
        bundle.reads += part.reads
    numbers = (x for v in chains[0].values for x in v.operands if x.shape == ())
    bundle.reads += dict.fromkeys(numbers)
    return bundle


def _chains(program: Program, plain: Callable[[Value], bool], ends: Ends) -> list[Update]:
    """Follow new contents back, as long as nothing else uses what is computed for them."""
    users, results = program.users(), set(program.results)
    given = {state.key for state, _ in program.assignments}

    def placed(x: Value) -> bool:
        """Whether it is the plan's own to say where an array lies."""
        base = layout(x).base
        return x.shape == () or (base.data.key in given if base.kind == "state" else base.computed)

    inside: set[Value] = set()
    for v in reversed(program.values):
        wanted = v in ends if v in results else bool(users[v])
        if wanted and inside.issuperset(users[v]) and plain(v) and all(map(placed, v.operands)):
            inside.add(v)
    olds = {x.data.key: x for x in program.states}
    families = Families()
    for v in inside:
        for x in v.operands:
            if x.shape != ():
                families.join(v, x if x in inside else layout(x).base)
        if v in ends and ends[v].key in olds:
            families.join(v, olds[ends[v].key])
    chains: dict[Value, Update] = {}
    for v in program.values:
        if v in inside:
            chains.setdefault(families.eldest(v), Update()).values.append(v)
    for chain in chains.values():
        _describe(chain, ends)
    return list(chains.values())


def _describe(chain: Update, ends: Ends) -> None:
    """Note the arrays of a chain, and its formula with them and its values numbered."""
    labels: dict[Value, str] = {}
    lines: list[Any] = []

    def seen(x: Any) -> Any:
        if not isinstance(x, Value):
            return repr(x)
        if x.shape == ():
            return x  # the same number for all
        base = x if x in labels else layout(x).base
        if base not in labels:
            labels[base] = f"array {len(chain.arrays)}"
            chain.arrays.append(base)
            lines.append((base.kind == "state", base.dtype))
        return labels[base]

    for i, v in enumerate(chain.values):
        inputs = tuple([seen(x) for x in v.inputs])
        labels[v] = f"value {i}"
        lines.append((v.op, v.dtype, repr(v.attrs), inputs))
    olds = {x.data.key: labels[x] for x in chain.arrays if x.kind == "state"}
    lines += [(labels[v], olds.get(ends[v].key)) for v in chain.values if v in ends]
    chain.formula = tuple(lines)


def rows_of(bundle: Group) -> list[list[Value]]:
    """Return what has to lie side by side: the first array of each part, the second of each, and so on."""
    arrays = [[*(layout(x).base for x in part.reads), *part.stores] for part in bundle.parts]
    return [list(row) for row in zip(*arrays, strict=True)]


def rows_in(plan: Plan) -> tuple[list[list[Value]], list[Group]]:
    """Return the arrays, by their homes, that a plan's bundles want side by side, and the bundles that cannot
    have that.

    Each may have the same neighbours only, wherever a bundle has it, and a row is all states or none.
    """
    rows: dict[Value, list[Value]] = {}
    misfits = []
    for bundle in plan.groups:
        wanted = [[plan.home(x) for x in row] for row in rows_of(bundle)]
        stored = [plan.home(v).kind == "state" for v in bundle.stores]
        kinds = [len({home.kind == "state" for home in row}) for row in wanted]
        if bundle.parts and not (
            all(stored) and max(kinds) == 1 and all(rows.get(x, row) == row for row in wanted for x in row)
        ):
            misfits.append(bundle)
        else:
            for row in wanted:
                rows |= dict.fromkeys(row, row)
    return [list(row) for row in {tuple(row): None for row in rows.values()}], misfits
