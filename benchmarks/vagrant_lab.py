"""Times the lab that Vagrant makes beside the docker lab, which makes the same containers without it.

`python -m benchmarks.vagrant_lab`; it needs Vagrant and an engine (`bin/doublehop setup docker vagrant`).
"""

import time
from functools import partial

from benchmarks.docker_lab import lab_of
from benchmarks.timing import ROUNDS, agree, show, subject, timed
from doublehop.model import Scenario

LABS = 3
"""Rounds of whole labs: Vagrant takes its time."""


def life(provider: str, scenario: Scenario) -> tuple[float, float, float]:
    """Seconds until every machine runs, until the first answered two-hop request, and for taking all of it down."""
    started, told = time.perf_counter(), dict[str, float]()
    with lab_of(provider, told) as running:
        agree(scenario, running)
        answered = time.perf_counter()
    return told["starting the domain"] - started, answered - started, time.perf_counter() - answered


def main() -> None:
    """Run the benchmarks of Vagrant's lab."""
    scenario = subject()
    life("docker", scenario)  # builds what is missing
    rounds = [(life("vagrant", scenario), life("docker", scenario)) for _ in range(LABS)]
    for number, name in enumerate(("machines run", "to first request", "down")):
        show(f"vagrant: {name}", [each[number] for each, _ in rounds], [each[number] for _, each in rounds])
    with lab_of("vagrant") as one, lab_of("docker") as other:
        for each in (one, other):
            agree(scenario, each.wait_for_all())
        both = [[timed(partial(agree, scenario, each)) for each in (one, other)] for _ in range(3 * ROUNDS)]
    show("one scenario, floor: docker", [each for each, _ in both], [each for _, each in both])


if __name__ == "__main__":
    main()
