"""When each instruction of an in-order machine with queues runs, by recurrences; left out: what the numbers are.

    fetch_k   = max(fetch_k-1 + 1, decode_k-1, after the last branch)
    decode_k  = max(fetch_k + 1, decode_k-1 + 1, issue_k-Q)                     Q issue queue
    issue_k   = max(decode_k + 1, issue_k-1 + 1, commit_k-R, left_m-M, registers)   R reorder buffer, M memory queue
    start_k   = issue_k + 2 (scalar), or max(issue_k + 3, start before + 1, engine free, regions done + 1)
    end_k     = start_k + beats - 1 + lag            commit_k = max(end_k + 2, commit_k-1 + 1)

m counts instructions of the memory queue, left_m when entry m left it: max(end + 1, left_m-1). A loop is run until two
turns leave the same distances between all times that can still matter; the turns that remain then take as long each.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Row = Callable[[Sequence[int]], int]


@dataclass(frozen=True, slots=True)
class Op:
    """One instruction: scalar where `engine` is None."""

    engine: str | None
    beats: int = 1
    lag: int = 0
    reads: tuple[int, ...] = ()  # registers
    writes: int | None = None
    waits: tuple[str, ...] = ()  # regions whose last use must be over
    sets: tuple[str, ...] = ()  # regions that it uses until its end
    branch: bool = False
    row: Row | None = None  # turns of the loops around -> the row, made before, that must be there
    makes_row: bool = False


@dataclass(frozen=True, slots=True)
class Loop:
    count: int
    body: tuple["Op | Loop", ...]


@dataclass(slots=True)
class Clock:
    """The times of the last instructions."""

    issue_queue: int
    reorder_buffer: int
    memory_queue: int
    fetch: int = 0
    decode: int = 0
    issue: int = 0
    start: int = 0
    commit: int = 0
    resume: int = 0
    issues: deque[int] = field(default_factory=deque)
    commits: deque[int] = field(default_factory=deque)
    left: deque[int] = field(default_factory=deque)
    registers: dict[int, int] = field(default_factory=dict)
    free: dict[str, int] = field(default_factory=dict)
    regions: dict[str, int] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.issues = deque([0] * self.issue_queue, maxlen=self.issue_queue)
        self.commits = deque([0] * self.reorder_buffer, maxlen=self.reorder_buffer)
        self.left = deque([0] * self.memory_queue, maxlen=self.memory_queue)

    def run(self, items: Sequence[Op | Loop]) -> None:
        """Let `items` pass, in order."""
        for item in items:
            if isinstance(item, Op):
                self.step(item)
            else:
                self.loop(item)

    def loop(self, loop: Loop) -> None:
        """All turns of `loop`, those that are like the one before by their length alone."""
        before: tuple[int, ...] = ()
        self.turns.append(0)
        done = 0
        while done < loop.count:
            was = self.fetch
            self.run(loop.body)
            done += 1
            self.turns[-1] = done
            now = self.distances()
            if now == before:
                self.shift((loop.count - done) * (self.fetch - was))
                break
            before = now
        self.turns.pop()

    def step(self, op: Op) -> None:
        registers = self.registers
        self.fetch = max(self.fetch + 1, self.decode, self.resume)
        self.decode = max(self.fetch + 1, self.decode + 1, self.issues[0])
        issue = max(self.decode + 1, self.issue + 1, self.commits[0])
        for register in op.reads:
            issue = max(issue, registers.get(register, 0))
        if op.writes is not None:
            issue = max(issue, registers.get(op.writes, 0))
        if op.engine is None:
            end = issue + 2 + op.lag
            if op.branch:
                self.resume = end + 1
        else:
            issue = max(issue, self.left[0])
            start = max(issue + 3, self.start + 1, self.free.get(op.engine, 0))
            for region in op.waits:
                start = max(start, self.regions.get(region, 0) + 1)
            if op.row is not None and 0 <= (row := op.row(self.turns)) < len(self.rows):
                start = max(start, self.rows[row] + 1)
            self.start = start
            self.free[op.engine] = start + op.beats
            end = start + op.beats - 1 + op.lag
            for region in op.sets:
                self.regions[region] = max(self.regions.get(region, 0), end)
            if op.makes_row:
                self.rows.append(end)
            self.left.append(max(end + 1, self.left[-1]))
        self.issue = issue
        self.issues.append(issue)
        if op.writes is not None:
            registers[op.writes] = end + 1
        self.commit = max(end + 2, self.commit + 1)
        self.commits.append(self.commit)

    def distances(self) -> tuple[int, ...]:
        """Every time that can still matter, from the last fetch on: what lies before it binds nothing that follows."""
        zero = self.fetch
        return tuple(
            max(0, time - zero)
            for time in (
                self.decode, self.issue, self.start, self.commit, self.resume, *self.issues, *self.commits, *self.left,
                *self.registers.values(), *self.free.values(), *self.regions.values(), *self.rows[-1:],
            )
        )  # fmt: skip

    def shift(self, by: int) -> None:
        """All times later by `by`."""
        if not by:
            return
        for name in ("fetch", "decode", "issue", "start", "commit", "resume"):
            setattr(self, name, getattr(self, name) + by)
        for times in (self.issues, self.commits, self.left):
            for index, time in enumerate(times):
                times[index] = time + by
        for known in (self.registers, self.free, self.regions):
            for key in known:
                known[key] += by  # type: ignore[index]
        self.rows = [row + by for row in self.rows]


def cycles(items: Sequence[Op | Loop], issue_queue: int, reorder_buffer: int, memory_queue: int) -> int:
    """Cycles from the first fetch, in cycle 1, to the last commit."""
    clock = Clock(issue_queue=issue_queue, reorder_buffer=reorder_buffer, memory_queue=memory_queue)
    clock.run(items)
    return clock.commit
