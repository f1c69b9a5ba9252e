"""A run of many scenarios over one lab, which is brought up when first needed and once more if it breaks.

Once broken stays broken: after a second break nothing else is run, and each scenario says why.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from types import TracebackType

from doublehop import dotnet
from doublehop import lab as labs
from doublehop.errors import LabError
from doublehop.execute import execute
from doublehop.front_ends import REFERENCE, Kind
from doublehop.lab import Lab
from doublehop.model import OF_FRONT_ENDS, Need, Result, Scenario, Verdict, VerdictKind
from doublehop.providers import Progress, Provider
from doublehop.topology import Topology

LABS_AT_MOST = 2


class Session:
    """Runs scenarios; use it as a context manager, so that the lab goes with it."""

    def __init__(self, provider: Provider, topology: Topology, progress: Progress, kind: Kind = REFERENCE) -> None:
        self._kind = kind
        self.provider = provider
        self.topology = topology
        self._progress = progress
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
        return {"provider": self.provider.name, "front end": self._kind.name, "release": self.topology.image.release,
                **self.provider.versions(self.topology)}

    def lab(self) -> Lab:
        """The running lab.

        Raises HostError when this machine cannot run one, LabError when it would not come up or broke too often.
        """
        if self._lab is not None and self._lab.broken:
            self._broken = self._lab.broken
            self._down()
        if self._lab is None:
            if self._built >= LABS_AT_MOST:
                raise LabError(f"the lab broke {self._built} times, last: {self._broken}")
            self._built += 1
            self._lab = self._stack.enter_context(labs.up(self.provider, self.topology, self._progress, self._kind))
        return self._lab

    def run(self, scenario: Scenario) -> Result:
        """Run one scenario; never raises LabError, because that is a way for a scenario to end."""
        lacking = self._lacking(scenario)
        if lacking:
            return Result(scenario=scenario, verdict=Verdict(kind=VerdictKind.NOT_RUN, reason=lacking))
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

    def _lacking(self, scenario: Scenario) -> str:
        """What keeps a scenario from being run here, if anything does: the lab's kind, its front ends' or this host."""
        needs = [*scenario.needs, *self._kind.needs]
        missing = [each for each in needs if each not in self.provider.offers | OF_FRONT_ENDS]
        if missing:
            return f"the {self.provider.name} lab lacks {', '.join(missing)}"
        missing = [*self._kind.missing(scenario)]
        if missing:
            return f"the {self._kind.name} front end lacks {', '.join(missing)}"
        return "dotnet missing" if Need.DOTNET in needs and dotnet.runtime() is None else ""

    def run_all(self, scenarios: Iterable[Scenario]) -> Iterator[Result]:
        """Run scenarios one after the other."""
        yield from map(self.run, scenarios)

    def _down(self) -> None:
        self._lab = None
        self._stack.close()
