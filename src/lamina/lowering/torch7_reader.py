"""Lua Torch networks: the modules of a `.t7` file, each by its rule, into a network.

    file ──_torch7_file──▶ tables and tensors ──torch7_rules──▶ network

The file holds a module, or a table with one module in it. It says nothing of how large its input is: `shapes` maps
names that the network's inputs shall have to their shapes, batch first; several names are a table of tensors, in order.
Numbers are rounded to `element` (Lua Torch works in double precision unless told otherwise; the default here is f32).
Modules are read as they are used, not as they train. Nothing in the file is executed; a file with functions in it is
refused.

Errors    `BadInput` with the module's place; `Unsupported` with every kind of module that has no rule
Paper     Collobert, Kavukcuoglu, Farabet, Torch7: a Matlab-like environment for machine learning, 2011
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from lamina.core import files
from lamina.core.errors import BadInput, LaminaError, Unsupported, one_line
from lamina.core.units import GiB
from lamina.ir import Network, Type
from lamina.ir.build import Builder, Value, legal
from lamina.ir.types import FLOAT32, INDEX, Float
from lamina.lowering import _torch7_file
from lamina.lowering._torch7_file import Table, Thing
from lamina.lowering.torch7_rules import LARGEST, Constants, Data, Module, rules

ROWS = ("T4",)
DEEPEST = 60
MOST_MODULES = 20_000
MORE_NUMBERS = 2**20
MOST_NUMBERS = 2**40  # of one value
PACKAGES = ("nn", "cudnn", "cunn")


def read(path: Path, *, shapes: Mapping[str, Sequence[int]] | None = None, element: Float = FLOAT32) -> Network:
    """The network in the file `path`; raises `BadInput` and `Unsupported` with the path."""
    data = files.read(path, limit=4 * GiB)
    try:
        held = _torch7_file.parse(data)
        most = 4 * len(data) + MORE_NUMBERS  # a storage may be seen by several tensors, but not by very many
        return network(held, name=legal(path.stem), shapes=shapes, element=element, most_numbers=most)
    except LaminaError as e:
        raise type(e)(f"{path}: {e}") from e


def network(
    held: Any,
    *,
    name: str = "network",
    shapes: Mapping[str, Sequence[int]] | None = None,
    element: Float = FLOAT32,
    most_numbers: int = 2**31,
) -> Network:
    """The network of a file's value; it takes at most `most_numbers` numbers of weights from it."""
    root = _module(held)
    if not shapes:
        raise BadInput("a t7 file does not say how large its input is: give it, such as --shape input=1,3,32,32")
    known = rules()
    _refuse_unknown(root, known)
    builder = Builder()
    inputs = [_input(builder, name, shape, root, element) for name, shape in shapes.items()]
    constants = Constants(most=most_numbers)
    done = 0

    def run(thing: Thing, place: str, x: Data) -> Data:
        nonlocal done
        done += 1
        if done > MOST_MODULES:
            raise BadInput(f"more than {MOST_MODULES} modules: does the network hold itself?")
        if place.count(".") > DEEPEST:
            raise BadInput(f"modules are nested deeper than {DEEPEST}")
        kind = _kind(thing)
        below = f"{place}." if place else ""
        module = Module(
            name=f"{below}{kind}",
            kind=kind,
            thing=thing,
            builder=builder,
            element=element,
            constants=constants,
            run=lambda child, inner, data: run(child, f"{below}{inner}", data),
        )
        try:
            result = known[kind](module, x)
        except LaminaError as e:
            raise e if str(e).startswith("module ") else type(e)(f"module {one_line(module.name, 80)}: {e}") from e
        for value in _flat(result):
            if prod(value.shape) > MOST_NUMBERS:
                raise BadInput(f"module {one_line(module.name, 80)}: a value of shape {list(value.shape)} is too large")
        return result

    found = _flat(run(root, "", inputs[0] if len(inputs) == 1 else list(inputs)))
    names = ["output"] if len(found) == 1 else [f"output_{place}" for place in range(1, len(found) + 1)]
    return builder.network(name, dict(zip(names, found, strict=True)))


def _module(held: Any) -> Thing:
    """The one module that the file holds."""
    if isinstance(held, Thing):
        return held
    if isinstance(held, Table):
        found = {
            key: thing
            for key, thing in held.items.items()
            if isinstance(thing, Thing) and "modules" in thing.fields.items
        }
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            keys = ", ".join(one_line(repr(key), 30) for key in list(found)[:10])
            raise BadInput(f"the file holds {len(found)} networks ({keys}): save one of them alone")
    raise BadInput("the file holds data and no network of nn modules")


def _kind(thing: Thing) -> str:
    package, _, kind = thing.kind.rpartition(".")
    return kind if package in PACKAGES else thing.kind


def _input(builder: Builder, name: str, shape: Sequence[int], root: Thing, element: Float) -> Value:
    if not 1 <= len(shape) <= 8 or any(not 1 <= size <= LARGEST for size in shape) or prod(shape) > MOST_NUMBERS:
        raise BadInput(f"input {name!r} of shape {list(shape)[:9]}: 1 to 8 sizes from 1 to {LARGEST} are allowed")
    return builder.input(name, Type(shape=tuple(shape), element=INDEX if _takes_places(root) else element))


def _takes_places(thing: Thing, depth: int = 0) -> bool:
    """Whether what the input meets first is a LookupTable, whose inputs are places."""
    if _kind(thing) == "LookupTable":
        return True
    first = next(_children(thing), None)
    return first is not None and depth < DEEPEST and _takes_places(first, depth + 1)


def _children(thing: Thing) -> Iterator[Thing]:
    modules = thing.get("modules")
    if isinstance(modules, Table):
        yield from (child for child in modules.array() if isinstance(child, Thing))


def _flat(data: Data) -> list[Value]:
    return [data] if isinstance(data, Value) else [value for part in data for value in _flat(part)]


def _refuse_unknown(root: Thing, known: Mapping[str, Any]) -> None:
    unknown: dict[str, None] = {}
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if _kind(thing) not in known:
            unknown.setdefault(thing.kind)
        waiting.extend(_children(thing))
    if unknown:
        names = [one_line(repr(kind), 40) for kind in unknown]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        raise Unsupported(f"no rule for modules of kind {', '.join(names[:5])}{more}; read: {', '.join(sorted(known))}")
