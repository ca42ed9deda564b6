"""Modules that hold modules: one after the other, in a list, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from clearprop.errors import at_line, lesson
from clearprop.hints import nearest
from clearprop.nn.module import Module, Parameter, Unquoted, owner_of
from clearprop.op import describe
from clearprop.refusal import tells_of
from clearprop.tensor import Tensor

T = TypeVar("T")


class ModuleList(Module):
    """A list of modules whose parameters are found; it has no forward of its own.

    >>> from clearprop import nn
    >>> [name for name, _ in nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)]).named_parameters()]
    ['0.weight', '0.bias', '1.weight', '1.bias']
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def append(self, module: Module) -> Module:
        """Add a module at the end; return this list."""
        setattr(self, str(len(self)), self._checked(module))
        return self

    def _checked(self, module: Any) -> Module:
        if not isinstance(module, Module):
            hint = "a Module with a forward function of its own"
            if isinstance(module, (list, tuple)):
                hint = f"{type(self).__name__}(*modules)"
            elif callable(module):  # np.tanh, clearprop.relu: the layer of that name
                from clearprop import nn  # which is made of this file

                known = {name.lower(): name for name in nn.__all__}
                name = known.get(getattr(module, "__name__", "").lower())
                hint = f"nn.{name}()" if name else hint
            got = f"a {type(module).__name__} of {len(module)}" if isinstance(module, (list, tuple)) else ""
            got = got or f"{module!r}"[:60]
            raise TypeError(lesson(type(self).__name__, "holds Modules", got, hint=hint))
        return module

    @tells_of
    def extend(self, modules: Iterable[Module]) -> Module:
        """Add modules at the end; return this list."""
        for module in modules:
            self.append(module)
        return self

    @tells_of
    def insert(self, index: int, module: Module) -> Module:
        """Put a module before the one at `index`, as a list does; those behind it are numbered anew."""
        held = list(self)
        held.insert(index, self._checked(module))
        return self._holding(held)

    @tells_of
    def pop(self, index: Any = -1) -> Any:
        """Take the module at `index` out and return it; those behind it are numbered anew."""
        found = self[index]
        del self[index]
        return found

    def _holding(self, modules: list[Any]) -> Module:
        for name, _ in list(self.named_children()):
            delattr(self, name)
        return self.extend(modules)

    @tells_of
    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, [name for name, _ in self.named_children()][index], self._checked(module))

    @tells_of
    def __delitem__(self, index: Any) -> None:
        held = list(self)
        del held[index]
        self._holding(held)

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    @tells_of
    def __getitem__(self, index: Any) -> Any:
        found = list(self.children())[index]
        if not isinstance(index, slice):
            return found
        return type(self)(*found) if isinstance(self, Sequential) else type(self)(found)


class Sequential(ModuleList):
    """Modules one after the other: `Sequential(f, g)(x)` is `g(f(x))`. A dict gives them names.

    >>> import numpy as np
    >>> from clearprop import nn
    >>> model = nn.Sequential(nn.Linear(13, 32), nn.Tanh(), nn.Linear(32, 1))
    >>> model(np.zeros((5, 13), np.float32)).shape
    (5, 1)
    >>> model
    Sequential(                                              # 481 parameters
      (0): Linear(in_features=13, out_features=32, bias=True)  # 448
      (1): Tanh()
      (2): Linear(in_features=32, out_features=1, bias=True)   # 33
    )
    """

    def __init__(self, *modules: Any) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            super().__init__()
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            super().__init__(modules)

    def forward(self, x: Any) -> Tensor:
        """Pass `x` through the modules in order."""
        for module in self.__dict__.values():
            if isinstance(module, Module):
                x = module(x)
        return x


class Residual(Module):
    """A module and the way around it: `shortcut(x) + body(x)`, or `x + body(x)` without a shortcut.

    x and body(x) have one shape, or `shortcut` makes it so (a Conv2d of kernel 1, with the body's stride).
    Source: He et al., "Deep residual learning for image recognition", 2016 (arXiv 1512.03385).

    >>> import numpy as np
    >>> from clearprop import nn
    >>> float(nn.Residual(nn.ReLU())(np.array(2.0)))
    4.0
    """

    body: Module
    shortcut: Module | None

    def __init__(self, body: Module, shortcut: Module | None = None) -> None:
        super().__init__()
        for name, part in (("body", body), ("shortcut", shortcut)):
            if not isinstance(part, Module) and (part is not None or name == "body"):
                got = f"{name} is {part!r}"[:60]
                raise TypeError(lesson("Residual(body, shortcut)", "wants Modules", got))
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Any) -> Any:
        """Return what the body makes of x, added to x or to what the shortcut makes of it."""
        around = x if self.shortcut is None else self.shortcut(x)
        found = self.body(x)
        if around.shape != found.shape:
            got = f"{describe(around)} and {describe(found)}"
            hint = "a shortcut that gives the body's shape, such as Conv2d(inputs, outputs, 1, stride)"
            raise ValueError(lesson("Residual(x)", "wants shapes that are equal", got, hint=hint))
        return around + found


class ModuleDict(Module):
    """Modules by name, whose parameters are found; it has no forward of its own.

    >>> from clearprop import nn
    >>> heads = nn.ModuleDict({"price": nn.Linear(4, 1), "kind": nn.Linear(4, 3)})
    >>> heads["kind"].out_features
    3
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    @tells_of
    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Set modules by name, of a dict or of pairs."""
        for name, module in dict(modules).items():
            self[name] = module

    def pop(self, name: str) -> Module:
        """Take a module out and return it."""
        found = self[name]
        del self[name]
        return found

    def clear(self) -> None:
        """Take every module out."""
        for name in self.keys():
            del self[name]

    def __delitem__(self, name: str) -> None:
        if name not in self:
            _found(self, dict(self.named_children()), name)
        delattr(self, name)

    def __setitem__(self, name: str, module: Module) -> None:
        if not isinstance(module, Module):
            raise KeyError(Unquoted(lesson(f"ModuleDict[{name!r}]", "wants a Module", f"{module!r:.60}")))
        self.add_module(name, module)

    @tells_of
    def __getitem__(self, name: str) -> Module:
        return _found(self, dict(self.named_children()), name)

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.named_children())

    @tells_of
    def __contains__(self, name: str) -> bool:
        return name in dict(self.named_children())

    def keys(self) -> list[str]:
        """Return the names."""
        return list(self)

    def values(self) -> list[Module]:
        """Return the modules."""
        return list(self.children())

    def items(self) -> list[tuple[str, Module]]:
        """Return the names with their modules."""
        return list(self.named_children())


class ParameterList(Module):
    """A list of Parameters that are found; Tensors, arrays and numbers become Parameters.

    >>> from clearprop import nn
    >>> [name for name, _ in nn.ParameterList([[1.0], [2.0, 3.0]]).named_parameters()]
    ['0', '1']
    """

    def __init__(self, values: Iterable[Any] = ()) -> None:
        super().__init__()
        self.extend(values)

    def append(self, value: Any) -> ParameterList:
        """Add a Parameter at the end; return this list."""
        setattr(self, str(len(self)), _as_parameter(value))
        return self

    @tells_of
    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add Parameters at the end; return this list."""
        for value in values:
            self.append(value)
        return self

    def _held(self) -> list[Parameter]:
        return [value for value in self.__dict__.values() if isinstance(owner_of(value), Parameter)]

    def __len__(self) -> int:
        return len(self._held())

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._held())

    @tells_of
    def __getitem__(self, index: Any) -> Any:
        found = self._held()[index]
        return ParameterList(found) if isinstance(index, slice) else found

    @tells_of
    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, str(range(len(self))[index]), _as_parameter(value))


class ParameterDict(Module):
    """Parameters by name, which are found; Tensors, arrays and numbers become Parameters.

    >>> from clearprop import nn
    >>> nn.ParameterDict({"scale": [1.0], "shift": [0.0]}).keys()
    ['scale', 'shift']
    """

    def __init__(self, values: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None) -> None:
        super().__init__()
        self.update(values or {})

    @tells_of
    def update(self, values: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Set Parameters by name, of a dict or of pairs."""
        for name, value in dict(values).items():
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        self.register_parameter(name, _as_parameter(value))

    @tells_of
    def __getitem__(self, name: str) -> Parameter:
        return _found(self, dict(self.items()), name)

    def __delitem__(self, name: str) -> None:
        if name not in self:
            _found(self, dict(self.items()), name)
        delattr(self, name)

    def __len__(self) -> int:
        return len(self.items())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    @tells_of
    def __contains__(self, name: str) -> bool:
        return name in dict(self.items())

    def keys(self) -> list[str]:
        """Return the names."""
        return [name for name, _ in self.items()]

    def values(self) -> list[Parameter]:
        """Return the Parameters."""
        return [value for _, value in self.items()]

    def items(self) -> list[tuple[str, Parameter]]:
        """Return the names with their Parameters."""
        held = self.__dict__.items()
        return [(name, value) for name, value in held if isinstance(owner_of(value), Parameter)]


def _found(module: Module, held: dict[str, T], name: str) -> T:
    """Return what is held under a name; KeyError, with the nearest name, where nothing is."""
    if name in held:
        return held[name]
    near = "".join(nearest(str(name), held))
    called, wanted = f"{type(module).__name__}[{name!r}]", f"has {', '.join(held) or 'nothing'}"
    raise KeyError(Unquoted(lesson(called, wanted, where=at_line(), hint=near and f"[{near!r}]")))


def _as_parameter(value: Any) -> Parameter:
    return value if isinstance(owner_of(value), Parameter) else Parameter(value)
