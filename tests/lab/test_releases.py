"""Domain controllers of other releases, in a real lab: what they run, what they depart in and what they cannot."""

import pytest

from doublehop import catalogue, providers, releases
from doublehop import topology as topologies
from doublehop.model import Role, VerdictKind
from doublehop.providers.image import DC_SAMBA
from doublehop.session import Session

ALWAYS = "bookworm"
"""Stable for good, so its image is built when it is missing; unstable is only asked where somebody has built it."""
PLAIN = ("constrained::listed", "constrained::empty-list", "tls::secure", "trust::constrained")


@pytest.fixture(scope="module", params=[ALWAYS, "sid"])
def other(request, not_run):
    """A session with domain controllers of another release."""
    topology = releases.with_dc(topologies.load(), request.param)
    provider = providers.make("local")
    if request.param != ALWAYS and DC_SAMBA not in provider.versions(topology):
        not_run(f"image of {request.param} missing, try `bin/doublehop run --lab-dc={request.param}`")
    with Session(provider, topology, lambda text: None) as session:
        yield session


def scenarios(session, wanted):
    known = {each.id: each for each in catalogue.load(session.topology)}
    return [known[each] for each in wanted if each in known]


def samba(lab, name):
    return lab.machines[name].run("samba", "--version").stdout.removeprefix("Version ").partition("-")[0].strip()


def test_only_the_domain_controller_runs_another_samba(other):
    lab = other.lab().wait_for_all()
    told = other.about()
    assert samba(lab, "dc1") == told[DC_SAMBA]
    assert samba(lab, "web1") == samba(lab, "client1") == told["Samba"] != told[DC_SAMBA]
    release = lab.machines["dc1"].fetch("/etc/os-release").decode()
    assert (f"VERSION_CODENAME={told['dc_release']}\n" in release) or "sid" in release


def test_a_lab_of_another_release_delegates(other):
    ran = scenarios(other, PLAIN)
    assert len(ran) >= 4
    assert [(each.id, other.run(each).verdict.kind) for each in ran] == [(each.id, VerdictKind.AGREED) for each in ran]


def test_departures_of_the_release_are_still_true(other):
    """When one fails, Samba has changed: then its entry in departures-of-releases.toml changes or goes."""
    own = [each for each in releases.departures() if each.release == other.about()["dc_release"]]
    assert own
    for departure in own:
        for each in scenarios(other, departure.expect):
            assert other.run(each).verdict.kind is VerdictKind.AGREED, f"{departure.here}: not seen any more"


def test_without_the_departure_these_scenarios_disagree(other):
    """An entry that changes nothing would hide nothing, and say so of something."""
    plain = {each.id: each for each in catalogue.load(topologies.load())}
    for departure in releases.departures():
        if departure.release == other.about()["dc_release"]:
            for name in departure.expect:
                assert other.run(plain[name]).verdict.kind is VerdictKind.DISAGREED, name


def test_a_need_that_is_left_open_is_really_not_there(other, monkeypatch):
    """One scenario for each: run all the same, it must not agree."""
    open_needs = releases.lacking(other.topology)
    monkeypatch.setattr(releases, "lacking", lambda topology: {})
    working = [each for each in catalogue.load(other.topology) if each.works]
    for need in open_needs:
        scenario = next((each for each in working if each.needs[-1:] == (need,) or need in each.needs), None)
        if need.value == "resource-sids":
            scenario = scenarios(other, ["groups::too-many-groups"])[0]
        assert scenario is not None
        assert other.run(scenario).verdict.kind is not VerdictKind.AGREED, f"{need} is there now"


def test_both_domains_have_controllers_of_the_release(other):
    lab = other.lab()
    if lab.partner is None:
        other.run(scenarios(other, ["trust::constrained"])[0])
    assert lab.topology.across.image_of(lab.topology.across.only(Role.DOMAIN_CONTROLLER)) == lab.topology.dc_image
