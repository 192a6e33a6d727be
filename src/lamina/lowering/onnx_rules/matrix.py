"""Products of matrices.

MatMul    linear where the second operand is a known matrix: the weights of a layer; else matmul, vectors as matrices
Gemm      alpha A B + beta C; with a bias per column it is linear
Einsum    of up to two operands: axes that only one has are summed, then one matmul
"""

from math import prod

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.lowering._onnx_node import Node, Tensor, known
from lamina.lowering.onnx_rules._rule import rule


@rule("MatMul")
def matmul(node: Node) -> Tensor:
    a, b = node.x(0), node.x(1)
    if not a.is_float:
        raise Unsupported("a product of plain integer matrices")
    return product(node, a, b)


def transposed(node: Node, x: Tensor) -> Tensor:
    """The matrix x with rows and columns changed; a known one stays known."""
    if x.array is not None and (x.value is None or x.value.data is not None):
        return known(x.name, x.array.T)
    made: Tensor = node.step("transpose", x, order=(1, 0))
    return made


def product(node: Node, a: Tensor, b: Tensor) -> Tensor:
    """a @ b as NumPy has it."""
    if not a.rank or not b.rank:
        raise BadInput("a product with a single number")
    if b.known and b.rank == 2:
        made: Tensor = node.emit("linear", a, transposed(node, b))
        return made
    left = a if a.rank > 1 else node.reshape(a, (1, *a.shape))
    right = b if b.rank > 1 else node.reshape(b, (*b.shape, 1))
    if a.rank > 1 and b.rank > 1:
        made = node.emit("matmul", left, right)
        return made
    made = node.step("matmul", left, right)
    shape = [*made.shape]
    if a.rank == 1:
        del shape[-2]
    if b.rank == 1:
        del shape[-1]
    return node.reshape(made, shape, last=True)


@rule("Gemm")
def gemm(node: Node) -> Tensor:
    a, b, c = node.x(0), node.x(1), node.given(2)
    alpha, beta = node.real("alpha", 1.0), node.real("beta", 1.0)
    if a.rank != 2 or b.rank != 2:
        raise BadInput(f"matrices of shapes {list(a.shape)} and {list(b.shape)}")
    if node.integer("transA", 0):
        a = transposed(node, a)
    rows = b if node.integer("transB", 0) else transposed(node, b)  # [k, c]
    if c is None or beta == 0:
        made = (node.emit if alpha == 1 else node.step)("linear", a, rows)
        return made if alpha == 1 else node.emit("multiply", made, node.constant(alpha, made))
    if c.known and c.array is not None and c.rank == 2 and c.shape[0] == 1:
        c = known(c.name, c.array.reshape(-1))
    if alpha == 1 and beta == 1 and c.shape == (rows.shape[0],):
        made = node.emit("linear", a, rows, c)
        return made
    made = node.step("linear", a, rows)
    made = made if alpha == 1 else node.step("multiply", made, node.constant(alpha, made))
    c = c if beta == 1 else node.step("multiply", c, node.constant(beta, c))
    return node.emit("add", made, c)


@rule("Einsum")
def einsum(node: Node) -> Tensor:
    equation = node.text("equation").replace(" ", "")
    terms, arrow, result = equation.partition("->")
    operands = [node.x(at) for at in range(len(node.inputs))]
    lists = _spelled(terms.split(","), operands)
    letters = "".join(lists)
    if not arrow:
        dots = _dots(terms, lists)
        result = dots + "".join(sorted(c for c in {*letters} - {*dots} if letters.count(c) == 1))
    else:
        result = result.replace("...", _dots(terms, lists))
    if any(c not in letters for c in result) or len({*result}) < len(result):
        raise BadInput(f"equation {one_line(equation, 60)!r} is not read: its result names axes that nothing has")
    if any(len({*line}) < len(line) for line in lists):
        raise Unsupported(f"equation {one_line(equation, 60)!r}: diagonals have no rule")
    total, line = operands[0], lists[0]
    total, line = _summed(node, total, line, {*result, *"".join(lists[1:])})
    for at, (operand, other) in enumerate(zip(operands[1:], lists[1:], strict=True), 1):
        later = {*result, *"".join(lists[at + 1 :])}
        operand, other = _summed(node, operand, other, {*line, *later})
        total, line = _summed(node, total, line, {*other, *later})
        total, line = _pair(node, total, line, operand, other, later)
    return _ordered(node, total, line, result)


def _dots(terms: str, lists: list[str]) -> str:
    """The letters that stand for the ellipsis: those above `z`."""
    return "".join(sorted({c for c in "".join(lists) if ord(c) > ord("z")})) if "..." in terms else ""


def _spelled(terms: list[str], operands: list[Tensor]) -> list[str]:
    """Each term with a letter for every axis; an ellipsis becomes letters above `z`, aligned at its end."""
    if len(terms) != len(operands):
        raise BadInput(f"{len(terms)} terms for {len(operands)} operands")
    lists = []
    for term, operand in zip(terms, operands, strict=True):
        rest = operand.rank - len(term.replace("...", ""))
        dots = "".join(chr(ord("z") + 16 - i) for i in range(rest, 0, -1)) if "..." in term else ""
        line = term.replace("...", dots)
        if len(line) != operand.rank or rest > 8:
            raise BadInput(f"term {one_line(term, 40)!r} for a value of {operand.rank} axes")
        lists.append(line)
    return lists


def _summed(node: Node, x: Tensor, line: str, kept: set[str]) -> tuple[Tensor, str]:
    gone = tuple(at for at, c in enumerate(line) if c not in kept)
    if not gone:
        return x, line
    return node.step("reduce_sum", x, axes=gone, keep=False), "".join(c for c in line if c in kept)


def _pair(node: Node, a: Tensor, of_a: str, b: Tensor, of_b: str, later: set[str]) -> tuple[Tensor, str]:
    """Two operands as one matmul over [batch, free, shared]."""
    both = [c for c in of_a if c in of_b]
    batch, shared = [c for c in both if c in later], [c for c in both if c not in later]
    free_a, free_b = [c for c in of_a if c not in of_b], [c for c in of_b if c not in of_a]
    size = {**dict(zip(of_b, b.shape, strict=True)), **dict(zip(of_a, a.shape, strict=True))}
    for c in both:
        if a.shape[of_a.index(c)] != b.shape[of_b.index(c)]:
            raise Unsupported(f"axes of {a.shape[of_a.index(c)]} and {b.shape[of_b.index(c)]} numbers under one letter")

    def count(names: list[str]) -> int:
        return prod(size[c] for c in names)

    left = _ordered(node, a, of_a, "".join([*batch, *free_a, *shared]))
    right = _ordered(node, b, of_b, "".join([*batch, *shared, *free_b]))
    left = node.reshape(left, (count(batch), count(free_a), count(shared)))
    right = node.reshape(right, (count(batch), count(shared), count(free_b)))
    made = node.step("matmul", left, right)
    names = [*batch, *free_a, *free_b]
    return node.reshape(made, [size[c] for c in names]), "".join(names)


def _ordered(node: Node, x: Tensor, line: str, wanted: str) -> Tensor:
    order = tuple(line.index(c) for c in wanted)
    if order == tuple(range(x.rank)):
        return x
    made: Tensor = node.step("transpose", x, order=order)
    return made
