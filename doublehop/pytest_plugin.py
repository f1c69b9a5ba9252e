"""The pytest plugin: the catalogue as tests, and a lab's machines as fixtures.

`pytest -m delegation` runs one test for each scenario. A scenario that was not run is skipped with its
reason and counted by name in the summary; `--lab-strict` makes that a failure.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from doublehop import catalogue, front_ends, handles, releases, report
from doublehop import topology as topologies
from doublehop.data import SCENARIOS
from doublehop.errors import DoublehopError, HostError, InputError, LabError
from doublehop.explain import explain
from doublehop.lab import Lab
from doublehop.model import Result, Scenario, VerdictKind
from doublehop.providers import vagrant
from doublehop.session import Session, opened, silent
from doublehop.topology import Topology

PROPERTY = "doublehop"
TOPOLOGY = pytest.StashKey[Topology]()
CATALOGUE = pytest.StashKey[list[Scenario]]()
SESSION = pytest.StashKey[Session]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the `--lab` options."""
    group = parser.getgroup("lab", "doublehop: a Kerberos delegation lab")
    group.addoption("--lab", default="local", metavar="PROVIDER",
                    help="What brings the lab's machines up: local, docker, vagrant; or existing, which stand already.")
    group.addoption("--lab-strict", action="store_true",
                    help="Fail a scenario that was not run instead of skipping it.")
    group.addoption("--lab-scenarios", metavar="PATH", help="Take scenarios from this TOML file or folder.")
    group.addoption("--lab-inventory", metavar="FILE", type=Path,
                    help="What stands already, for --lab=existing.")
    group.addoption("--lab-evidence", metavar="DIR", type=Path,
                    help="Write what every hop saw into a JSON-lines file for each scenario in this folder.")
    group.addoption("--lab-vagrant-provider", metavar="NAME",
                    help="With --lab=vagrant, which of Vagrant's providers: docker (default), virtualbox, hyperv, "
                         "libvirt, vmware_desktop.")
    group.addoption("--lab-dc", metavar="RELEASE",
                    help="The Debian release of the lab's domain controllers: bookworm, trixie, sid.")
    group.addoption("--lab-front-end", default="reference", metavar="KIND",
                    help="What answers on the lab's web servers: reference, aspnetcore, aspnetcore-iis.")


def pytest_configure(config: pytest.Config) -> None:
    """Read topology and catalogue; what is wrong in them stops the run before anything starts."""
    config.addinivalue_line("markers", "delegation: runs delegation scenarios in a lab")
    try:
        config.stash[TOPOLOGY] = releases.with_dc(topologies.load(), config.getoption("lab_dc"))
        config.stash[CATALOGUE] = _scenarios(config, config.stash[TOPOLOGY])
        if config.getoption("lab_vagrant_provider"):
            vagrant.choose(config.getoption("lab_vagrant_provider"))
        front_end = front_ends.named(config.getoption("lab_front_end"), "--lab-front-end")
        config.stash[SESSION] = opened(config.getoption("lab"), config.stash[TOPOLOGY], silent,
                                       config.getoption("lab_inventory"), front_end)
    except DoublehopError as failure:
        raise pytest.UsageError(str(failure)) from failure


def _scenarios(config: pytest.Config, topology: Topology) -> list[Scenario]:
    given = config.getoption("lab_scenarios")
    if given is None:
        return catalogue.load(topology, SCENARIOS)
    path = Path(given)
    if path.is_dir():
        return catalogue.load(topology, path)
    return catalogue.load_files([path], topology, catalogue.load(topology))


def pytest_report_header(config: pytest.Config) -> str:
    """Name the provider and what its machines are made of."""
    topology, provider = config.stash[TOPOLOGY], config.stash[SESSION].provider
    versions = [f"{name} {version}" for name, version in provider.versions(topology).items()]
    other = [f"domain controllers on Debian {topology.dc_image.release}"] if topology.dc_image else []
    parts = [f"lab: {provider.name}", f"Debian {topology.image.release}", *other, *versions,
             f"{len(config.stash[CATALOGUE])} scenarios"]
    return ", ".join(parts)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of each scenario for whoever asks for `scenario_result`."""
    if "scenario_result" in metafunc.fixturenames:
        scenarios = metafunc.config.stash[CATALOGUE]
        metafunc.parametrize("scenario_result", scenarios, indirect=True, ids=[each.id for each in scenarios])


@pytest.fixture(scope="session")
def lab_session(pytestconfig: pytest.Config) -> Iterator[Session]:
    """The run of scenarios in this test process, with its lab."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    reporter = pytestconfig.pluginmanager.getplugin("terminalreporter")

    def progress(text: str) -> None:
        if reporter is not None and capture is not None and ("once" in text or "lab image" in text):
            with capture.global_and_fixture_disabled():
                reporter.write_line(f"lab: {text}")

    with pytestconfig.stash[SESSION] as session:
        session.progress = progress
        yield session


@pytest.fixture
def lab(lab_session: Session) -> Lab:
    """The running lab; the first test that asks for it brings it up."""
    try:
        return lab_session.lab().wait_for_all()
    except (HostError, InputError) as failure:
        pytest.fail(f"no lab on this machine: {failure}", pytrace=False)


@pytest.fixture
def lab_bench(lab: Lab, request: pytest.FixtureRequest) -> Iterator[handles.Bench]:
    """Names that belong to this test, and the list of what it has to take back."""
    bench = handles.bench_of(lab, request.node.nodeid)
    with bench.undo:
        yield bench


@pytest.fixture
def directory(lab_bench: handles.Bench) -> handles.Directory:
    """The lab's Active Directory: add users, accounts and names for the length of a test."""
    return handles.Directory(lab_bench)


@pytest.fixture
def front_end(lab_bench: handles.Bench) -> handles.FrontEndHandle:
    """The web servers: configure them in IIS's words, read their log."""
    return handles.FrontEndHandle(lab_bench)


@pytest.fixture
def client(lab_bench: handles.Bench) -> handles.Client:
    """The client machine: ask for pages as a user."""
    return handles.Client(lab_bench)


@pytest.fixture
def sql(lab_bench: handles.Bench) -> handles.Sql:
    """The database server."""
    return handles.Sql(lab_bench)


@pytest.fixture
def scenario_result(request: pytest.FixtureRequest, lab_session: Session, pytestconfig: pytest.Config) -> Result:
    """The result of one scenario, run for this test; the test fails or is skipped by its verdict with `settle`."""
    scenario: Scenario = request.param
    try:
        result = lab_session.run(scenario)
    except (HostError, InputError) as failure:
        pytest.fail(f"no lab on this machine: {failure}", pytrace=False)
    request.node.user_properties.append(
        (PROPERTY, {"id": scenario.id, "verdict": str(result.verdict.kind), "reason": result.verdict.reason})
    )
    folder = pytestconfig.getoption("lab_evidence")
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        about = lab_session.about()
        report.write(report.Report(about=about, lines=(report.line_of(result),)),
                     folder / f"{scenario.id.replace('::', '--')}.jsonl")
    return result


@pytest.fixture
def settle(pytestconfig: pytest.Config) -> "Settle":
    """Turn a scenario's verdict into the test's outcome."""
    return Settle(pytestconfig.stash[SESSION].topology, strict=pytestconfig.getoption("lab_strict"))


class Settle:
    """Agreed passes, disagreed and broken fail with an explanation, not run is skipped with its reason."""

    def __init__(self, topology: Topology, *, strict: bool) -> None:
        self._topology = topology
        self._strict = strict

    def __call__(self, result: Result) -> None:
        """End the test as the verdict says."""
        if result.verdict.kind is VerdictKind.AGREED:
            return
        text = "\n".join(explain(result, self._topology))
        if result.verdict.kind is VerdictKind.NOT_RUN and not self._strict:
            pytest.skip(f"not run: {result.verdict.reason}")
        pytest.fail(text, pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count the four ends, and print why each scenario that did not agree ended so."""
    ends = [
        value for reports in terminalreporter.stats.values() for each in reports
        if getattr(each, "when", "") == "call" or getattr(each, "outcome", "") == "skipped"
        for name, value in getattr(each, "user_properties", ()) if name == PROPERTY
    ]
    if not ends:
        return
    terminalreporter.section("delegation scenarios")
    counts = report.count(VerdictKind(each["verdict"]) for each in ends)
    reasons = Counter((each["verdict"], each["reason"].partition("\n")[0]) for each in ends if each["reason"])
    for (verdict, reason), number in reasons.items():
        terminalreporter.write_line(f"{verdict}: {reason}" + (f" ({number} scenarios)" if number > 1 else ""))
    terminalreporter.write_line(report.summary(counts))


__all__ = ["LabError", "client", "directory", "front_end", "lab", "scenario_result", "settle", "sql"]
