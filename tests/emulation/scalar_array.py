"""A systolic array in plain Python, one object per register: slow, and written apart from `lamina.emulation`.

Every element is (value, number) pairs; a tick builds the whole next state from the whole last one.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    value: int = 0
    number: int | None = None  # which of the streamed values it is; None: nothing


NOTHING = Word()


def multiply(a: list[list[int]], b: list[list[int]], rows: int, columns: int, dataflow: str):
    """a [M, K] @ b [K, N] and the number of ticks, folds one after another."""
    if dataflow == "input_stationary":
        product, ticks = multiply(_transposed(b), _transposed(a), rows, columns, "weight_stationary")
        return _transposed(product), ticks
    m, k, n = len(a), len(b), len(b[0])
    result = [[0] * n for _ in range(m)]
    ticks = 0
    if dataflow == "weight_stationary":
        for k0 in range(0, k, rows):
            for n0 in range(0, n, columns):
                tile = [[_at(b, k0 + r, n0 + c) for c in range(columns)] for r in range(rows)]
                streams = [[_at(a, t, k0 + r) for t in range(m)] for r in range(rows)]
                sums, took = _weights_stay(tile, streams)
                ticks += took
                for t in range(m):
                    for c in range(min(columns, n - n0)):
                        result[t][n0 + c] += sums[t][c]
        return result, ticks
    for m0 in range(0, m, rows):
        for n0 in range(0, n, columns):
            left = [[_at(a, m0 + r, t) for t in range(k)] for r in range(rows)]
            top = [[_at(b, t, n0 + c) for t in range(k)] for c in range(columns)]
            sums, took = _outputs_stay(left, top, k)
            ticks += took
            for r in range(min(rows, m - m0)):
                for c in range(min(columns, n - n0)):
                    result[m0 + r][n0 + c] = sums[r][c]
    return result, ticks


def _weights_stay(tile, streams):
    rows, columns, streamed = len(tile), len(tile[0]), len(streams[0])
    weights = [[0] * columns for _ in range(rows)]
    ticks = 0
    for row in reversed(tile):  # preload
        weights = [list(row), *weights[:-1]]
        ticks += 1
    assert weights == [list(row) for row in tile]
    delay = [[NOTHING] * r for r in range(rows)]  # r registers before row r
    x = [[NOTHING] * columns for _ in range(rows)]
    p = [[0] * columns for _ in range(rows)]
    left: dict[tuple[int, int], int] = {}
    time = 0
    while len(left) < streamed * columns:
        entering = []
        for r in range(rows):
            new = Word(streams[r][time], time) if time < streamed else NOTHING
            delay[r].append(new)
            entering.append(delay[r].pop(0))
        x = [[entering[r], *x[r][:-1]] for r in range(rows)]
        p = [[(p[r - 1][c] if r else 0) + weights[r][c] * x[r][c].value for c in range(columns)] for r in range(rows)]
        ticks, time = ticks + 1, time + 1
        for c in range(columns):
            if (number := x[-1][c].number) is not None:
                left[number, c] = p[-1][c]
    return [[left[t, c] for c in range(columns)] for t in range(streamed)], ticks


def _outputs_stay(left, top, depth):
    rows, columns = len(left), len(top)
    x = [[NOTHING] * columns for _ in range(rows)]
    w = [[NOTHING] * columns for _ in range(rows)]
    sums = [[0] * columns for _ in range(rows)]
    done = [[0] * columns for _ in range(rows)]
    ticks = 0
    while min(map(min, done)) < depth:
        new_x, new_w = [[NOTHING] * columns for _ in range(rows)], [[NOTHING] * columns for _ in range(rows)]
        for r in range(rows):
            for c in range(columns):
                t = ticks - r
                new_x[r][c] = x[r][c - 1] if c else (Word(left[r][t], t) if 0 <= t < depth else NOTHING)
                t = ticks - c
                new_w[r][c] = w[r - 1][c] if r else (Word(top[c][t], t) if 0 <= t < depth else NOTHING)
        x, w = new_x, new_w
        for r in range(rows):
            for c in range(columns):
                assert x[r][c].number == w[r][c].number  # what meets belongs together
                sums[r][c] += x[r][c].value * w[r][c].value
                done[r][c] += x[r][c].number is not None
        ticks += 1
    return sums, ticks


def _at(matrix, i, j):
    return matrix[i][j] if i < len(matrix) and j < len(matrix[0]) else 0


def _transposed(matrix):
    return [list(column) for column in zip(*matrix, strict=True)]
