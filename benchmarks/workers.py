"""Many scenarios, by the harness or by hand, in one process or on several.

Processes find the work by its name in this module, which `__main__` could not give them.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from benchmarks.by_hand import hops_by_hand
from benchmarks.timing import agree, fresh_lab, subject, timed
from doublehop import partner
from doublehop.execute import applied
from doublehop.lab import Lab
from doublehop.model import Need, Scenario

WORKERS = 2
Work = Callable[[Sequence[Scenario], Lab], list[float]]


def all_by_harness(scenarios: Sequence[Scenario], running: Lab) -> list[float]:
    """Seconds of each of these scenarios, one after the other."""
    return [timed(partial(agree, each, running)) for each in scenarios]


def all_by_hand(scenarios: Sequence[Scenario], running: Lab) -> list[float]:
    """Seconds of both hops by hand as many times, in the configuration of the one scenario that is set up for it."""
    one = subject()
    with applied(one, running) as standing:
        return [timed(lambda: hops_by_hand(one, standing, running)) for _ in scenarios]


def shared(scenarios: Sequence[Scenario], work: Work) -> list[float]:
    """Give each of two processes a lab and every other scenario; gives the seconds of each scenario, in order."""
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        parts = pool.map(one_part, [scenarios[at::WORKERS] for at in range(WORKERS)], [work] * WORKERS)
        numbered = sorted((at + WORKERS * number, seconds)
                          for at, part in enumerate(parts) for number, seconds in enumerate(part))
        return [seconds for _, seconds in numbered]


def one_part(scenarios: Sequence[Scenario], work: Work) -> list[float]:
    """One worker's part in a lab of its own, whose coming up is not counted, nor that of a second domain."""
    with fresh_lab() as running:
        running.wait_for_all()
        if any(Need.TRUST in each.needs for each in scenarios):
            partner.bring_up(running)
        return work(scenarios, running)
