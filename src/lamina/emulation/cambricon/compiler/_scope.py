"""What the rules work on: values of a network (or of a scan's body) and where they lie; left out: spilling by cost.

Values      live in the vector scratchpad from their operation to their last reader, or in main memory where it is full
Orders      maps [1, C, H, W] lie channels last, so that MMV and VGTM see the channels of a place as a vector; what
            reads a value in plain order gets a copy, and weights behind a flatten are permuted when they are laid out
Constants   lie in main memory; an operation that needs one loads it, a scan before its first step where there is room
Matrices    all stay in the matrix scratchpad, each loaded once, if all fit; else loaded, in tiles, at each use

A network is lowered twice: the first time shows what is asked for, the second time knows.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from lamina.core.errors import Unsupported
from lamina.emulation.cambricon.compiler._code import Code, Immediate
from lamina.emulation.cambricon.compiler._homes import Home, Image, Room
from lamina.emulation.cambricon.compiler._moves import copy, dense, load, store
from lamina.ir.network import Array, Network, Operation
from lamina.ir.types import BOOL, Fixed, Type

Order = tuple[int, int, int]  # C, H, W of a value that lies channels last


@dataclass(kw_only=True, slots=True)
class Wishes:
    """What a first lowering asked for."""

    matrices: dict[bytes, int] = field(default_factory=dict)  # contents -> elements
    loops: dict[str, dict[tuple[str, bytes], Array]] = field(default_factory=dict)  # scan -> constants read inside


@dataclass(kw_only=True, slots=True)
class Target:
    """The machine and the program, shared by all scopes."""

    element: Fixed
    vectors: Room
    matrices: Room
    resident: bool
    known: Wishes
    code: Code = field(default_factory=Code)
    image: Image = field(default_factory=Image)
    wishes: Wishes = field(default_factory=Wishes)
    loops: list[str] = field(default_factory=list)  # scans that are open
    pinned: dict[bytes, int] = field(default_factory=dict)  # constants that stay in the vector scratchpad
    loaded: dict[bytes, int] = field(default_factory=dict)  # matrices in theirs
    draws: int = 0  # RV so far

    def constant(self, data: Array) -> Home:
        """Where the numbers `data` lie."""
        key = self._wish("vector", data)
        return Home("vector", self.pinned[key]) if key in self.pinned else Home("memory", self.image.constant(data))

    def matrix(self, data: Array) -> int | None:
        """Where `data` lies in the matrix scratchpad; none where it has to be loaded for each use."""
        key = self._wish("matrix", data)
        self.wishes.matrices[key] = data.size
        if not self.resident:
            return None
        if key not in self.loaded:
            address = self.matrices.take(data.size)
            assert address is not None
            self.loaded[key] = address
            self.code.emit("MLOAD", address, data.size, Immediate(self.image.constant(data)))
        return self.loaded[key]

    def _wish(self, kind: str, data: Array) -> bytes:
        key = np.ascontiguousarray(data, np.int16).tobytes()
        for name in self.loops:
            self.wishes.loops.setdefault(name, {})[kind, key] = data
        return key

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """A scan: what it reads in each step is brought near before the first."""
        own: list[tuple[bytes, int, int]] = []
        for (kind, key), data in self.known.loops.get(name, {}).items():
            if kind == "matrix":
                self.matrix(data)
            elif key not in self.pinned and (address := self.vectors.take(data.size)) is not None:
                self.code.emit("VLOAD", address, data.size, Immediate(self.image.constant(data)))
                self.pinned[key] = address
                own.append((key, address, data.size))
        self.loops.append(name)
        yield
        self.loops.pop()
        for key, address, size in own:
            del self.pinned[key]
            self.vectors.give(address, size)


@dataclass(kw_only=True, slots=True)
class Scope:
    """The values of one network while its operations are lowered in order."""

    target: Target
    network: Network
    constants: dict[str, Array]
    path: str = ""  # names of the scans around it
    types: dict[str, Type] = field(init=False)
    homes: dict[str, Home] = field(default_factory=dict)  # by root
    roots: dict[str, str] = field(default_factory=dict)  # a view -> the value whose numbers it shows
    orders: dict[str, Order] = field(default_factory=dict)
    ports: set[str] = field(default_factory=set)  # inputs that still lie in main memory alone
    owned: set[str] = field(default_factory=set)  # values whose room in the scratchpad is this scope's to give back
    drawn: dict[str, int] = field(default_factory=dict)  # uniform real numbers -> their stream

    def __post_init__(self) -> None:
        self.types = self.network.types

    @property
    def code(self) -> Code:
        return self.target.code

    def root(self, name: str) -> str:
        while name in self.roots:
            name = self.roots[name]
        return name

    def size(self, name: str) -> int:
        return self.types[name].size

    def home(self, name: str) -> Home:
        """Where a value or constant lies; an input is fetched to the scratchpad by its first reader, if it fits."""
        if name in self.constants:
            return self.target.constant(self.stored(name, self.constants[name]))
        root = self.root(name)
        if root in self.ports:
            self.ports.discard(root)
            address = self.target.vectors.take(self.size(root))
            if address is not None:
                load(self.code, address, self.size(root), self.homes[root])
                self.homes[root] = Home("vector", address)
                self.owned.add(root)
        return self.homes[root]

    def stored(self, name: str, data: Array) -> Array:
        """Constants as the machine holds them: truth is 1.0."""
        if self.types[name].element == BOOL:
            return data.astype(np.int16) << self.target.element.fraction_bits
        return data

    def view(self, name: str, of: str) -> None:
        """`name` shows the numbers of `of`."""
        self.roots[name] = of
        if of in self.orders:
            self.orders[name] = self.orders[of]

    def result(self, name: str, order: Order | None = None) -> Home:
        """Room for a new value."""
        if order is not None and order[0] > 1 and order[1] * order[2] > 1:
            self.orders[name] = order
        address = self.target.vectors.take(self.size(name))
        if address is None:
            self.homes[name] = Home("memory", self.target.image.reserve(self.size(name)))
        else:
            self.homes[name] = Home("vector", address)
            self.owned.add(name)
        return self.homes[name]

    @contextmanager
    def written(self, name: str, order: Order | None = None) -> Iterator[int]:
        """An address of the vector scratchpad at which the block makes the value `name`."""
        home = self.result(name, order)
        if home.space == "vector":
            assert isinstance(home.address, int)
            yield home.address
            return
        with self.target.vectors.temporary(self.size(name), name) as address:
            yield address
            store(self.code, home, self.size(name), address)

    @contextmanager
    def near(self, home: Home, size: int, what: str) -> Iterator[int]:
        """The numbers at `home` in the vector scratchpad."""
        if home.space == "vector":
            assert isinstance(home.address, int)
            yield home.address
            return
        with self.target.vectors.temporary(size, what) as address:
            load(self.code, address, size, home)
            yield address

    @contextmanager
    def plain(self, name: str) -> Iterator[Home]:
        """Where the value lies in C order; a copy of one that lies channels last."""
        order = self.orders.get(name)
        home = self.home(name)
        if order is None:
            yield home
            return
        c, h, w = order
        with self.scratch(self.size(name)) as other:
            copy(self.code, self.target.vectors, other, home, (c, h, w), (h * w, w, 1), (1, w * c, c), name)
            yield other

    @contextmanager
    def channels_last(self, name: str) -> Iterator[Home]:
        """Where the maps [1, C, H, W] lie channels last; a copy of those that do not."""
        _, c, h, w = self.types[name].shape
        home = self.home(name)
        if name in self.constants:
            yield self.target.constant(laid_out(self.constants[name], (c, h, w)))
        elif self.orders.get(name) == (c, h, w) or c == 1 or h * w == 1:
            yield home
        else:
            with self.plain(name) as given, self.scratch(c * h * w) as other:
                copy(self.code, self.target.vectors, other, given, (h, w, c), dense((h, w, c)), (w, 1, h * w), name)
                yield other

    @contextmanager
    def scratch(self, size: int) -> Iterator[Home]:
        """Room for `size` numbers: in the scratchpad, or in main memory."""
        if self.target.vectors.largest // 2 >= size:
            with self.target.vectors.temporary(size, "a copy") as address:
                yield Home("vector", address)
        else:
            yield Home("memory", self.target.image.reserve(size))

    def lower(self) -> None:
        """Every operation by its rule, in order; room is given back behind the last reader."""
        from lamina.emulation.cambricon.compiler.rules import rule

        last = self._last_readers()
        for number, operation in enumerate(self.network.operations):
            if operation.operator not in ("reshape", "flatten"):
                self.code.note(f"{operation.operator} {self.path}{operation.name}")
            rule(operation)(self, operation)
            gone = [n for n in self.owned if last.get(n, -1) <= number]
            for name in gone:
                self.forget(name)

    def forget(self, name: str) -> None:
        home = self.homes[name]
        assert isinstance(home.address, int)
        self.target.vectors.give(home.address, self.size(name))
        self.owned.discard(name)

    def _last_readers(self) -> Mapping[str, int]:
        """Root -> the number of the operation that reads it last; outputs are read behind the end."""
        from lamina.emulation.cambricon.compiler.rules import shown

        roots: dict[str, str] = {}
        for operation in self.network.operations:
            source = shown(self, operation)
            if source is not None:
                roots[operation.name] = roots.get(source, source)
        last: dict[str, int] = {}
        for number, operation in enumerate(self.network.operations):
            for name in (*operation.inputs, *operation.outputs):
                last[roots.get(name, name)] = number
        for name in self.network.outputs.values():
            last[roots.get(name, name)] = len(self.network.operations)
        return last


def laid_out(data: Array, order: Order | None) -> Array:
    """Numbers of a value as they lie in memory: flat, channels last where `order` says so."""
    if order is None:
        return data.reshape(-1)
    return data.reshape(order).transpose(1, 2, 0).reshape(-1)


def plain_order(data: Array, order: Order | None) -> Array:
    """The inverse: flat numbers in C order."""
    if order is None:
        return data.reshape(-1)
    c, h, w = order
    return data.reshape(h, w, c).transpose(2, 0, 1).reshape(-1)


def refuse(operation: Operation, reason: str) -> Unsupported:
    """The error for an operation that the instructions cannot express."""
    return Unsupported(f"Cambricon cannot run {operation.operator} {operation.name!r}: {reason}")


def largest_divisor(n: int, most: int) -> int:
    """The largest divisor of n that is at most `most`; 0 where most < 1."""
    return next((d for d in range(min(n, most), 0, -1) if n % d == 0), 0)
