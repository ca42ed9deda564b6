"""An executor's own copy of a program: each value in the form it runs, views that are only strides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clearprop.compiler.program.ir import PlannedForm, Program, Value, reachable
from clearprop.compiler.program.layout import layout, whole


class Add:
    """Puts values before the one that needs them; called with one that is there already, it returns that."""

    def __init__(self, values: list[Value]) -> None:
        self.values = values
        self.users: dict[Value, int] = {}  # how many values of the program use each that is there
        self.factors: dict[
            Value, int
        ] = {}  # and how many contractions multiply others with it, from the right
        self._copies: dict[Any, Value] = {}

    def __call__(self, v: Value) -> Value:
        key = (v.op, v.inputs, v.shape, v.form, *v.attrs.items()) if v.core.copies else v
        if key not in self._copies:
            self._copies[key] = v
            self.values.append(v)
        return self._copies[key]


def prepared(program: Program, form: Callable[[Value, Add], Value]) -> Program:
    """Return a copy of the program in which memory is plain.

    - No view needs a copy: it looks at one instead (`positive`, which gives its operand's entries).
    - What is assigned is computed, and assigned once.
    - What is returned is the caller's own: no state that changes, no memory of an argument or constant.
      (An argument that is returned as it came is no output.)
    - `form(v, add)` says what a computed value is to the executor; `add` puts a value before it.
    """
    new: dict[Value, Value] = {}
    result = Program()

    def add(v: Value) -> Value:
        result.values.append(v)
        return v

    share, users = Add(result.values), program.users()
    needed = set(reachable(program.results))
    for v in program.values:
        if v not in needed and v.kind != "argument":
            continue
        inputs = tuple([new[x] if isinstance(x, Value) else x for x in v.inputs])
        clone = Value(v.kind, v.shape, v.dtype, v.op, inputs, v.attrs, v.data, v.name, v.line, why=v.why)
        if clone.is_view:
            if layout(clone).base is clone:
                clone.inputs, clone.lies = (add(copied(inputs[0])),), None
        elif clone.computed:
            clone = form(clone, share)
        new[v] = add(clone)
        using = [user for user in users[v] if user in needed]
        share.users[clone] = len(using)
        share.factors[clone] = sum(u.core.family == "contract" and u.inputs[1] is v for u in using)
    changed = {state.key for state, v in program.assignments if v.kind != "state" or v.data.key != state.key}
    for v in program.outputs:
        base = layout(new[v]).base
        lent = base.kind in ("argument", "constant") or (base.kind == "state" and base.data.key in changed)
        result.outputs.append(add(copied(new[v])) if lent and base.shape else new[v])
    result.checks = [new[v] for v in program.checks]
    given: set[Value] = set()
    for state, v in program.assignments:
        if state.key not in changed:
            continue  # keeps what it has
        x = new[v]
        if not whole(x) or not layout(x).base.computed or layout(x).base in given:
            x = add(copied(x))
        given.add(layout(x).base)
        result.assignments.append((state, x))
    result.prune()  # what a form has left without users
    return result


def copied(x: Value, form: PlannedForm | None = None) -> Value:
    """Return a value with the entries of `x` in an array of its own."""
    return Value("op", x.shape, x.dtype, "positive", (x,), line=x.line, form=form)
