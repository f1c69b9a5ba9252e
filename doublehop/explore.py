"""Runs scenarios nobody wrote and compares each with its prediction; a difference is made as small as it gets.

Each worker is a process of its own with a lab of its own: machines die with the thread that started them, so a
lab belongs to a process's main thread.
"""

import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Protocol

from doublehop import generated, providers
from doublehop.errors import DoublehopError, HostError, LabError
from doublehop.explain import explain
from doublehop.model import Result, Scenario, VerdictKind
from doublehop.session import Session
from doublehop.topology import Topology

LABS_AT_MOST = 40
"""A difference may be a front end that stumbles, which costs a lab each time that it is tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """How one drawn scenario ended; one that did not agree comes with the smallest like it, as a file's text.

    `lacks` is what kept it from being run.
    """

    number: int
    kind: VerdictKind
    lacks: str = ""
    told: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What one worker is to do: every `step`th number from `first` on."""

    provider: str
    seed: int
    count: int
    first: int
    step: int


class Runner(Protocol):
    """What runs a scenario."""

    def run(self, scenario: Scenario) -> Result:
        """Run one."""


class Laboratory:
    """A session that is begun anew when its labs are used up."""

    def __init__(self, provider: str, topology: Topology) -> None:
        self._provider, self._topology = provider, topology
        self._session = self._new()
        self._sessions = 1

    def _new(self) -> Session:
        return Session(providers.make(self._provider), self._topology, lambda _: None)

    def run(self, scenario: Scenario) -> Result:
        """Run a scenario.

        Raises LabError when labs break all the time.
        """
        result = self._session.run(scenario)
        while result.verdict.kind is VerdictKind.NOT_RUN and "broke" in result.verdict.reason:
            if self._sessions >= LABS_AT_MOST:
                raise LabError(result.verdict.reason)
            self.close()
            self._session = self._new()
            self._sessions += 1
            result = self._session.run(scenario)
        return result

    def close(self) -> None:
        """Take the lab down."""
        self._session.__exit__(None, None, None)


def explore(plan: Plan, topology: Topology, laboratory: Runner) -> Iterator[Found]:
    """Run each scenario of a plan."""
    for number in range(plan.first, plan.count, plan.step):
        scenario = generated.drawn(plan.seed, number, topology)
        result = laboratory.run(scenario)
        if result.verdict.kind in {VerdictKind.AGREED, VerdictKind.NOT_RUN}:
            yield Found(number=number, kind=result.verdict.kind, lacks=result.verdict.reason)
            continue
        smallest = shrunk(result, topology, laboratory)
        told = explain(smallest, topology)
        yield Found(number=number, kind=result.verdict.kind, told=tuple(told),
                    text=generated.as_file(smallest.scenario, told, topology))


def shrunk(result: Result, topology: Topology, laboratory: Runner) -> Result:
    """The smallest scenario that still ends like this one: cut after cut, as long as one keeps the difference."""
    cuts = True
    while cuts:
        cuts = False
        for tree in generated.smaller(dict(result.scenario.raw)):
            candidate = generated.admitted(result.scenario.id, tree, topology)
            if candidate is None:
                continue
            tried = laboratory.run(candidate)
            if tried.verdict.kind is result.verdict.kind:
                result, cuts = tried, True
                break
    return result


def work(plan: Plan, topology: Topology, results: Connection) -> None:
    """A worker's whole life: run a plan, send what was found."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    laboratory = Laboratory(plan.provider, topology)
    parent = multiprocessing.parent_process()
    try:
        for found in explore(plan, topology, laboratory):
            results.send(found)
            if parent is not None and not parent.is_alive():
                return
    except DoublehopError as failure:
        results.send(failure if isinstance(failure, HostError) else LabError(str(failure)))
    except (KeyboardInterrupt, BrokenPipeError):
        return
    finally:
        laboratory.close()


def side_by_side(provider: str, topology: Topology, *, seed: int, count: int, workers: int) -> Iterator[Found]:
    """Explore with several workers; gives what they find as they find it.

    Raises what a worker raised, and LabError when one ended without a word.
    """
    context = multiprocessing.get_context("spawn")
    processes, ends = [], []
    for first in range(workers):
        mine, theirs = context.Pipe(duplex=False)
        plan = Plan(provider=provider, seed=seed, count=count, first=first, step=workers)
        process = context.Process(target=work, args=(plan, topology, theirs), daemon=True)
        process.start()
        theirs.close()
        processes.append(process)
        ends.append(mine)
    try:
        yield from _received(ends)
        for each in processes:
            each.join()
            if each.exitcode:
                raise LabError(f"a worker ended with {each.exitcode}")
    finally:
        for each in processes:
            each.terminate()
            each.join()


def _received(ends: Sequence[Connection]) -> Iterator[Found]:
    left = list(ends)
    while left:
        for each in wait(left):
            assert isinstance(each, Connection)
            try:
                found = each.recv()
            except EOFError:
                left.remove(each)
                continue
            if isinstance(found, Exception):
                raise found
            yield found


@dataclass(slots=True)
class Tally:
    """What came of a run so far, and how fast; the clock starts with the first result, when the labs are up."""

    counts: Counter[VerdictKind] = field(default_factory=Counter)
    lacking: Counter[str] = field(default_factory=Counter)
    started: float = 0.0
    before: int = 0

    def add(self, found: Found) -> None:
        """Count one end."""
        self.counts[found.kind] += 1
        if found.lacks:
            self.lacking[found.lacks] += 1
        if not self.started:
            self.started, self.before = time.monotonic(), self.counts.total()

    @property
    def rate(self) -> float:
        """Configurations a second."""
        seconds = time.monotonic() - self.started
        return (self.counts.total() - self.before) / seconds if self.started and seconds > 0 else 0.0


def written(found: Found, seed: int, folder: Path) -> Path:
    """Write the smallest scenario that differs as a file of its own."""
    path = folder / f"explore-{seed}-{found.number}.toml"
    path.write_text(found.text)
    return path
