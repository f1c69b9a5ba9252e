"""Times a lab and its scenarios beside the bare protocol work; prints figures and ratios."""

import dataclasses
import gc
import resource
import statistics
import time
from collections.abc import Callable, Sequence

import click

from benchmarks.by_hand import OWN_GROUP, both_hops_by_hand, up_by_hand
from benchmarks.timing import ROUNDS, TOPOLOGY, agree, fresh_lab, show, subject, timed
from benchmarks.workers import WORKERS, all_by_hand, all_by_harness, shared
from doublehop import catalogue, explore, providers, report
from doublehop.model import Need, Request, Scenario
from doublehop.session import Session, silent

SEED = 1
DRAWN = 500


def possible(patterns: Sequence[str]) -> list[Scenario]:
    """The scenarios of these ids or globs, or all of them, that this lab lacks nothing for."""
    session = Session(providers.make("local"), TOPOLOGY, silent)
    return [each for each in catalogue.select(catalogue.load(TOPOLOGY), patterns) if not session.lacks(each)]


def up_seconds(scenario: Scenario) -> float:
    """From nothing to the first answered two-hop request, without the time to take the lab down."""
    started = time.perf_counter()
    with fresh_lab() as running:
        agree(scenario, running)
        return time.perf_counter() - started


def warm_up(rounds: int, _: Sequence[Scenario]) -> None:
    """Until the first two-hop request; a bare Samba looks for a prime by chance, so the steadier floor is beside it."""
    scenario = subject()
    with fresh_lab() as standing:
        figures = [(up_seconds(scenario), up_by_hand(scenario, standing, OWN_GROUP),
                    up_by_hand(scenario, standing, ())) for _ in range(rounds)]
    ours, bare, with_group = zip(*figures, strict=True)
    show("warm up to first request", ours, bare)
    show("  floor with the lab's group", ours, with_group)


def one_scenario(rounds: int, _: Sequence[Scenario]) -> None:
    """Apply, probe, verdict, take back; three times as many rounds, as each is short."""
    scenario = subject()
    with fresh_lab() as standing:
        agree(scenario, standing)
        both = [(timed(lambda: agree(scenario, standing)), both_hops_by_hand(scenario, standing))
                for _ in range(3 * rounds)]
    show("one scenario", [each for each, _ in both], [each for _, each in both])


def ordinary(scenario: Scenario) -> bool:
    """Whether a scenario needs no other domain, clock, policy or crowd of groups, which take longer than any hop."""
    given = scenario.given
    accounts = [*given.users.values(), *given.accounts.values()]
    return not (Need.TRUST in scenario.needs or given.clocks or given.restrict_ntlm_in_this_domain == "Deny all"
                or any(each.groups + each.domain_local_groups for each in accounts))


def whole_catalogue(rounds: int, scenarios: Sequence[Scenario]) -> None:
    """The whole catalogue on two workers, and the part of it that asks for nothing out of the ordinary."""
    both = [(shared(scenarios, all_by_harness), shared(scenarios, all_by_hand)) for _ in range(rounds)]
    plain = [number for number, each in enumerate(scenarios) if ordinary(each)]
    for name, chosen in {"whole": range(len(scenarios)), "ordinary": plain}.items():
        ours, floor = zip(*([sum(one[at] for at in chosen) / WORKERS for one in each] for each in both), strict=True)
        show(f"{len(chosen)} {name}, {WORKERS} workers", ours, floor)


def renamed(scenarios: Sequence[Scenario], number: int) -> list[Scenario]:
    """This many scenarios, the given ones over and over under new names."""
    return [dataclasses.replace(scenarios[at % len(scenarios)], id=f"{scenarios[at % len(scenarios)].id}-{at}")
            for at in range(number)]


def memory() -> int:
    """This process's present memory in KiB."""
    gc.collect()
    with open("/proc/self/statm") as file:  # noqa: PTH123 - a kernel file
        return int(file.read().split()[1]) * resource.getpagesize() // 1024


def seconds_and_memory(scenarios: Sequence[Scenario], number: int) -> tuple[float, int]:
    """Seconds for each of this many scenarios in one lab, and how much memory they cost this process.

    Every one of them has run once before: accounts are made the first time and kept (decision 10), which would
    otherwise be a larger part of the smaller number.
    """
    with fresh_lab() as running:
        all_by_harness(scenarios, running)
        before = memory()
        seconds = sum(all_by_harness(renamed(scenarios, number), running))
        return seconds / number, memory() - before


def growth(rounds: int, scenarios: Sequence[Scenario]) -> None:
    """600 scenarios against 60 of the same: neither the time of each nor the memory may grow."""
    sample = [each for each in scenarios if isinstance(each.when, Request) and not each.given.duplicate_spns][:60]
    grown = [(seconds_and_memory(sample, 60), seconds_and_memory(sample, 600)) for _ in range(rounds)]
    show("each of 600, floor: each of 60", [large[0] for _, large in grown], [small[0] for small, _ in grown])
    kept = statistics.median(large[1] for _, large in grown)
    print(f"memory kept after 600 scenarios: {kept:.0f} KiB (median of {len(grown)})", flush=True)


def explored(rounds: int, _: Sequence[Scenario]) -> None:
    """Drawn configurations a second on two workers, and on one beside it; each round draws others."""
    for workers in (WORKERS, 1):
        rates = []
        for number in range(rounds):
            tally = explore.Tally()
            for each in explore.side_by_side("local", TOPOLOGY, seed=SEED + number, count=DRAWN, workers=workers):
                tally.add(each)
            print(f"  seed {SEED + number}: {report.summary(tally.counts)}, {tally.rate:.1f} a second", flush=True)
            rates.append(tally.rate)
        print(f"explored a second, {workers} workers: {statistics.median(rates):.1f} (median of {rounds})", flush=True)


FIGURES: dict[str, tuple[Callable[[int, Sequence[Scenario]], None], int]] = {
    "warm-up": (warm_up, 3 * ROUNDS), "scenario": (one_scenario, ROUNDS), "catalogue": (whole_catalogue, 5),
    "growth": (growth, 5), "explore": (explored, 5),
}


@click.command()
@click.argument("figures", nargs=-1, type=click.Choice(list(FIGURES)), metavar="[FIGURE]...")
@click.option("--rounds", type=click.IntRange(1), help="How many rounds, in place of each figure's own number.")
@click.option("--only", multiple=True, metavar="ID|GLOB", help="Of the catalogue, only these scenarios.")
def main(figures: Sequence[str], rounds: int | None, only: Sequence[str]) -> None:
    """Time the lab: warm-up, scenario, catalogue, growth, explore; all of them unless some are named."""
    up_seconds(subject())  # builds what is missing
    scenarios = possible(only)
    for name in figures or FIGURES:
        work, usual = FIGURES[name]
        work(rounds or usual, scenarios)


if __name__ == "__main__":
    main(prog_name="benchmarks")
