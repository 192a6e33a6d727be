"""Cambricon cycle by cycle; left out: caches of instructions, wrong-path work (fetch waits for branches), exceptions.

    fetch ▶ decode ▶ issue queue ▶ issue ▶ register read ─┬▶ scalar unit ──────────────────────┬▶ write back ▶ commit
                                                          └▶ addresses ▶ memory queue ▶ engines ┘

One instruction a cycle enters each stage, in order; a stage that cannot hand on stalls the one before. What may wait:

    fetch      for a JUMP or CB until it has executed
    decode     for room in the issue queue
    issue      for room in the reorder buffer and (not scalar) the memory queue, and until no register that it reads or
               writes is still to be written
    dispatch   in order: the head of the memory queue starts when its engine has had the beats before and no older entry
               that is not done touches a region it writes, or writes a region it touches
    commit     in order, one a cycle

Data move as time says, so a hazard that is not seen gives other numbers: registers are read at register read and
written at write back, an engine reads the first half of each region when it starts and the rest when it ends, and
writes when it ends. Cycles count from 1; nothing changes between two events, so idle cycles are skipped, not simulated.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import numpy as np

from lamina.core.errors import BadInput
from lamina.emulation.cambricon import functional
from lamina.emulation.cambricon.arithmetic import Ints
from lamina.emulation.cambricon.engines import ENGINES, Engine, engine, work
from lamina.emulation.cambricon.functional import Extent, State
from lamina.emulation.cambricon.program import Program, Word
from lamina.hw.families.vector_matrix import VectorMatrix

STAGES = ("fetch", "decode", "issue", "read", "start", "end", "write", "commit")


@dataclass(slots=True, eq=False)
class Flight:
    """One instruction on its way; a stage not reached yet is 0."""

    index: int
    word: Word
    engine: Engine
    needs: tuple[int, ...]  # registers that it reads or writes
    register: int | None  # that it writes
    fetch: int
    decode: int = 0
    issue: int = 0
    read: int = 0
    address: int = 0  # cycle in the address unit
    start: int = 0
    end: int = 0
    write: int = 0
    commit: int = 0
    values: dict[str, int] = field(default_factory=dict)
    reads: list[Extent] = field(default_factory=list)
    writes: Extent | None = None
    beats: int = 0
    early: list[Ints] = field(default_factory=list)  # the first halves of what is read
    result: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Run(functional.Run):
    """What is left, and when."""

    cycles: int  # until the last instruction has committed
    busy: Mapping[str, int]  # engine -> cycles with a beat


@dataclass(slots=True)
class Pipeline:
    """The machine between two cycles; `tick` makes one."""

    state: State
    program: Program
    trace: Callable[[Flight], None] | None = None
    cycle: int = 0
    fetched: Flight | None = None
    issue_queue: deque[Flight] = field(default_factory=deque)
    moving: list[Flight] = field(default_factory=list)  # issued, before its engine
    memory_queue: deque[Flight] = field(default_factory=deque)  # with addresses, until done
    waiting: deque[Flight] = field(default_factory=deque)  # of those, not dispatched
    running: list[Flight] = field(default_factory=list)
    reorder_buffer: deque[Flight] = field(default_factory=deque)
    in_queue: int = 0  # entries of the memory queue that are taken, from issue on
    pending: dict[int, int] = field(default_factory=dict)  # registers still to be written
    free: dict[Engine, int] = field(default_factory=lambda: dict.fromkeys(ENGINES, 1))  # first cycle for a new beat
    busy: dict[str, int] = field(default_factory=lambda: {str(e): 0 for e in ENGINES})
    counts: dict[str, int] = field(default_factory=dict)
    kinds: dict[int, tuple[Engine, tuple[int, ...], int | None]] = field(default_factory=dict)  # of words, by index
    branch: bool = False  # fetch waits for one
    resume: int = 0  # first cycle in which fetch may go on
    last: int = 0  # cycle of the last commit

    @property
    def done(self) -> bool:
        return not self.reorder_buffer and not self.issue_queue and self.fetched is None and not self._more

    @property
    def _more(self) -> bool:
        return not self.branch and self.state.pc < len(self.program)

    def tick(self) -> None:
        """One cycle, from the last stage to the first, so that what a stage frees is free in the same cycle."""
        self.cycle += 1
        moved = self._commit()
        moved |= self._write()
        moved |= self._dispatch()
        moved |= self._end()
        moved |= self._read()
        moved |= self._issue()
        moved |= self._decode()
        moved |= self._fetch()
        if not moved:
            self._skip()

    def _skip(self) -> None:
        """To just before the next cycle in which anything can happen."""
        ahead = [f.end + after for f in self.running for after in (0, 1) if f.end + after > self.cycle]
        ahead += [free for free in self.free.values() if free > self.cycle]
        assert ahead, f"cycle {self.cycle}: nothing can move"
        self.cycle = min(ahead) - 1

    def _commit(self) -> bool:
        if not self.reorder_buffer or not 0 < self.reorder_buffer[0].write < self.cycle:
            return False
        flight = self.reorder_buffer.popleft()
        flight.commit = self.last = self.cycle
        self.state.executed += 1
        self.counts[flight.word.name] = self.counts.get(flight.word.name, 0) + 1
        if self.trace is not None:
            self.trace(flight)
        return True

    def _write(self) -> bool:
        if not self.running:
            return False
        ready = [f for f in self.running if f.end < self.cycle]
        for flight in ready:
            self.running.remove(flight)
            flight.write = self.cycle
            if flight.register is not None:
                assert flight.result is not None
                self.state.registers[flight.register] = flight.result
                self.pending[flight.register] -= 1
        while self.memory_queue and self.memory_queue[0].write:
            self.memory_queue.popleft()
            self.in_queue -= 1
        return bool(ready)

    def _end(self) -> bool:
        """Engines that give their last result in this cycle."""
        if not self.running:
            return False
        ended = [f for f in self.running if f.end == self.cycle and f.engine != "scalar"]
        for flight in ended:
            sources = [
                np.concatenate([first, self._held(e)[len(first) :]])
                for first, e in zip(flight.early, flight.reads, strict=True)
            ]
            result = functional.compute(flight.word, flight.values, sources, self.state)
            if flight.writes is not None:
                where = flight.writes
                self.state.space(where.space)[where.start : where.stop] = result
            else:
                assert isinstance(result, int)
                flight.result = result
        return bool(ended)

    def _held(self, extent: Extent) -> Ints:
        return self.state.space(extent.space)[extent.start : extent.stop].astype(np.int64)

    def _dispatch(self) -> bool:
        if not self.waiting:
            return False
        flight = self.waiting[0]
        if flight.address >= self.cycle or self.free[flight.engine] > self.cycle:
            return False
        older = takewhile(lambda entry: entry is not flight, self.memory_queue)
        if any(entry.end >= self.cycle and conflict(entry, flight) for entry in older):
            return False
        self.waiting.popleft()
        self._start(flight)
        flight.early = [held[: len(held) - len(held) // 2] for held in map(self._held, flight.reads)]
        self.free[flight.engine] = self.cycle + flight.beats
        self.busy[flight.engine] += flight.beats
        return True

    def _start(self, flight: Flight) -> None:
        flight.beats, lag = work(flight.word, flight.values, self.state.machine)
        flight.start = self.cycle
        flight.end = self.cycle + flight.beats - 1 + lag
        self.running.append(flight)

    def _read(self) -> bool:
        """Register read, then the cycle after it the scalar unit or the address unit."""
        if not self.moving:
            return False
        for flight in list(self.moving):
            if flight.read:
                self.moving.remove(flight)
                self._execute(flight)
            elif flight.issue < self.cycle:
                flight.read = self.cycle
                flight.values = flight.word.values(self.state.registers)
        return True

    def _execute(self, flight: Flight) -> None:
        state, word, values = self.state, flight.word, flight.values
        if flight.engine == "scalar":
            self._start(flight)
            if word.instruction.kind == "control":
                state.pc = functional.target(word, values, flight.index, len(self.program))
                self.branch, self.resume = False, self.cycle + 1
            else:
                result = functional.compute(word, values, [], state)
                assert isinstance(result, int)
                flight.result = result
            return
        flight.address = self.cycle
        flight.reads = [functional.extent(region, values, state, word) for region in word.instruction.reads]
        if word.instruction.writes is not None:
            flight.writes = functional.extent(word.instruction.writes, values, state, word)
        self.memory_queue.append(flight)
        self.waiting.append(flight)

    def _issue(self) -> bool:
        machine = self.state.machine
        if not self.issue_queue or self.issue_queue[0].decode >= self.cycle:
            return False
        flight = self.issue_queue[0]
        queued = flight.engine != "scalar"
        if len(self.reorder_buffer) >= machine.reorder_buffer or (queued and self.in_queue >= machine.memory_queue):
            return False
        if unwritten(flight, self.pending):
            return False
        self.issue_queue.popleft()
        flight.issue = self.cycle
        self.reorder_buffer.append(flight)
        self.moving.append(flight)
        self.in_queue += queued
        if flight.register is not None:
            self.pending[flight.register] = self.pending.get(flight.register, 0) + 1
        return True

    def _decode(self) -> bool:
        if self.fetched is None or len(self.issue_queue) >= self.state.machine.issue_queue:
            return False
        self.fetched.decode = self.cycle
        self.issue_queue.append(self.fetched)
        self.fetched = None
        return True

    def _fetch(self) -> bool:
        if self.fetched is not None or not self._more or self.cycle < self.resume:
            return False
        word = self.program[self.state.pc]
        if self.state.pc not in self.kinds:
            self.kinds[self.state.pc] = _kind(word)
        self.fetched = Flight(self.state.pc, word, *self.kinds[self.state.pc], fetch=self.cycle)
        if word.instruction.kind == "control":
            self.branch = True
        else:
            self.state.pc += 1
        return True


def _kind(word: Word) -> tuple[Engine, tuple[int, ...], int | None]:
    """Engine, registers that are read or written, the register that is written."""
    result = word.instruction.result
    register = None if result is None else word.operands[result]
    needs = tuple(word.operands[name] for name in word.reads)
    return engine(word), needs if register is None else (*needs, register), register


def unwritten(flight: Flight, pending: Mapping[int, int]) -> bool:
    """Whether a register that `flight` reads or writes is still to be written by an older instruction."""
    return any(pending.get(register) for register in flight.needs)


def conflict(older: Flight, younger: Flight) -> bool:
    """Whether `younger` must wait: it reads what `older` writes, or writes what `older` reads or writes."""
    if older.writes is not None and any(older.writes.overlaps(e) for e in younger.reads):
        return True
    if younger.writes is None:
        return False
    touched = older.reads if older.writes is None else [*older.reads, older.writes]
    return any(younger.writes.overlaps(e) for e in touched)


def pipeline(
    program: Program,
    memory: Any,
    *,
    machine: VectorMatrix,
    key: int = 0,
    registers: Mapping[int, int] | None = None,
    trace: Callable[[Flight], None] | None = None,
) -> Pipeline:
    """The machine at rest before the first cycle; `trace` is called with each instruction as it commits."""
    state = functional.start(machine, memory, key=key, registers=registers)
    return Pipeline(state=state, program=program, trace=trace)


def run(
    program: Program,
    memory: Any,
    *,
    machine: VectorMatrix,
    key: int = 0,
    registers: Mapping[int, int] | None = None,
    trace: Callable[[Flight], None] | None = None,
    most: int = functional.MOST_INSTRUCTIONS,
) -> Run:
    """Run `program` to its end cycle by cycle; the same state as `functional.run` leaves, and the cycles.

    Raises `BadInput` as that does; an instruction behind a wrong one may have had its effect before.
    """
    line = pipeline(program, memory, machine=machine, key=key, registers=registers, trace=trace)
    while not line.done:
        line.tick()
        if line.state.executed > most:
            raise BadInput(f"the program has not ended after {most:,} instructions")
    left = functional.finish(line.state, line.counts)
    return Run(
        memory=left.memory,
        registers=left.registers,
        vector=left.vector,
        matrix=left.matrix,
        executed=left.executed,
        counts=left.counts,
        cycles=line.last,
        busy=dict(line.busy),
    )
