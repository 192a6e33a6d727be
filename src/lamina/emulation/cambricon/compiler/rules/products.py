"""Products with a matrix: MMV by rows, VMM by columns; left out: a bias in the sum (no instruction has one).

    linear   y = W x        a row of x after the other; W [k, c] whole, or in tiles of rows that fit the scratchpad
    matmul   y = a B        constant B [c, n]: VMM, or its transpose in tiles; a value B goes through memory

A tile is the largest divisor of the rows that fits, so that a loop over tiles leaves no rest.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from lamina.core.errors import Unsupported
from lamina.emulation.cambricon.compiler._code import Address, Immediate, Register
from lamina.emulation.cambricon.compiler._homes import Home
from lamina.emulation.cambricon.compiler._moves import start, store
from lamina.emulation.cambricon.compiler._scope import Scope, laid_out, largest_divisor, refuse
from lamina.emulation.cambricon.compiler.rules.elementwise import check
from lamina.ir.network import Array, Operation


def check_product(scope: Scope, operation: Operation) -> None:
    """Raise unless the sums are exact and without bias, as MMV's are."""
    check(scope, operation)
    if len(operation.inputs) > 2:
        raise refuse(operation, "its bias is inside the sum; `prepare` takes it out, or write an add behind it")
    if operation.attributes.get("products", "exact") != "exact":
        raise refuse(operation, "its products are truncated one by one, MMV rounds their sum")


def _linear(scope: Scope, operation: Operation) -> None:
    check_product(scope, operation)
    x, w = operation.inputs
    if w not in scope.constants:
        raise refuse(operation, "its weights are no constant")
    c = scope.types[w].shape[1]
    rows, order = scope.size(x) // c, scope.orders.get(x)
    matrix = scope.constants[w]
    with ExitStack() as stack:
        if order is not None and rows == 1:
            home = scope.home(x)
            matrix = matrix[:, laid_out(np.arange(c), order)]
        else:
            home = stack.enter_context(scope.plain(x))
        source = stack.enter_context(scope.near(home, scope.size(x), operation.name))
        into = stack.enter_context(scope.written(operation.name))
        multiply(scope, operation.name, matrix, source, rows, into)


def multiply(scope: Scope, what: str, matrix: Array, source: int, rows: int, into: int) -> None:
    """`rows` vectors at `source` times the rows of `matrix` [k, c], to `into`."""
    k, c = matrix.shape
    code = scope.code
    with ExitStack() as stack:
        base, size, pointer = tiles(scope, what, matrix, stack, outputs=into)
        target: Address = into if pointer is None else pointer
        if rows == 1:
            code.emit("MMV", target, size, base, source, c)
            return
        to, vector = stack.enter_context(code.registers(2))
        start(code, to, target)
        start(code, vector, source)
        with code.loop(rows, {to: k, vector: c}):
            code.emit("MMV", to, size, base, vector, c)


def tiles(
    scope: Scope, what: str, matrix: Array, stack: ExitStack, *, outputs: Address
) -> tuple[int, int, Register | None]:
    """(where the matrix lies, rows at a time, pointer to the outputs of those rows); opens the loop over tiles.

    The pointer starts at `outputs` and moves on by 1 for each row; none where the matrix is whole.
    """
    k, c = matrix.shape
    code, capacity = scope.code, scope.target.matrices.capacity
    address = scope.target.matrix(matrix)
    if address is not None:
        return address, k, None
    size = largest_divisor(k, capacity // c)
    if size == 0:
        raise Unsupported(f"Cambricon cannot run {what!r}: a row of {c:,} weights does not fit {capacity:,} elements")
    at = scope.target.image.constant(matrix)
    if size == k:
        code.emit("MLOAD", 0, k * c, Immediate(at))
        return 0, k, None
    weights, pointer = stack.enter_context(code.registers(2))
    start(code, weights, at)
    start(code, pointer, outputs)
    stack.enter_context(code.loop(k // size, {weights: size * c, pointer: size}))
    code.emit("MLOAD", 0, size * c, weights, Immediate(0))
    return 0, size, pointer


def _matmul(scope: Scope, operation: Operation) -> None:
    check_product(scope, operation)
    a, b = operation.inputs
    c, n = scope.types[b].shape[-2:]
    if scope.size(b) != c * n:
        raise refuse(operation, f"its second operand is a batch of {scope.size(b) // (c * n)} matrices, not one")
    rows = scope.size(a) // c
    with ExitStack() as stack:
        home = scope.home(a) if a in scope.constants else stack.enter_context(scope.plain(a))
        source = stack.enter_context(scope.near(home, scope.size(a), operation.name))
        into = stack.enter_context(scope.written(operation.name))
        base: int | None = None
        if b in scope.constants:
            matrix = scope.constants[b].reshape(c, n)
            if c * n > scope.target.matrices.capacity:
                multiply(scope, operation.name, np.ascontiguousarray(matrix.T), source, rows, into)
                return
            base = scope.target.matrix(matrix)
            if base is None:
                base = 0
                scope.code.emit("MLOAD", 0, c * n, Immediate(scope.target.image.constant(matrix)))
        else:
            base = stack.enter_context(_from_value(scope, operation, b))
        if rows == 1:
            scope.code.emit("VMM", into, n, base, source, c)
            return
        to, vector = stack.enter_context(scope.code.registers(2))
        start(scope.code, to, into)
        start(scope.code, vector, source)
        with scope.code.loop(rows, {to: n, vector: c}):
            scope.code.emit("VMM", to, n, base, vector, c)


@contextmanager
def _from_value(scope: Scope, operation: Operation, b: str) -> Iterator[int]:
    """A value in the matrix scratchpad: through main memory, the only way there."""
    size = scope.size(b)
    with scope.plain(b) as home, scope.target.matrices.temporary(size, operation.name) as room:
        if home.space == "vector":
            assert isinstance(home.address, int)
            through = Home("memory", scope.target.image.reserve(size))
            store(scope.code, through, size, home.address)
            home = through
        assert isinstance(home.address, int)
        scope.code.emit("MLOAD", room, size, Immediate(home.address))
        yield room


RULES = {"linear": _linear, "matmul": _matmul}
