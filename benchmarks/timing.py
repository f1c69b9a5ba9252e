"""What every benchmark shares: the clock, the line that it prints, a lab of its own, and the scenario that it times."""

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from doublehop import catalogue, lab, providers, topology
from doublehop.execute import execute
from doublehop.lab import Lab
from doublehop.model import Scenario, VerdictKind

TOPOLOGY = topology.load()
ROUNDS = 7


def subject() -> Scenario:
    """The two-hop request that stands for all: Kerberos to the page, constrained delegation to the database."""
    return catalogue.select(catalogue.load(TOPOLOGY), ["constrained::listed"])[0]


def timed(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def show(name: str, ours: Sequence[float], floor: Sequence[float]) -> None:
    """One line: median, median of the floor, ratio of the two."""
    mine, bare = statistics.median(ours), statistics.median(floor)
    ratio = mine / bare
    print(f"{name:28} {mine:7.3f} s   floor {bare:7.3f} s   ratio {ratio:5.2f}   ({len(ours)} rounds)", flush=True)


def fresh_lab() -> AbstractContextManager[Lab]:
    """A lab of its own, without progress."""
    return lab.up(providers.make("local"), TOPOLOGY, lambda text: None)


def agree(scenario: Scenario, running: Lab) -> None:
    """Run one scenario, which has to agree: a fast failure is no figure."""
    verdict = execute(scenario, running).verdict
    assert verdict.kind is VerdictKind.AGREED, verdict
