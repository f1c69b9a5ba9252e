"""Times a lab and its scenarios beside the bare protocol work; prints figures and ratios."""

import dataclasses
import gc
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from multiprocessing import get_context

from doublehop import catalogue, lab, providers, topology
from doublehop.execute import Applied, applied, execute
from doublehop.lab import Lab
from doublehop.model import Need, Request, Scenario, VerdictKind
from doublehop.probe import url_of
from doublehop.session import Session, silent
from doublehop.wait import until

ROUNDS = 7
WORKERS = 2
CATALOGUE_ROUNDS = 5
TOPOLOGY = topology.load()
SUBJECT = "constrained::listed"
BARE = ("--option=tls dh params file=",)

# The same two hops by hand: sign in, ask the page without a back end, ask the database as the same user.
BOTH_HOPS = """
kinit -c FILE:/tmp/floor {principal} >/dev/null && export KRB5CCNAME=FILE:/tmp/floor &&
curl -sf --negotiate -u : {url} >/dev/null &&
psql -qAt 'host={sql} port=1433 dbname=postgres user={account} krbsrvname=MSSQLSvc require_auth=gss' \
     -c 'select 1' >/dev/null
"""


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


def first_request(scenario: Scenario) -> None:
    """From nothing to the first answered two-hop request."""
    with fresh_lab() as running:
        agree(scenario, running)


def up_seconds(scenario: Scenario) -> float:
    """The same without the time to take the lab down."""
    started = time.perf_counter()
    with fresh_lab() as running:
        agree(scenario, running)
        return time.perf_counter() - started


def up_by_hand(scenario: Scenario, running: Lab, options: Sequence[str]) -> float:
    """Start `samba` on the state it had, until `kinit` works, then make the same request.

    This happens in the domain controller's machine of a lab that stands anyway: the same bytes, the same
    namespace, and nothing of doublehop between. A bare Samba looks for a Diffie-Hellman prime of its own at each
    start; without the `options` for that it has the lab's published group, which makes the start shorter and steadier.
    """
    dc, client = running.machines["dc1"], running.machines["client1"]
    with applied(scenario, running) as standing:
        assert isinstance(scenario.when, Request)
        principal, password = standing.scope.principal("alice"), standing.passwords["alice"]
        dc.run("pkill", "-KILL", "samba")
        until("the end of samba", 10, lambda: None if dc.run("ss", "-ltnH", "sport = :88").stdout else True)
        started = time.perf_counter()
        dc.run("samba", "--daemon", "--model=single", *options).check()
        until("the KDC's port", 20, lambda: True if dc.run("ss", "-ltnH", "sport = :88").stdout else None)
        until("a ticket", 20, lambda: True if client.run("kinit", principal, stdin=password).code == 0 else None)
        answer = client.run("curl", "-sf", "--negotiate", "-u", ":", url_of(scenario.when, standing.scope)).check()
        seconds = time.perf_counter() - started
        assert '"identity"' in answer.stdout, answer.stdout
        running.client.ask("reconnect")
    return seconds


def both_hops_by_hand(scenario: Scenario, running: Lab) -> float:
    """One shell that does the protocol work of both hops."""
    with applied(scenario, running) as standing:
        return timed(lambda: hops_by_hand(scenario, standing, running))


def hops_by_hand(scenario: Scenario, standing: Applied, running: Lab) -> None:
    """The same in a configuration that stands."""
    assert isinstance(scenario.when, Request)
    scope = standing.scope
    script = BOTH_HOPS.format(principal=scope.principal("alice"), account=scope.account("alice"),
                              url=f"{scope.fill(scenario.when.get)}?back_ends=", sql=TOPOLOGY.fqdn("sql1"))
    running.machines["client1"].run("sh", "-c", script, stdin=standing.passwords["alice"]).check()


def renamed(scenarios: Sequence[Scenario], number: int) -> list[Scenario]:
    """This many scenarios, the given ones over and over under new names."""
    return [dataclasses.replace(scenarios[at % len(scenarios)], id=f"{scenarios[at % len(scenarios)].id}-{at}")
            for at in range(number)]


def memory() -> int:
    """This process's present memory in KiB."""
    gc.collect()
    with open("/proc/self/statm") as file:  # noqa: PTH123 - a kernel file
        return int(file.read().split()[1]) * resource.getpagesize() // 1024


def all_by_harness(scenarios: Sequence[Scenario], running: Lab) -> list[float]:
    """Seconds of each of these scenarios, one after the other."""
    return [timed(partial(agree, each, running)) for each in scenarios]


def growth(scenarios: Sequence[Scenario], number: int) -> tuple[float, int]:
    """Seconds for each of this many scenarios in one lab, and how much memory they cost this process.

    Every one of them has run once before: accounts are made the first time and kept (decision 10), which would
    otherwise be a larger part of the smaller number.
    """
    chosen = renamed(scenarios, number)
    with fresh_lab() as running:
        all_by_harness(scenarios, running)
        before = memory()
        seconds = sum(all_by_harness(chosen, running))
        return seconds / number, memory() - before


def halves(scenarios: Sequence[Scenario], work: Callable[[Sequence[Scenario], Lab], list[float]]) -> list[float]:
    """Give each of two processes a lab and every other scenario; gives the seconds of each scenario, in order."""
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        parts = pool.map(one_half, [(scenarios[at::WORKERS], work) for at in range(WORKERS)])
        numbered = sorted((at + WORKERS * number, seconds)
                          for at, part in enumerate(parts) for number, seconds in enumerate(part))
        return [seconds for _, seconds in numbered]


def one_half(part: tuple[Sequence[Scenario], Callable[[Sequence[Scenario], Lab], list[float]]]) -> list[float]:
    """One worker's part in a lab of its own, whose coming up is not counted."""
    scenarios, work = part
    with fresh_lab() as running:
        running.wait_for_all()
        return work(scenarios, running)


def all_by_hand(scenarios: Sequence[Scenario], running: Lab) -> list[float]:
    """Seconds of both hops by hand as many times, in the configuration of the one scenario that is set up for it."""
    subject = catalogue.select(catalogue.load(TOPOLOGY), [SUBJECT])[0]
    with applied(subject, running) as standing:
        return [timed(lambda: hops_by_hand(subject, standing, running)) for _ in scenarios]


def ordinary(scenario: Scenario) -> bool:
    """Whether a scenario needs no other domain, clock, policy or crowd of groups, which take longer than any hop."""
    given = scenario.given
    accounts = [*given.users.values(), *given.accounts.values()]
    return not (Need.TRUST in scenario.needs or given.clocks or given.restrict_ntlm_in_this_domain == "Deny all"
                or any(each.groups + each.domain_local_groups for each in accounts))


def show_catalogue(scenarios: Sequence[Scenario]) -> None:
    """The whole catalogue on two workers, and the part of it that asks for nothing out of the ordinary."""
    rounds = [(halves(scenarios, all_by_harness), halves(scenarios, all_by_hand)) for _ in range(CATALOGUE_ROUNDS)]
    plain = [number for number, each in enumerate(scenarios) if ordinary(each)]
    for name, chosen in {"whole": range(len(scenarios)), "ordinary": plain}.items():
        ours, floor = zip(*([sum(one[at] for at in chosen) / WORKERS for one in both] for both in rounds), strict=True)
        show(f"{len(chosen)} {name}, {WORKERS} workers", ours, floor)


def main() -> None:
    """Run every benchmark."""
    session = Session(providers.make("local"), TOPOLOGY, silent)
    every = [each for each in catalogue.load(TOPOLOGY) if not session.lacks(each)]
    scenario = catalogue.select(every, [SUBJECT])[0]
    first_request(scenario)  # builds what is missing

    with fresh_lab() as standing:
        rounds = [(up_seconds(scenario), up_by_hand(scenario, standing, BARE), up_by_hand(scenario, standing, ()))
                  for _ in range(ROUNDS)]
    ours, bare, with_group = zip(*rounds, strict=True)
    show("warm up to first request", ours, bare)
    show("  floor with the lab's group", ours, with_group)

    with fresh_lab() as standing:
        agree(scenario, standing)
        both = [(timed(lambda: agree(scenario, standing)), both_hops_by_hand(scenario, standing))
                for _ in range(3 * ROUNDS)]
    show("one scenario", [each for each, _ in both], [each for _, each in both])

    show_catalogue(every)

    sample = [each for each in every if isinstance(each.when, Request) and not each.given.duplicate_spns][:60]
    grown = [(growth(sample, 60), growth(sample, 600)) for _ in range(ROUNDS)]
    show("each of 600, floor: each of 60", [large[0] for _, large in grown], [small[0] for small, _ in grown])
    kept = statistics.median(large[1] for _, large in grown)
    print(f"memory kept after 600 scenarios: {kept:.0f} KiB (median of {len(grown)})")


if __name__ == "__main__":
    main()
