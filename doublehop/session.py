"""A run of many scenarios over one lab, which is brought up when first needed and once more if it breaks.

Once broken stays broken: after a second break nothing else is run, and each scenario says why.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from types import TracebackType

from doublehop import dotnet, providers, releases
from doublehop import lab as labs
from doublehop.errors import InputError, LabError
from doublehop.execute import execute
from doublehop.front_ends import REFERENCE, Kind, standing
from doublehop.lab import Lab
from doublehop.model import OF_FRONT_ENDS, Need, Result, Scenario, Verdict, VerdictKind
from doublehop.providers import Progress, Provider
from doublehop.topology import Topology

LABS_AT_MOST = 2
BY_INVENTORY = {"existing": "doublehop.existing:Visit"}
"""Providers whose machines are somebody else's, and how scenarios are run on those; an inventory tells of them."""


class Session:
    """Runs scenarios; use it as a context manager, so that the lab goes with it."""

    def __init__(self, provider: Provider, topology: Topology, progress: Progress, kind: Kind = REFERENCE) -> None:
        self.kind = standing(kind, provider.offers)
        self.provider = provider
        self.topology = topology
        self.progress = progress
        self._stack = ExitStack()
        self._lab: Lab | None = None
        self._built = 0
        self._broken = ""

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._down()

    def about(self) -> Mapping[str, str]:
        """Provider and versions, for headers and reports."""
        dc = {"dc_release": self.topology.dc_image.release} if self.topology.dc_image else {}
        return {"provider": self.provider.name, "front end": self.kind.name,
                "release": self.topology.image.release, **dc,
                **self.provider.versions(self.topology)}

    def lacks(self, scenario: Scenario) -> str:
        """Which of a scenario's needs are not met here, with reasons where there are any; nothing when all are."""
        needs, of_the_dc = [*scenario.needs, *self.kind.needs], releases.lacking(self.topology)
        missing = [each for each in needs if each not in self.provider.offers | OF_FRONT_ENDS]
        found = [f"the {self.provider.name} lab lacks {', '.join(missing)}"] if missing else []
        beyond = self.kind.missing(scenario)
        found += [f"the {self.kind.name} front end lacks {', '.join(beyond)}"] if beyond else []
        found += [f"no {each}: {of_the_dc[each]}" for each in needs if each in of_the_dc]
        without = not found and (Need.DOTNET in needs or self.kind.built) and dotnet.runtime() is None
        return "dotnet missing" if without else "; ".join(found)

    def lab(self) -> Lab:
        """The running lab.

        Raises HostError when this machine cannot run one, InputError when what is kept of an earlier one cannot be
        used, LabError when it would not come up or broke too often.
        """
        if self._lab is not None and self._lab.broken:
            self._broken = self._lab.broken
            self._down()
        if self._lab is None:
            if self._built >= LABS_AT_MOST:
                raise LabError(f"the lab broke {self._built} times, last: {self._broken}")
            self._built += 1
            self._lab = self._stack.enter_context(labs.up(self.provider, self.topology, self.progress, self.kind))
        return self._lab

    def run(self, scenario: Scenario) -> Result:
        """Run one scenario; never raises LabError, because that is a way for a scenario to end."""
        lacks = self.lacks(scenario)
        if lacks:
            return Result(scenario=scenario, verdict=Verdict(kind=VerdictKind.NOT_RUN, reason=lacks))
        if self._built >= LABS_AT_MOST and (self._lab is None or self._lab.broken):
            return Result(scenario=scenario, verdict=Verdict(
                kind=VerdictKind.NOT_RUN, reason=f"the lab broke {self._built} times: {self._broken}"))
        try:
            lab = self.lab()
        except LabError as failure:
            self._broken = str(failure).splitlines()[0]
            return Result(scenario=scenario, verdict=Verdict(kind=VerdictKind.BROKEN, reason=str(failure)))
        result = execute(scenario, lab)
        self._broken = lab.broken
        return result

    def run_all(self, scenarios: Iterable[Scenario]) -> Iterator[Result]:
        """Run scenarios one after the other."""
        yield from map(self.run, scenarios)

    def _down(self) -> None:
        self._lab = None
        self._stack.close()


def silent(text: str) -> None:
    """Progress that nobody is told of."""


def opened(name: str, topology: Topology, progress: Progress, inventory: Path | None = None,
           kind: Kind = REFERENCE) -> Session:
    """A session on the provider of a name, with front ends of a kind; nothing is started before it is used.

    Raises InputError when there is no such provider, or an inventory is missing, wrong or of no use.
    """
    provider = providers.make(name)
    if name not in BY_INVENTORY:
        if inventory is not None:
            raise InputError("--lab-inventory", f"goes with --lab={' or '.join(BY_INVENTORY)}, not with --lab={name}")
        return Session(provider, topology, progress, kind)
    if kind is not REFERENCE:
        raise InputError("--lab-front-end", f"unexpected with --lab={name}: its web servers run what they run")
    if inventory is None:
        raise InputError("--lab-inventory", f"--lab={name} needs the TOML file that says what stands there "
                         "(docs/existing.md)")
    module, _, attribute = BY_INVENTORY[name].partition(":")
    session: Session = getattr(import_module(module), attribute)(topology, inventory, progress)
    return session
