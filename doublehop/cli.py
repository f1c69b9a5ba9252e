"""The command line. It reads options, calls the layers below, prints, and chooses the exit code.

Exit codes: 0 all agreed (or nothing to object to), 1 something disagreed or broke, 2 wrong input or a
machine that cannot run a lab, 130 interrupted.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click
from rich.console import Console

from doublehop import (
    __version__,
    catalogue,
    data,
    dotnet,
    front_ends,
    holder,
    providers,
    releases,
    render,
    report,
    rules,
    sources,
)
from doublehop import explore as exploring
from doublehop import setup as set_up_tools
from doublehop import topology as topologies
from doublehop.doctor import checks
from doublehop.errors import DoublehopError, HostError, InputError
from doublehop.execute import applied
from doublehop.explain import describe, explain
from doublehop.model import Scenario, VerdictKind
from doublehop.providers import Progress, vagrant
from doublehop.session import Session, opened, silent
from doublehop.topology import Topology

OUT = Console(highlight=False, soft_wrap=True)
ERR = Console(stderr=True, highlight=False, soft_wrap=True)
DEFAULT_NAME = "lab"
PROGRESS_EVERY = 100

_lab_option = click.option("--lab", "provider", default="local", show_default=True, metavar="PROVIDER",
                           help="What brings the machines up: local, docker, vagrant; or existing ones.")
_vagrant_option = click.option(
    "--lab-vagrant-provider", expose_value=False, metavar="NAME", callback=lambda *given: _choose_vagrants(given[-1]),
    help="With --lab=vagrant, which of Vagrant's providers: docker (default), virtualbox, hyperv, libvirt, "
         "vmware_desktop.")
dc_option = click.option("--lab-dc", "dc", metavar="RELEASE",
                         help="The Debian release of the domain controllers: bookworm, trixie, sid.")
inventory_option = click.option("--lab-inventory", "inventory", type=click.Path(path_type=Path), metavar="FILE",
                                help="What stands already, for --lab=existing (docs/existing.md).")
front_end_option = click.option("--lab-front-end", "kind", default="reference", show_default=True, metavar="KIND",
                                help="What answers on the web servers: reference, aspnetcore, aspnetcore-iis.")
name_option = click.option("--name", default=DEFAULT_NAME, show_default=True,
                           help="Which standing lab, when several are up.")


def lab_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what brings the machines up."""
    return _lab_option(_vagrant_option(command))


def _choose_vagrants(name: str | None) -> None:
    if name is not None:
        vagrant.choose(name)


class Group(click.Group):
    """Turns our errors into one clear message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ERR.print("doublehop: interrupted")
            ctx.exit(130)
        except (InputError, HostError) as failure:
            ERR.print(f"doublehop: {failure}", markup=False)
            ctx.exit(2)
        except DoublehopError as failure:
            ERR.print(f"doublehop: {failure}", markup=False)
            ctx.exit(1)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="doublehop")
def main() -> None:
    """A disposable Kerberos delegation lab and the scenarios that are run in it.

    A user opens a page on IIS, the page asks SQL Server: who does the database think is asking?
    """
    signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signature is Python's
    sys.exit(128 + number)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show what is going on: a spinner on a terminal, plain lines elsewhere."""
    if not ERR.is_terminal:
        yield lambda text: ERR.print(f"doublehop: {text}", markup=False)
        return
    with ERR.status("starting") as status:
        yield lambda text: status.update(text[: ERR.width - 4])


def _topology(dc: str | None) -> Topology:
    """The lab on paper, with domain controllers of this release."""
    return releases.with_dc(topologies.load(), dc)


def _load(patterns: tuple[str, ...], topology: Topology) -> list[Scenario]:
    """The catalogue's scenarios that ids and globs name, and those in files, which may start from the former."""
    files = [Path(each) for each in patterns if each.endswith(".toml")]
    ids = [each for each in patterns if not each.endswith(".toml")]
    known = catalogue.load(topology)
    chosen = catalogue.select(known, ids) if ids or not files else []
    return [*chosen, *catalogue.load_files(files, topology, known)]


@main.command()
@click.argument("what", nargs=-1, metavar="[ID|GLOB|FILE]...")
@click.option("--report", "report_path", type=click.Path(path_type=Path), metavar="FILE.jsonl",
              help="Write what every hop saw, as JSON lines.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML.")
@lab_option
@dc_option
@inventory_option
@front_end_option
def run(what: tuple[str, ...], report_path: Path | None, junit: Path | None, provider: str,
        dc: str | None, inventory: Path | None, kind: str) -> None:
    """Run scenarios in a lab of their own; all of them when none is named."""
    topology, front_end = _topology(dc), front_ends.named(kind, "--lab-front-end")
    scenarios = _load(what, topology)
    for path in filter(None, (report_path, junit)):
        if not path.parent.is_dir():
            raise InputError(str(path), "its folder does not exist")
    width = max(len(each.id) for each in scenarios)
    results = []
    # Opening may ask for passwords, so nothing spins yet.
    session = opened(provider, topology, silent, inventory, front_end)
    with _progress() as progress, session:
        session.progress = progress
        about = session.about()
        for number, scenario in enumerate(scenarios, start=1):
            progress(f"{number} of {len(scenarios)}: {scenario.id}") if ERR.is_terminal else None
            result = session.run(scenario)
            results.append(result)
            OUT.print(render.result_line(result, session.topology, width), style=render.COLOURS[result.verdict.kind],
                      markup=False)
            if result.verdict.kind is not VerdictKind.AGREED:
                for line in explain(result, session.topology)[1:]:
                    OUT.print(line, markup=False)
            else:
                for line in result.verdict.reason.splitlines():
                    OUT.print(f"  {line}", markup=False)
    done = report.Report(about=about, lines=tuple(report.line_of(each) for each in results))
    if report_path:
        report.write(done, report_path)
    if junit:
        junit.write_text(report.junit(done))
    OUT.print(report.summary(done.counts), markup=False)
    sys.exit(1 if done.counts[VerdictKind.DISAGREED] or done.counts[VerdictKind.BROKEN] else 0)


@main.command()
@click.option("--seed", default=1, show_default=True, help="What the configurations are drawn from.")
@click.option("--count", default=100, show_default=True, type=click.IntRange(1), help="How many configurations.")
@click.option("--workers", default=min(2, os.cpu_count() or 1), show_default=True, type=click.IntRange(1),
              help="How many labs run side by side.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path(), metavar="FOLDER",
              help="Where the smallest scenario of each difference is written.")
@lab_option
@dc_option
def explore(seed: int, count: int, workers: int, out: Path, provider: str, dc: str | None) -> None:
    """Run configurations that nobody wrote and compare each with what the rules predict."""
    if not out.is_dir():
        raise InputError(str(out), "this folder does not exist")
    problems = providers.make(provider).check()
    if problems:
        raise HostError("; ".join(problems))
    tally = exploring.Tally()
    with _progress() as progress:
        found = exploring.side_by_side(provider, _topology(dc), seed=seed, count=count, workers=workers)
        for each in found:
            tally.add(each)
            done = tally.counts.total()
            if ERR.is_terminal or done % PROGRESS_EVERY == 0:
                progress(f"{done} of {count}, {tally.rate:.1f} a second")
            if each.text:
                for line in [*each.told, f"written to {exploring.written(each, seed, out)}"]:
                    OUT.print(line, markup=False)
    for lacks, number in sorted(tally.lacking.items()):
        OUT.print(f"not run: {lacks} ({number})", markup=False)
    OUT.print(f"{report.summary(tally.counts)}, {tally.rate:.1f} configurations a second with {workers} workers",
              markup=False)
    sys.exit(1 if tally.counts[VerdictKind.DISAGREED] or tally.counts[VerdictKind.BROKEN] else 0)


@main.command("list")
@click.argument("patterns", nargs=-1, metavar="[ID|GLOB]...")
@click.option("--sources", "by_source", is_flag=True,
              help="Each documented behaviour with its scenarios, or the reason why it has none.")
def list_scenarios(patterns: tuple[str, ...], by_source: bool) -> None:
    """List the scenarios of the catalogue."""
    scenarios = catalogue.select(catalogue.load(topologies.load()), patterns)
    if by_source:
        rows = [(each.id, each.told, each.claim) for each in sources.coverage(scenarios)]
    else:
        rows = [(each.id, "works" if each.works else "", each.title) for each in scenarios]
    for line in render.table(rows):
        OUT.print(line, markup=False)


@main.command("explain")
@click.argument("scenario_id", metavar="ID|FILE")
def explain_scenario(scenario_id: str) -> None:
    """Say what a scenario configures, does and expects."""
    topology = topologies.load()
    for number, scenario in enumerate(_load((scenario_id,), topology)):
        for line in [*([""] if number else []), *describe(scenario, topology)]:
            OUT.print(line, markup=False)
        OUT.print("\nDecided by", markup=False)
        for decision in rules.predict(scenario, topology).decisions:
            OUT.print(f"  {decision.told}", markup=False)


@main.command()
@lab_option
@dc_option
@inventory_option
def doctor(provider: str, dc: str | None, inventory: Path | None) -> None:
    """Say whether this machine can run labs, one line per check."""
    topology = _topology(dc)
    standing = opened(provider, topology, silent, inventory).provider if inventory else None
    found = list(checks(standing or providers.make(provider), topology))
    for each in found:
        OUT.print(f"{'ok' if each.ok else 'no':3} {each.what}", style="green" if each.ok else "red", markup=False)
    sys.exit(0 if all(each.ok for each in found) else 2)


@main.command()
@click.option("--scenario", metavar="ID", help="Leave this scenario's configuration standing.")
@name_option
@lab_option
@dc_option
@front_end_option
def up(scenario: str | None, name: str, provider: str, dc: str | None, kind: str) -> None:
    """Bring a lab up and leave it standing for programs run by hand."""
    topology = _topology(dc)
    if front_ends.named(kind, "--lab-front-end").built:
        dotnet.has()
    chosen = _one(scenario, topology) if scenario else None
    problems = providers.make(provider).check()
    if problems:
        raise HostError("; ".join(problems))
    argv = [sys.executable, "-m", "doublehop", "hold", "--name", name, "--lab", provider, "--lab-front-end", kind]
    argv += ["--lab-dc", dc] if dc else []
    argv += ["--scenario", scenario] if scenario else []
    with _progress() as progress:
        holder.start_in_background(name, argv, progress)
    machines = holder.ask(name)["machines"]
    OUT.print(f"lab {name!r} is up: {', '.join(machines)}", markup=False)
    if chosen:
        for line in describe(chosen, topology):
            OUT.print(line, markup=False)


def _one(scenario_id: str, topology: Topology) -> Scenario:
    found = _load((scenario_id,), topology)
    if len(found) != 1:
        raise InputError(scenario_id, f"expected one scenario, not {len(found)}")
    return found[0]


@main.command(hidden=True)
@click.option("--name", required=True)
@click.option("--lab", "provider", required=True)
@dc_option
@front_end_option
@click.option("--scenario")
def hold(name: str, provider: str, dc: str | None, kind: str, scenario: str | None) -> None:
    """Hold a lab until told to let go; `up` starts this in the background."""
    topology = _topology(dc)
    chosen = _one(scenario, topology) if scenario else None
    front_end = front_ends.named(kind, "--lab-front-end")
    with Session(providers.make(provider), topology, lambda text: print(text, flush=True), front_end) as session:
        lab = session.lab().wait_for_all()
        with applied(chosen, lab, default_ccache=True) if chosen else nullcontext():
            holder.hold(name, {
                "pid": os.getpid(), "provider": provider, "scenario": scenario or "",
                "machines": {each: list(machine.enter()) for each, machine in lab.machines.items()},
            })


@main.command()
@name_option
@click.option("--all", "everything", is_flag=True, help="Every lab of this user, and what killed runs left.")
def down(name: str, everything: bool) -> None:
    """Take a standing lab down; with --all also what killed runs of this user left."""
    for each in holder.running() if everything else [name]:
        holder.let_go(each)
        OUT.print(f"lab {each!r} is down", markup=False)
    for provider in providers.PROVIDERS if everything else []:
        for left in providers.make(provider).sweep():
            OUT.print(f"removed what a killed run left: {provider} lab {left}", markup=False)


@main.command()
@click.argument("machines", nargs=-1, metavar="[MACHINE]...")
@_vagrant_option
@click.option("--again", is_flag=True, help="Also those that are what this checkout makes of them already.")
def provision(machines: tuple[str, ...], again: bool) -> None:
    """Bring Windows guests to what the topology says, these or all.

    `vagrant up` and `vagrant provision` do this by themselves.
    """
    with _progress() as progress:
        vagrant.VagrantProvider().provision(topologies.load(), machines, progress, again=again)


@main.command("setup")
@click.argument("tools", nargs=-1, required=True, type=click.Choice(sorted(set_up_tools.TOOLS)))
def set_up(tools: tuple[str, ...]) -> None:
    """Install optional host tools from Debian's packages, and start an engine where none runs."""
    with _progress() as progress:
        for each in tools:
            OUT.print(set_up_tools.set_up(each, progress), markup=False)


@main.command()
def status() -> None:
    """List the labs that are up."""
    rows = []
    for name in holder.running():
        known = holder.ask(name)
        rows.append((name, known["provider"], f"pid {known['pid']}", ", ".join(known["machines"]), known["scenario"]))
    for line in render.table(rows):
        OUT.print(line, markup=False)
    if not rows:
        OUT.print("no lab is up", markup=False)


@main.command("exec", context_settings={"ignore_unknown_options": True})
@name_option
@click.argument("machine")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute_in(name: str, machine: str, command: tuple[str, ...]) -> None:
    """Run a program in a machine of a standing lab: doublehop exec client1 -- klist."""
    _enter(name, machine, list(command))


@main.command()
@name_option
@click.argument("machine")
def shell(name: str, machine: str) -> None:
    """Open a shell in a machine of a standing lab."""
    _enter(name, machine, ["bash", "-i"])


def _enter(name: str, machine: str, command: list[str]) -> NoReturn:
    machines = holder.ask(name)["machines"]
    if machine not in machines:
        raise InputError(machine, f"expected one of {', '.join(machines)}")
    argv = [*machines[machine], *command]
    os.execvp(argv[0], argv)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("pytest_options", nargs=-1, type=click.UNPROCESSED)
def test(pytest_options: tuple[str, ...]) -> None:
    """Run doublehop's whole test suite: unit, plugin and lab. Options go to pytest."""
    root = data.FIXTURES.parent
    if not (root / "tests").is_dir():
        raise InputError("test", "the test suite is only in a checkout of the project")
    sys.exit(subprocess.run([sys.executable, "-m", "pytest", *pytest_options], cwd=root, check=False).returncode)
