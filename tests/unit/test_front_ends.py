"""Kinds of front end beside the reference: what they depart in is data, and only that is expected to differ."""

from dataclasses import fields, replace

import pytest

from doublehop import catalogue, front_ends
from doublehop import topology as topologies
from doublehop.data import LAB
from doublehop.errors import InputError
from doublehop.model import OF_FRONT_ENDS, Expect, Need, Request
from doublehop.providers.local import LocalProvider
from doublehop.providers.windows_agents import OFFERS
from doublehop.rules import SAMBA, TABLES, WINDOWS
from doublehop.rules.predict import predict

TOPOLOGY = topologies.load()
DOCS = LAB.parent / "docs"
EVERY = {each.id: each for each in catalogue.load(TOPOLOGY)}
KINDS = front_ends.load()
OTHERS = [each for each in KINDS.values() if each.lacks or each.departures]
SAME = {"spn", "kdc", "status", "scheme", "user", "http", "encryption", "session_key", "ticket_flags", "unasked"}
"""What hop 1 comes to is the same on every front end that takes the configuration."""
AT_HOP_1 = {"no-channel-binding", "no-limit-of-one-field", "too-large"}
"""Departures that are seen there; such a departure names every scenario that shows it."""
each_other = pytest.mark.parametrize("kind", OTHERS, ids=lambda each: each.name)


def differing(kind, scenario):
    expected = kind.expected(scenario, TOPOLOGY)
    return {each.name for each in fields(Expect) if getattr(expected, each.name) != getattr(scenario.expect, each.name)}


def test_the_reference_is_expected_to_do_what_is_published():
    reference = KINDS["reference"]
    assert not [each.id for each in EVERY.values() if reference.missing(each) or differing(reference, each)]


def test_there_is_another_one():
    assert OTHERS


@each_other
def test_hop_1_is_the_same_on_every_front_end(kind):
    runs = [each for each in EVERY.values() if isinstance(each.when, Request) and not kind.missing(each)]
    assert len(runs) > 200
    said = {one for name, each in kind.departures.items() if name in AT_HOP_1 for one in each.scenarios}
    assert {each.id for each in runs if differing(kind, each) & SAME} == said


@each_other
def test_a_departure_is_shown_by_scenarios_that_are_run(kind):
    for name, departure in kind.departures.items():
        assert departure.scenarios, name
        for each in departure.scenarios:
            assert not kind.missing(EVERY[each]), f"{name}: {each} is not run"
            without = replace(kind, departures={other: one for other, one in kind.departures.items() if other != name},
                              asks_with="" if departure.rule else kind.asks_with)
            assert kind.expected(EVERY[each], TOPOLOGY) != without.expected(EVERY[each], TOPOLOGY), (
                f"{name}: {each} comes to the same without it")


@each_other
def test_a_rule_of_a_departure_is_one_of_what_the_kind_asks_with(kind):
    """And of those there is none that no departure gives a source for, but where Windows does the same."""
    tagged = {rule.id: rule.platform for table in TABLES for rule in table.rules}
    for each in kind.departures.values():
        assert not each.rule or tagged[each.rule] == kind.asks_with
    named = {each.rule for each in kind.departures.values() if each.rule}
    platform = WINDOWS if Need.WINDOWS in kind.needs else SAMBA
    for scenario in EVERY.values():
        if not isinstance(scenario.when, Request) or kind.missing(scenario) or not kind.asks_with:
            continue
        counted = kind.counted(scenario, TOPOLOGY)
        ours, without = (predict(counted, TOPOLOGY, platform, *more) for more in ([kind.asks_with], []))
        assert ours.expect == without.expect or named & {one.rule.id for one in ours.decisions}, scenario.id


@each_other
def test_every_need_that_is_not_met_is_somebodys(kind):
    for need, reason in kind.lacks.items():
        assert reason
        assert [each for each in EVERY.values() if need in each.needs], f"no scenario needs {need}"


def test_the_page_about_asp_net_says_how_much_of_the_catalogue_kestrel_is_asked():
    """And what is left out, so that neither can shrink unseen."""
    kind, text = KINDS["aspnetcore"], " ".join((DOCS / "aspnet.md").read_text().split())
    asked = [each for each in EVERY.values()
             if isinstance(each.when, Request) and {"A", "B", "C"} & {source[0] for source in each.sources}]
    run = [(each.expect, kind.expected(each, TOPOLOGY)) for each in asked if not kind.missing(each)]
    same_user = sum((there.scheme, there.user) == (here.scheme, here.user) for there, here in run)
    level = sum(there.level == here.level for there, here in run)
    assert f"Of the {len(asked)} scenarios of groups A, B and C (names, IIS, delegation) {len(run)} run" in text
    assert f"those of the reference in {same_user} of them" in text and f"level is the same in {level};" in text
    assert f"{sum(there == here for there, here in run)} come to the same at every hop" in text
    words = {Need.NTLM: "NTLM (", Need.ACT_AS: "`act_as` (", Need.PORT_SHARING: "on one port (", Need.BASIC: "Basic (",
             Need.WINDOWS: "what only Windows has (", Need.CLOCKS: "own clock ("}
    assert words.keys() == kind.lacks.keys()
    for need, word in words.items():
        assert f"{word}{sum(need in each.needs for each in asked)}" in text, need


def test_a_scenario_without_a_departing_setting_is_expected_as_published():
    assert not differing(KINDS["aspnetcore"], EVERY["identities::specific-user"])


@pytest.mark.parametrize(("asked", "offers", "stands"), [
    ("reference", LocalProvider.offers, "reference"), ("reference", OFFERS, "aspnet"),
    ("aspnetcore-iis", OFFERS, "aspnetcore-iis"), ("aspnetcore", LocalProvider.offers, "aspnetcore"),
])
def test_on_windows_iis_own_page_stands_for_the_reference(asked, offers, stands):
    assert front_ends.standing(KINDS[asked], offers).name == stands


@pytest.mark.parametrize(("name", "field", "here", "windows"), [
    ("encryption::unset", "encryption", "RC4", "AES256"),
    ("between-hops::user-disabled", "kdc", "KDC_ERR_POLICY", "KDC_ERR_CLIENT_REVOKED"),
    ("spn::address-without-spn", "spn", "HTTP/{web1.address}", ""),
    ("constrained::empty-list", "fails", {"sql": "KDC_ERR_BADOPTION"}, {"sql": "LOGIN_FAILED"}),
    ("constrained::empty-list", "refused", {}, {"sql": "KDC_ERR_BADOPTION"}),
    ("chain::api-not-registered", "fails", {"api": "KDC_ERR_S_PRINCIPAL_UNKNOWN"}, {"api": "HTTP_401"}),
    ("chain::api-not-registered", "refused", {}, {"api": "KDC_ERR_S_PRINCIPAL_UNKNOWN"}),
    ("back-end::spn-missing", "fails", {"sql": "KDC_ERR_S_PRINCIPAL_UNKNOWN"}, {"sql": "LOGIN_FAILED"}),
    ("explored::transition-by-an-account-without-spn", "fails", {"sql": "KDC_ERR_S_PRINCIPAL_UNKNOWN"},
     {"sql": "SecurityException"}),
    ("constrained::listed", "sees", {"sql": "alice"}, {"sql": "alice"}),
])
def test_on_windows_it_is_expected_what_windows_does_where_the_lab_departs_from_it(name, field, here, windows):
    of_windows = KINDS["aspnet"].expected(EVERY[name], TOPOLOGY, front_ends.platform_of(OFFERS))
    of_samba = KINDS["reference"].expected(EVERY[name], TOPOLOGY, front_ends.platform_of(LocalProvider.offers))
    assert (getattr(of_samba, field), getattr(of_windows, field)) == (here, windows)


IN_IIS = [each for each in KINDS.values() if Need.WINDOWS in each.needs]


def of_windows(kind):
    """What Windows guests are asked of this kind, and what is expected of each there."""
    able = [each for each in EVERY.values() if {*each.needs} <= OFFERS | OF_FRONT_ENDS and not kind.missing(each)]
    return [(each, kind.expected(each, TOPOLOGY, WINDOWS)) for each in able if isinstance(each.when, Request)]


@pytest.mark.parametrize("kind", IN_IIS, ids=lambda each: each.name)
def test_no_page_in_iis_is_expected_to_name_an_error_that_windows_keeps_to_itself(kind):
    """Kerberos's names are the reference's; IIS logs the one that a web server has for a ticket it cannot open."""
    told = {error for _, expect in of_windows(kind) for error in expect.fails.values()}
    of_identities = {"SecurityException"} if Need.ACT_AS not in kind.lacks else set()
    assert {"LOGIN_FAILED", "CANNOT_GENERATE_SSPI_CONTEXT", "HTTP_401", *of_identities} <= told
    assert {each for each in told if each.startswith(("KDC_", "KRB_", "SEC_E_"))} <= {"KRB_AP_ERR_MODIFIED"}


@pytest.mark.parametrize("kind", IN_IIS, ids=lambda each: each.name)
def test_only_who_has_no_password_is_expected_to_go_on_as_nobody(kind):
    """An account that signed in with its password would go on by NTLM in its own name, and be let in."""
    for scenario, expect in of_windows(kind):
        if {"LOGIN_FAILED", "HTTP_401"} & {expect.fails[name] for name in expect.refused}:
            thread = predict(scenario, TOPOLOGY, WINDOWS).expect.thread
            assert thread in {scenario.when.user, scenario.when.act_as, "IUSR", ""}


def test_on_windows_nothing_else_is_expected_than_published_but_what_a_departure_names():
    """What the rules of both platforms agree in stays as the scenario says it; the page counts the rest."""
    reference, others = KINDS["reference"], []
    for each in EVERY.values():
        if predict(each, TOPOLOGY).expect == predict(each, TOPOLOGY, WINDOWS).expect:
            assert reference.expected(each, TOPOLOGY, WINDOWS) == each.expect, each.id
        elif {*each.needs} <= OFFERS | OF_FRONT_ENDS and not KINDS["aspnet"].missing(each):
            others.append(each.id)
    assert f"it: {len(others)} of these come to something else there" in (DOCS / "windows.md").read_text()


@pytest.mark.parametrize("name", ["iis", ""])
def test_an_unknown_front_end_is_refused(name):
    with pytest.raises(InputError, match="expected one of reference, aspnetcore, aspnet, aspnetcore-iis, not"):
        front_ends.named(name, "--lab-front-end")
