"""Who may import whom: inside every folder as well as between them, an arrow that points up is a mistake."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

import clearprop

ROOT = Path(clearprop.__file__).parent

# From the ground up: each may import what stands before it. An import inside a function may reach further: it
# is how a reader is called when somebody asks for it by name (`t.backward()`, `fit(compile=True)`).
ORDER = {
    "": (
        "ending locks errors advice adding rows arguments hints facts marks files modes lines registry "
        "structure ufunc refusal examined rebinding showing updates sharing tensor leaves sources away graph "
        "op orders define record batch ops hooks tree kept downstream backward loops transforms clipping "
        "numpy scipy nn optim data interop parallel typed see testing check diagnosis homework compiler "
        "train play shipping lessons sklearn torch coverage __init__ cli __main__"
    ),
    "see": "columns readable document words frame numbers names algebra layout drawing tiles page step "
    "summaries gallery __init__",
    "compiler": "program plan engines capture proof explain step __init__",
    "compiler/engines": "js plain numpy llvm xla executors __init__",
    "compiler/engines/js": "kinds loops symbols entries writers script __init__",
    "compiler/engines/llvm": "language loops products plan doorstep turns writing executor light "
    "freestanding __init__",
}
# What does not look at what, though it stands above it.
APART = {
    "ops": {"backward"},
    "backward": {"ops"},
    "optim": {"nn"},
    "data": {"nn", "optim", "ops", "tensor"},
    "typed": {"nn", "optim", "data", "interop"},
    "see": {"nn", "optim", "data", "interop"},
    "check": {"nn", "optim", "data", "interop"},
    "diagnosis": {"nn", "optim", "data", "interop"},
    "homework": {"nn", "optim", "data", "interop", "diagnosis"},
    "compiler": {"nn", "optim", "data", "interop", "see", "check", "typed", "diagnosis", "homework"},
    "train": {"see", "check", "compiler", "diagnosis", "homework", "typed"},
}


def names(path: Path) -> tuple[str, ...]:
    return path.relative_to(ROOT).with_suffix("").parts


MODULES = {names(p): p for p in sorted(ROOT.rglob("*.py"))}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def nodes(tree: ast.AST) -> list[ast.AST]:
    return [*ast.walk(tree)]


def imports(tree: ast.AST, late: bool = False, inside: bool = False):
    """Yield the dotted names that a module imports at its top, or with `late` inside its functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.expr):
            continue  # an import is a statement, and an expression holds none
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "clearprop":
            if inside is late:
                yield from (f"{node.module}.{a.name}" for a in node.names)
        elif isinstance(node, ast.Import):
            if inside is late:
                yield from (a.name for a in node.names if a.name.split(".")[0] == "clearprop")
        else:
            function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            yield from imports(node, late, inside or function)


def target(dotted: str) -> tuple[str, ...]:
    """The module that an imported name belongs to: itself, or what it is taken from."""
    parts = tuple(dotted.split(".")[1:])
    for found in (parts, (*parts, "__init__"), parts[:-1], (*parts[:-1], "__init__")):
        if found in MODULES:
            return found
    raise AssertionError(f"nothing is called {dotted}")


@cache
def arrows() -> dict[str, dict[tuple[str, str], str]]:
    """For each folder the arrows between what lies in it, each with one import that makes it."""
    found: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    for here, path in MODULES.items():
        for dotted in imports(parsed(path)):
            there = target(dotted)
            depth = next((i for i, (a, b) in enumerate(zip(here, there, strict=False)) if a != b), len(here))
            if depth < len(here) and depth < len(there):
                found["/".join(here[:depth])].setdefault(
                    (here[depth], there[depth]), f"{path.relative_to(ROOT)} imports {dotted}"
                )
    return found


FOLDERS = sorted({"/".join(name[:depth]) for name in MODULES for depth in range(len(name))})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f or "clearprop")
def test_no_arrow_leads_back_to_where_it_came_from(folder):
    left = dict(arrows().get(folder, {}))
    while left:  # take away what nothing in the folder is imported by, until all is gone
        imported = {there for _, there in left}
        top = {here for here, _ in left} - imported
        assert top, "a circle: " + "; ".join(left.values())
        left = {(a, b): why for (a, b), why in left.items() if a not in top}


@pytest.mark.parametrize("folder", ORDER, ids=lambda f: f or "clearprop")
def test_arrows_point_down_in_the_order_that_is_written_here(folder):
    order = {name: i for i, name in enumerate(ORDER[folder].split())}
    there = {names(p)[len(names(ROOT / folder)) if folder else 0] for p in (ROOT / folder).rglob("*.py")}

    assert set(order) == there
    for (a, b), why in arrows()[folder].items():
        assert order[b] < order[a], why


@pytest.mark.parametrize("folder", APART)
def test_what_stands_apart_does_not_look_at_each_other(folder):
    assert [why for (a, b), why in arrows()[""].items() if a == folder and b in APART[folder]] == []


def test_the_reader_of_imports_sees_an_arrow_that_points_up():
    tree = ast.parse("from clearprop.see import draw\ndef f():\n    from clearprop import nn\n")

    assert list(imports(tree)) == ["clearprop.see.draw"]
    assert list(imports(tree, late=True)) == ["clearprop.nn"]


def imported_by_text(tree: ast.AST):
    """Yield the dotted names that a module gives to `importlib.import_module`, as far as they are written."""
    for node in nodes(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module" and node.args:
            first = node.args[0]
            first = first.values[0] if isinstance(first, ast.JoinedStr) else first
            dotted = str(getattr(first, "value", ""))
            if dotted.startswith("clearprop."):
                yield dotted.rstrip(".")


# What a function reaches upward for when it is called: a method that is named for a reader, a word for
# another way of doing it, a hint, a class that is made of this file. It stays unread until then.
LATE = {
    "compiler/engines/llvm/language/values.py": {"compiler.engines.llvm.language.ufuncs"},  # np.exp(register)
    "nn/container.py": {"nn"},  # which layer a function that was given in its place is called
    "ops/incomplete.py": {"ops.tails"},  # a chapter that is seldom read
    "rebinding.py": {"tensor"},  # whether an object that holds an array is a Tensor
    "see/drawing/draw.py": {"see.page.page"},  # a drawing's to_html()
    "see/step/steps.py": {"see.step.text"},  # steps.to_text()
    "sharing.py": {"numpy"},  # t.__array_namespace__()
    "tensor.py": {"graph", "hooks", "backward", "ops", "ops.fourier", "scipy.sparse", "see.tiles"},
    "torch/answering.py": {"torch.tensors"},  # whether an argument is a tensor
    "torch/tensors.py": {"torch.autograd.pulled"},  # t.backward(inputs=)
    "torch/vision/transforms/__init__.py": {"torch.vision.transforms.v2"},  # transforms.v2
    "train/step.py": {"train.processes"},  # fit(parallel=)
    "transforms/custom.py": {"check"},  # custom_gradient(check=True)
    "updates.py": {"record"},  # t.value = new
}


@cache
def above(folder: str, name: str) -> set[str]:
    """What lies above something in a folder: what imports it at its top, and what imports that."""
    found, waiting = set(), [name]
    while waiting:
        below = waiting.pop()
        new = {a for a, b in arrows().get(folder, {}) if b == below} - found
        found |= new
        waiting += new
    return found


def reaches_up(here: tuple[str, ...], dotted: str) -> bool:
    there = target(dotted)
    depth = next((i for i, (a, b) in enumerate(zip(here, there, strict=False)) if a != b), 0)
    return depth < len(there) and there[depth] in above("/".join(here[:depth]), here[depth])


def test_what_is_imported_late_from_above_is_written_here():
    found: dict[str, set[str]] = defaultdict(set)
    for here, path in MODULES.items():
        tree = parsed(path)
        for dotted in (*imports(tree, late=True), *imported_by_text(tree)):
            if reaches_up(here, dotted):
                found[str(path.relative_to(ROOT))].add(".".join(target(dotted)).removesuffix(".__init__"))

    assert found == LATE


def test_the_reader_of_late_imports_sees_names_that_are_put_together():
    tree = ast.parse(
        'importlib.import_module(f"clearprop.ops.{x}")\nimportlib.import_module("clearprop.see")'
    )

    assert list(imported_by_text(tree)) == ["clearprop.ops", "clearprop.see"]
    assert reaches_up(("tensor",), "clearprop.see.tiles")
    assert not reaches_up(("see", "tiles"), "clearprop.tensor")


def test_every_file_says_what_it_is():
    for path in ROOT.rglob("*.py"):
        assert ast.get_docstring(parsed(path)), path


# --- readers ask an op for its facts ------------------------------------------------------------------------
# Where an op is entered under its name, and where it tells whether it is still the one that is.
ENTERED = {("define",), ("op",)}
TO_OPS = ("numpy_functions", "ufunc_names")  # which op stands for a function


def asked_by_name(tree: ast.AST):
    """Yield what asks which op it is, instead of asking the op: by its name, identity, or place in the table.

    `op.name == "sum"`, `op.name in TABLE`, `TABLE[op.name]`, `TABLE.get(op.name)`, `match op.name`;
    `node.op is add`, `op == add`, `op in (add, subtract)`; `node.op is ops["add"]`, `op is ops.get("add")`;
    `TABLE[op]`, `TABLE.get(op)`; `op.forward is np.exp`; `name == "sum"` where it was told `name = op.name`.
    """
    told = names_told(tree)
    for node in nodes(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            named = any(map(is_name_of_op, sides)) or any(map(is_forward_of_op, sides))
            looked_up = any(is_entry(x) or any(map(is_entry, getattr(x, "elts", ()))) for x in sides)
            same = any(map(is_op, sides)) and not all(map(says_nothing, sides))
            read = any(getattr(x, "id", "") in told for x in sides) and any(map(is_written, sides))
            if named or looked_up or same or read:
                yield ast.unparse(node)
        elif isinstance(node, ast.Subscript):
            by_op = is_op(node.slice) and not is_ops(node.value, *TO_OPS)
            if (is_name_of_op(node.slice) and isinstance(node.value, ast.Name)) or by_op:
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            method, of = node.func.attr, node.func.value
            if (
                method in ("get", "startswith", "endswith") and any(map(is_name_of_op, (of, *node.args)))
            ) or (
                method in ("get", "index", "count") and any(map(is_op, node.args)) and not is_ops(of, *TO_OPS)
            ):
                yield ast.unparse(node)
        elif isinstance(node, ast.Match) and (is_op(node.subject) or is_name_of_op(node.subject)):
            yield f"match {ast.unparse(node.subject)}"


def is_op(node: ast.AST) -> bool:
    return (node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")) == "op"


def is_name_of_op(node: ast.AST) -> bool:
    """Whether it reads `op.name`, also as `_op(x).name` or through a condition."""
    if isinstance(node, ast.IfExp):
        return is_name_of_op(node.body) or is_name_of_op(node.orelse)
    of = getattr(node, "value", None)
    of = of.func if isinstance(of, ast.Call) else of
    return getattr(node, "attr", "") == "name" and (is_op(of) or getattr(of, "id", "") == "_op")


def names_told(tree: ast.AST) -> set[str]:
    """Return the variables that are set to the name of an op."""
    found = set()
    for node in nodes(tree):
        if isinstance(node, (ast.Assign, ast.NamedExpr)) and is_name_of_op(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def is_written(node: ast.AST) -> bool:
    """Whether it is a text or a list of such, or the name of a table."""
    table = isinstance(node, ast.Name) and node.id.isupper()
    return table or isinstance(node, (ast.Constant, ast.Tuple, ast.List, ast.Set, ast.Dict))


def is_forward_of_op(node: ast.AST) -> bool:
    """Whether it reads `op.forward`."""
    return getattr(node, "attr", "") == "forward" and is_op(node.value)


def is_ops(node: ast.AST, *others: str) -> bool:
    """Whether it is the registry, `ops` or `registry.ops`, or one of other tables."""
    return getattr(node, "id", getattr(node, "attr", "")) in ("ops", *others)


def is_entry(node: ast.AST) -> bool:
    """Whether it reads `ops["name"]` or `ops.get("name")`."""
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get":
        return is_ops(node.func.value)
    return isinstance(node, ast.Subscript) and is_ops(node.value)


def says_nothing(node: ast.AST) -> bool:
    """Whether comparing an op with it says nothing of which one it is: None, the table, another node's op."""
    is_none = isinstance(node, ast.Constant) and node.value is None
    return is_none or is_op(node) or getattr(node, "id", "") == "ops"


def test_readers_ask_an_op_for_its_facts_and_never_which_one_it_is():
    readers = {m: p for m, p in MODULES.items() if m[0] != "compiler" and m not in ENTERED}
    found = [
        f"{path.relative_to(ROOT)}: {asked}"
        for path in readers.values()
        for asked in asked_by_name(parsed(path))
    ]

    assert found == []


def test_the_compiler_looks_no_op_up_to_compare_it():
    """Its Programs know ops by name, which its tables are of; an `Op` is asked for its facts here, too."""
    found = [
        f"{'/'.join(module)}: {ast.unparse(node)}"
        for module, path in MODULES.items()
        if module[0] == "compiler"
        for node in nodes(parsed(path))
        if (isinstance(node, ast.Compare) and any(map(is_name_of_op, (node.left, *node.comparators))))
        or (isinstance(node, ast.Subscript) and is_name_of_op(node.slice))
        or (isinstance(node, ast.Call) and any(map(is_name_of_op, node.args)) and asks_table(node.func))
    ]

    assert found == []


def chapters_names(tree: ast.AST) -> set[str]:
    """Return what a module takes from the chapters, save the words of attributes, which are in capitals."""
    chapters = [
        node
        for node in nodes(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("clearprop.ops")
    ]
    return {a.asname or a.name for node in chapters for a in node.names if not a.name.isupper()}


def asked_by_class(tree: ast.AST):
    """Yield what asks whether something is of a class, or is a function, that a chapter of ops has.

    `d.__class__ is OfLength`, `isinstance(rule, OfLength)`, `rule is added`, `rule in (added, kept)`.
    """
    taken = chapters_names(tree)
    for node in nodes(tree) if taken else ():
        if isinstance(node, ast.Compare):
            same = not any(isinstance(how, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) for how in node.ops)
            sides = [node.left, *node.comparators] if same else []
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("isinstance", "issubclass"):
            sides = node.args[1:]
        else:
            continue
        for side in sides:
            if any(ast.unparse(x).split(".")[0] in taken for x in (side, *getattr(side, "elts", ()))):
                yield ast.unparse(node)


def test_nobody_compares_with_a_class_or_function_of_a_chapter():
    found = [
        f"{path.relative_to(ROOT)}: {asked}"
        for module, path in MODULES.items()
        if module[0] != "ops"
        for asked in asked_by_class(parsed(path))
    ]

    assert found == []


@pytest.mark.parametrize(
    "code", ["d.__class__ is Kin", "isinstance(d, (float, Kin))", "d == Kin.rule", "d in (Kin, other)"]
)
def test_the_search_finds_every_way_of_asking_for_a_class(code):
    taken = f"def f(d):\n    from clearprop.ops.chapter import Kin, WORD\n    return {code}"

    assert len(list(asked_by_class(ast.parse(taken)))) == 1
    assert list(asked_by_class(ast.parse(taken.replace("Kin", "WORD")))) == []


def asks_table(function: ast.AST) -> bool:
    return getattr(function, "attr", "") == "get"


@pytest.mark.parametrize(
    "code",
    [
        'op.name == "sum"',
        'node.op.name in ("sum", "mean")',
        "_op(node).name != name",
        "TABLE[op.name]",
        'TABLE.get(node.op.name if node.op else "", "")',
        'op.name.startswith("arc")',
        "node.op is multiply",
        "op in (multiply, divide)",
        "multiply == node.op",
        'node.op is not ops["add"]',
        'wanted in (ops["add"], ops["subtract"])',
        "match op.name:\n    case 'sum': pass",
        "TABLE[node.op]",
        "TABLE.get(node.op)",
        'node.op is ops.get("add")',
        "node.op.forward is np.exp",
        'name = node.op.name\nif name == "sum": pass',
        'if (name := node.op.name) and name in ("sum", "mean"): pass',
    ],
)
def test_the_search_finds_every_way_of_asking_which_op_it_is(code):
    assert len(list(asked_by_name(ast.parse(code)))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "node.op is None",
        "name = op.name\nname in texts",
        "a.op is b.op",
        "f'{op.name}(x)'",
        'ops["add"](x, y)',
        "x.name == y",
    ],
)
def test_the_search_lets_pass_what_asks_nothing_of_the_kind(code):
    assert list(asked_by_name(ast.parse(code))) == []


def test_an_observer_is_asked_for_what_it_declares():
    """`modes.Observer` has every member with its default: none is looked for by its name."""
    asked = re.compile(r"(getattr|hasattr)\((\w+\.)*_?observer\b")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sorted(ROOT.rglob("*.py"))
        for line in path.read_text().splitlines()
        if asked.search(line)
    ]

    assert found == []


CIRCLE = {
    "registry": set(),
    "modes": set(),
    "tensor": {"modes", "registry"},
    "graph": {"modes", "tensor"},
    "op": {"modes", "registry", "tensor"},
    "backward": {"graph", "modes", "op", "registry", "tensor"},
}


@pytest.mark.parametrize("name", CIRCLE)
def test_of_the_six_files_of_the_core_only_op_and_tensor_know_each_other(name):
    """Registry and modes know nobody at import; nobody below knows the walk and the loop, whom a Tensor's own
    methods ask when they are called."""
    tree = ast.parse(MODULES[(name,)].read_text())
    known = {target.split(".")[1] for target in imports(tree)}

    assert known & CIRCLE.keys() == CIRCLE[name]


# --- names --------------------------------------------------------------------------------------------------
def classes_by_name():
    """Where each name of a class is defined, private ones too: who searches for a name finds one class.

    In a folder of another library's names what users see is that library's: what it calls Tensor is its
    Tensor. What they do not see there is ours, with a meaning of its own.
    """
    found: dict[str, list[str]] = defaultdict(list)
    shown = shown_under_torch()
    for module, path in MODULES.items():
        theirs = shown if module[0] == "torch" else frozenset()
        for node in nodes(parsed(path)):
            if isinstance(node, ast.ClassDef) and node.name not in theirs:
                found[node.name].append(str(path.relative_to(ROOT)))
    return found


def shown_under_torch() -> set[str]:
    """The names that packages under `clearprop.torch` take in, and those of modules that are PyTorch's."""
    trees = {module: parsed(path) for module, path in MODULES.items() if module[0] == "torch"}
    faces = {module[:-1]: list(nodes(tree)) for module, tree in trees.items() if module[-1] == "__init__"}
    taken = {
        (face, a.name)
        for face, nodes in faces.items()
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for a in node.names
    }
    taken |= {  # modules that are imported once they are asked for
        (face, node.value)
        for face, nodes in faces.items()
        for node in nodes
        if isinstance(node, ast.Constant) and (*face, node.value) in trees
    }
    shown = {name for _, name in taken}
    for module, tree in trees.items():
        if module[-1] == "__init__" or (module[:-1], module[-1]) in taken:
            shown |= {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    return shown


def test_a_name_of_a_class_has_one_meaning_in_the_whole_package():
    assert {name: files for name, files in classes_by_name().items() if len(files) > 1} == {}


# --- what lies beside the package ---------------------------------------------------------------------------
def bound(tree: ast.AST):
    """Yield the names that a module binds: by its imports, definitions and assignments, in branches too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((a.asname or a.name).split(".")[0] for a in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        else:
            yield from bound(node)


def is_there(module: str, name: str) -> bool:
    """Whether a module of the package has a name; one with a `__getattr__` may have any."""
    parts = tuple(module.split(".")[1:])
    if (*parts, name) in MODULES or (*parts, name, "__init__") in MODULES:
        return True
    found = parts if parts in MODULES else (*parts, "__init__")
    names = set(bound(parsed(MODULES[found]))) if found in MODULES else set()
    return name in names or "__getattr__" in names


@pytest.mark.parametrize("folder", ["benchmarks", "tools", "examples"])
def test_what_is_imported_beside_the_package_is_there(folder):
    """A benchmark is run seldom: a name that moved is missed long after."""
    found = [
        f"{path.name}: {node.module}.{a.name}"
        for path in sorted((Path(__file__).parent.parent / folder).rglob("*.py"))
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "clearprop"
        for a in node.names
        if not is_there(node.module, a.name)
    ]

    assert found == []


def test_a_name_that_is_not_in_its_module_is_found():
    assert is_there("clearprop.graph", "users_of")
    assert not is_there("clearprop.graph", "users")
    assert not is_there("clearprop.graphs", "users_of")
