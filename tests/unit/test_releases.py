"""Domain controllers of other Debian releases: what changes on paper, and what is expected of them."""

import pytest

from doublehop import catalogue, releases
from doublehop import topology as topologies
from doublehop.data import LAB
from doublehop.errors import InputError
from doublehop.kdclog import parse
from doublehop.model import ClientSaw, Expect, Need, Observation, Result, Scenario, VerdictKind
from doublehop.providers import image
from doublehop.providers.docker_image import _arguments
from doublehop.providers.fake import FakeProvider
from doublehop.session import Session

TOPOLOGY = topologies.load()
OTHERS = [each for each in releases.load() if each != TOPOLOGY.image.release]
PLAIN = {each.id: each for each in catalogue.load(TOPOLOGY)}
ON = {name: {each.id: each for each in catalogue.load(releases.with_dc(TOPOLOGY, name))} for name in OTHERS}


def test_the_ordinary_release_changes_nothing(topology):
    assert releases.with_dc(topology, None) is topology
    assert releases.with_dc(topology, topology.image.release) is topology
    assert not releases.lacking(topology)


@pytest.mark.parametrize("name", OTHERS)
def test_only_domain_controllers_are_of_another_release(topology, name):
    other = releases.with_dc(topology, name)
    assert {machine: other.image_of(machine).release for machine in other.machines} == {
        **dict.fromkeys(topology.machines, topology.image.release), "dc1": name}
    across = other.across
    assert (across.image_of("dc2").release, across.image_of("sql2").release) == (name, topology.image.release)
    assert across.across == other


def test_a_release_that_nobody_has_tried_is_refused(topology):
    with pytest.raises(InputError, match=r"^--lab-dc: expected one of bookworm, sid, trixie, not 'buster'$"):
        releases.with_dc(topology, "buster")


def test_what_a_release_is_without_is_on_the_list():
    listed = (LAB / "image" / TOPOLOGY.image.packages).read_text().split("\n")
    for name in OTHERS:
        assert set(releases.load()[name].without) <= set(listed), name


def test_each_release_has_an_image_and_a_state_of_its_own(topology):
    labs = [topology, *(releases.with_dc(topology, each) for each in OTHERS)]
    assert len({image.key(each.image_of("dc1")) for each in labs}) == len(labs)
    assert len({image.key(each.image_of("web1")) for each in labs}) == 1
    assert len({image.snapshot_key("root", each, "dc1") for each in labs}) == len(labs)


def test_a_dockerfile_is_told_what_a_release_is_without(topology):
    spec = releases.with_dc(topology, "sid").image_of("dc1")
    assert _arguments(spec, "debian:sid-slim") == {
        "BASE": "debian:sid-slim", "WITHOUT": "postgresql-17 postgresql-client-17",
        "APT": 'Acquire::Check-Valid-Until "false"',
    }
    text = (LAB / "docker" / "Dockerfile").read_text()
    assert all(f"ARG {each}=" in text for each in _arguments(spec, ""))


def test_the_header_tells_the_samba_of_the_domain_controllers(topology):
    known = {"trixie": {"Samba": "4.22.4", "PostgreSQL": "17.6"}, "bookworm": {"Samba": "4.17.12"}}
    told = image.versions(releases.with_dc(topology, "bookworm"), lambda spec: known[spec.release])
    assert told == {"Samba": "4.22.4", "PostgreSQL": "17.6", image.DC_SAMBA: "4.17.12"}
    assert image.versions(topology, lambda spec: known[spec.release]) == known["trixie"]
    assert image.versions(releases.with_dc(topology, "sid"), lambda spec: {}) == {}


class AnyLab(FakeProvider):
    """A fake lab that has everything a provider can have."""

    offers = frozenset(Need)


def ended(scenario: Scenario, release: str) -> Result:
    with Session(AnyLab(), releases.with_dc(TOPOLOGY, release), lambda text: None) as session:
        return session.run(scenario)


@pytest.mark.parametrize(("need", "release"), [
    (need, name) for name in OTHERS for need in releases.load()[name].lacks])
def test_a_need_that_a_release_leaves_open_is_told_with_the_remedy(need, release):
    scenario = next(each for each in PLAIN.values() if need in each.needs)
    verdict = ended(scenario, release).verdict
    assert verdict.kind is VerdictKind.NOT_RUN
    assert verdict.reason.startswith(f"no {need.value}: Samba ") and "try --lab-dc=" in verdict.reason
    assert ended(scenario, TOPOLOGY.image.release).verdict.kind is not VerdictKind.NOT_RUN


# ---- departures of a release ----


@pytest.mark.parametrize("departure", releases.departures(), ids=lambda each: each.id)
def test_a_departure_of_a_release_changes_what_is_expected_there_and_nowhere_else(departure):
    assert departure.release in OTHERS
    for name in departure.expect:
        assert ON[departure.release][name].expect != PLAIN[name].expect, f"{name} departs from nothing"
        assert departure.reason in ON[departure.release][name].why
        assert set(ON[departure.release][name].needs).isdisjoint(releases.load()[departure.release].lacks), (
            f"{name} is not run there at all")
        departing = {each.release for each in releases.departures() if name in each.expect}
        for other in set(OTHERS) - departing:
            assert ON[other][name].expect == PLAIN[name].expect


def test_no_other_expectation_changes_with_the_release():
    named = {(each.release, name) for each in releases.departures() for name in each.expect}
    assert {(release, name) for release in OTHERS for name in PLAIN
            if ON[release][name].expect != PLAIN[name].expect} == named


def test_no_scenario_departs_twice_on_one_release():
    named = [(each.release, name) for each in releases.departures() for name in each.expect]
    assert len(named) == len(set(named))


WRONG = {
    "unknown key": ("load", '[sid]\nlaks = {}\n', "sid.laks: Unexpected keyword argument"),
    "unknown need": ("load", '[sid.lacks]\nrcbd = "x"\n', "sid.lacks.rcbd.*Input should be 'kerberos'"),
    "bad syntax": ("load", '[sid\n', "at line 1"),
    "no date": ("departures", '[a]\nrelease = "sid"\nhere = ""\nreason = ""\nsource = ""\n[a.expect]\n',
                "0.date: Field required"),
}


@pytest.mark.parametrize(("read", "text", "problem"), WRONG.values(), ids=WRONG)
def test_a_file_that_cannot_be_used_says_which_key(tmp_path, read, text, problem):
    path = tmp_path / "some.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=problem) as refusal:
        getattr(releases, read)(path)
    assert refusal.value.where == str(path)


def test_an_expectation_of_a_release_is_read_as_strictly_as_any(monkeypatch):
    wrong = releases.READ_DEPARTURES.validate_python([{
        "id": "a", "release": "sid", "here": "", "reason": "", "source": "", "date": "2026-11-23",
        "expect": {"constrained::listed": {"statsu": 200}}}])
    monkeypatch.setattr(releases, "departures", lambda: wrong)
    with pytest.raises(InputError, match=r"a\.expect\.statsu: unexpected key"):
        catalogue.load(releases.with_dc(TOPOLOGY, "sid"))


# ---- the log of Samba 4.17 ----


@pytest.mark.parametrize(("heard", "kind"), [
    ("KRB_AP_ERR_SKEW", VerdictKind.AGREED), ("KDC_ERR_POLICY", VerdictKind.DISAGREED), ("", VerdictKind.DISAGREED)])
def test_a_refusal_without_a_name_in_the_log_is_what_the_client_heard(heard, kind):
    from doublehop.scope import scope_of
    from doublehop.verdict import judge

    scenario = PLAIN["time::client-ten-minutes-slow"]
    scope = scope_of(scenario.id, scenario.given, TOPOLOGY)
    spn = scope.fill("HTTP/{portal}")
    line = "Kerberos: TGS-REQ UNKNOWN-0 ipv4:10.93.0.41:57852 <unknown> <unknown> elapsed=0.000616"
    saw = Observation(client=ClientSaw(spn=spn, error=heard, status=401), kdc=tuple(parse(line)))
    assert judge(Expect(spn="HTTP/{portal}", kdc="KRB_AP_ERR_SKEW", status=401), saw, scope).kind is kind
