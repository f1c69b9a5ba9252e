"""ASP.NET Core on Kestrel, with .NET's own acceptor, comes to the same as the reference front end.

Every scenario about names, accounts and delegation that Kestrel can be configured for runs through both, with the same
accounts, client, database and domain controller. What may differ is in fixtures/front-ends.toml.
"""

import json

import jsonschema
import pytest

from doublehop import catalogue, front_ends, providers
from doublehop import topology as topologies
from doublehop.data import LAB
from doublehop.model import Request, VerdictKind
from doublehop.pytest_plugin import PROPERTY
from doublehop.session import Session

TOPOLOGY = topologies.load()
KIND = front_ends.load()["aspnetcore"]
GROUPS = {"A", "B", "C"}
"""Names and SPNs, IIS's configuration, delegation."""
RUN = [each for each in catalogue.load(TOPOLOGY) if isinstance(each.when, Request) and not KIND.missing(each)
       and GROUPS & {source[0] for source in each.sources}]
SCHEMA = json.loads((LAB / "contract" / "whoami.schema.json").read_text())
COMPARED = ("scheme", "user", "level", "error")


@pytest.fixture(scope="module")
def kestrel(pytestconfig):
    """The same lab with Kestrel on its web servers."""
    with Session(providers.make(pytestconfig.getoption("lab")), TOPOLOGY, lambda _: None, KIND) as session:
        yield session


@pytest.fixture
def run(kestrel, request, settle):
    """Run a scenario through Kestrel; without .NET that is not run, and counted so by name (decision 2)."""

    def run(scenario):
        result = kestrel.run(scenario)
        if result.verdict.kind is VerdictKind.NOT_RUN:
            request.node.user_properties.append((PROPERTY, {
                "id": request.node.nodeid, "verdict": str(result.verdict.kind), "reason": result.verdict.reason}))
        settle(result)
        return result.observation

    return run


@pytest.mark.parametrize("scenario", RUN, ids=lambda each: each.id)
def test_a_scenario_ends_on_kestrel_as_on_the_reference(scenario, run, lab_session):
    """As published, but for what departs; and what both front ends say of themselves differs in nothing else."""
    assert lab_session.kind.name == "reference"
    observation, reference = run(scenario), lab_session.run(scenario)
    assert reference.verdict.kind is VerdictKind.AGREED, reference.verdict
    if observation.client.status == 200:
        jsonschema.validate(json.loads(observation.client.body), SCHEMA)
    expected = KIND.expected(scenario, TOPOLOGY)
    here, there = observation.front_end, reference.observation.front_end
    assert (here is None) == (there is None) or expected.status != scenario.expect.status
    for name in COMPARED if here and there else ():
        departs = getattr(expected, name) != getattr(scenario.expect, name)
        assert (getattr(here, name) != getattr(there, name)) == departs, f"{name}: {here} beside {there}"
