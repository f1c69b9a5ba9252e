"""Holding is being equal, fact by fact: what is given holds of itself, and nothing that differs is overlooked."""

import dataclasses
import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from doublehop import catalogue, facts, generated, holding
from doublehop.facts import Held
from doublehop.frontend import FrontEnd, Site, WindowsAuthentication
from doublehop.holding import as_the_client_knows, within_sight
from doublehop.model import (
    BackEndSaw,
    ClientSaw,
    Difference,
    Given,
    Principal,
    Request,
    Verdict,
    VerdictKind,
)
from doublehop.scope import scope_of
from doublehop.topology import load
from tests.unit.strategies import any_question

TOPOLOGY = load()
questions = any_question(TOPOLOGY)


def scoped(scenario):
    return scope_of(scenario.id, scenario.given, TOPOLOGY)


def seen_as(wants):
    return {key: Held(value, seen=True) for key, value in wants.items()}


def other(value):
    """Some value that is not this one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return value | {"another"} if isinstance(value, frozenset) else f"{value} and more"


@given(questions)
def test_what_is_given_holds_of_itself(scenario):
    wants = facts.wanted(scenario, scoped(scenario))
    assert facts.differences(wants, seen_as(wants)) == []


@given(questions, st.data())
def test_one_fact_that_differs_is_the_one_that_is_named(scenario, data):
    wants = facts.wanted(scenario, scoped(scenario))
    key = data.draw(st.sampled_from(sorted(each for each in wants if each[1] != facts.IN_DIRECTORY)))
    held = seen_as(wants) | {key: Held(other(wants[key]), seen=True)}
    (told,) = facts.differences(wants, held)
    assert told.startswith(key[0])
    assert key[1] in told or key[1] == facts.OWNER


@given(questions, st.data())
def test_a_fact_that_nobody_tells_does_not_hold(scenario, data):
    wants = facts.wanted(scenario, scoped(scenario))
    key = data.draw(st.sampled_from(sorted(wants)))
    held = {name: value for name, value in seen_as(wants).items() if name != key}
    assume(wants[key] != frozenset())
    (told,) = facts.differences(wants, held)
    assert told.startswith(key[0])


@given(questions, st.data())
def test_an_account_that_is_not_there_is_one_difference(scenario, data):
    wants = facts.wanted(scenario, scoped(scenario))
    accounts = sorted(about for about, name in wants if name == facts.IN_DIRECTORY)
    assume(accounts)
    about = data.draw(st.sampled_from(accounts))
    held = {key: each for key, each in seen_as(wants).items() if key[0] != about}
    held[about, facts.IN_DIRECTORY] = Held(value=False, seen=True)
    assert facts.differences(wants, held) == [f"{about} is not to be seen in the directory"]


@given(questions, st.integers(min_value=0, max_value=10_000))
@settings(max_examples=50)
def test_two_configurations_hold_of_each_other_only_when_their_facts_are_equal(one, number):
    """The other is one of explore's, which are never thrown away: two that may be would be too often."""
    two = generated.drawn(1, number, TOPOLOGY)
    wants, has = facts.wanted(one, scoped(one)), facts.wanted(two, scoped(two))
    told = facts.differences(wants, seen_as(has))
    assert bool(told) or wants.items() <= has.items()


def test_scenarios_of_the_same_facts_give_the_same():
    """But for a site's settings that its application inherits or says itself, and a computer nothing is said of."""
    found: dict[frozenset[object], list[Given]] = {}
    for each in catalogue.load(TOPOLOGY):
        if isinstance(each.when, Request) and not facts.cannot_hold(each.given):
            wants = facts.wanted(each, scope_of("any::one", each.given, TOPOLOGY))
            own = {name: said for name, said in each.given.computers.items() if said != Principal()}
            given = dataclasses.replace(each.given, front_ends={}, computers=own)
            found.setdefault(frozenset(wants.items()), []).append(given)
    assert len(found) > 100
    assert all(each == some[0] for some in found.values() for each in some)


def test_an_spn_of_somebody_else_is_a_difference():
    scope = scope_of("any::one", Given(), TOPOLOGY)
    key = (f"SPN http/{scope.host('web1')}", facts.OWNER)
    assert facts.differences({}, {key: Held(frozenset({"pool"}), seen=True)}) == [
        f"SPN http/{scope.host('web1')} is on pool, the scenario gives it to nobody"]


def test_a_site_that_the_scenario_has_not_is_a_difference():
    scope = scope_of("any::one", Given(), TOPOLOGY)
    wants = facts.configuration("web1", FrontEnd(), scope)
    more = facts.configuration("web1", FrontEnd(sites={"A": Site(), "B": Site(bindings=("*:81:",))}), scope)
    told = facts.differences(wants, {key: Held(value, seen=False) for key, value in more.items()})
    assert told == ["front end web1, *:81:, /: the inventory states this site, the scenario gives none"]


def test_the_name_of_a_site_or_a_pool_decides_nothing():
    scope = scope_of("any::one", Given(), TOPOLOGY)
    named = FrontEnd(sites={"Mine": Site()})
    assert facts.configuration("web1", named, scope) == facts.configuration("web1", FrontEnd(), scope)


@pytest.mark.parametrize("name", [each.name for each in dataclasses.fields(Principal)])
def test_every_fact_of_an_account_is_seen_or_stated_or_said_to_be_neither(name):
    """A new field of `Principal` belongs into one of these tables before an environment can be held against it."""
    tables = (facts.BY_DIRECTORY, facts.BY_STATEMENT, facts.ELSEWHERE)
    assert sum(name in each for each in tables) == 1


def test_every_setting_of_windows_authentication_is_a_fact():
    scope = scope_of("any::one", Given(), TOPOLOGY)
    names = {name for _, name in facts.configuration("web1", FrontEnd(), scope)}
    told = {each.name for each in dataclasses.fields(WindowsAuthentication)}
    assert told - names == {"enabled", "extendedProtection"}
    assert {"providers", "tokenChecking"} <= names, "these two stand for them"


def test_only_what_was_not_seen_at_all_is_set_aside():
    unseen = Difference(hop="KDC", field="ticket for MSSQLSvc/", expected="issued for alice", observed="nothing")
    seen = Difference(hop="KDC", field="answer for HTTP/x", expected="issued", observed="KDC_ERR_S_PRINCIPAL_UNKNOWN")
    other_hop = Difference(hop="back end sql", field="identity", expected="alice", observed="nothing")
    verdict = Verdict(kind=VerdictKind.DISAGREED, differences=(unseen, seen, other_hop))
    assert within_sight(verdict, kdc_log=False, active_directory=True) == (
        Verdict(kind=VerdictKind.DISAGREED, differences=(seen, other_hop)),
        ["KDC: ticket for MSSQLSvc/, expected issued for alice"])
    assert within_sight(verdict, kdc_log=True, active_directory=True) == (verdict, [])
    alone = dataclasses.replace(verdict, differences=(unseen,))
    assert within_sight(alone, kdc_log=False, active_directory=True)[0].kind is VerdictKind.AGREED


@pytest.mark.parametrize(("expected", "kind"), [
    ("KRB_AP_ERR_MODIFIED", VerdictKind.AGREED), ("KDC_ERR_BADOPTION", VerdictKind.DISAGREED),
])
def test_why_a_page_refused_is_set_aside_and_that_another_did_is_not(expected, kind):
    reason = Difference(hop="back end api", field="error", expected=expected, observed="HTTP_401")
    verdict = Verdict(kind=VerdictKind.DISAGREED, differences=(reason,))
    assert within_sight(verdict, kdc_log=True, active_directory=True)[0].kind is kind


def test_a_short_ticket_is_set_aside_only_where_no_active_directory_made_it():
    short = Difference(hop="client", field="token", expected="Kerberos", observed="YIIC... of 984 letters")
    verdict = Verdict(kind=VerdictKind.DISAGREED, differences=(short,))
    assert within_sight(verdict, kdc_log=True, active_directory=True) == (verdict, [])
    assert within_sight(verdict, kdc_log=True, active_directory=False)[0].kind is VerdictKind.AGREED
    ntlm = dataclasses.replace(verdict, differences=(dataclasses.replace(short, observed="NTLM"),))
    assert within_sight(ntlm, kdc_log=True, active_directory=False) == (ntlm, [])


def test_the_clients_own_account_is_a_ticket_or_an_error_and_else_nothing():
    assert as_the_client_knows(ClientSaw(spn="HTTP/x"), "a@R") == ()
    (ticket,) = as_the_client_knows(ClientSaw(spn="HTTP/x", session_key="AES256"), "a@R")
    assert (ticket.client, ticket.service, ticket.error) == ("a", "HTTP/x", "")
    (refusal,) = as_the_client_knows(ClientSaw(spn="HTTP/x", error="KDC_ERR_S_PRINCIPAL_UNKNOWN"), "a@R")
    assert refusal.error == "KDC_ERR_S_PRINCIPAL_UNKNOWN"
    assert BackEndSaw() == BackEndSaw(error="")


def test_attributes_become_the_facts_of_a_scenario():
    entry = {"spns": ["HTTP/a"], "control": 0x200 | 0x80000, "delegates": ["MSSQLSvc/b"], "act": ["WEB1$"],
             "retrieve": [], "encryption": 24, "groups": 2, "local_groups": 0, "protected": False}
    found = holding._of_entry(entry, frozenset)
    assert found["trusted_for_delegation"] is True
    assert found["account_not_delegated"] is False
    assert found["supported_encryption_types"] == frozenset({"AES128", "AES256"})
    assert found["principals_allowed_to_delegate_to_account"] == frozenset({"WEB1$"})
    assert {name for name in found if name != facts.IN_DIRECTORY} == facts.BY_DIRECTORY


def test_an_account_whose_control_is_hidden_tells_nothing():
    assert holding._of_entry({"control": None}, frozenset) == {facts.IN_DIRECTORY: True}


PAGE = {"scheme": "Kerberos", "mechanism": "SPNEGO", "user": "a", "level": "Delegate", "thread": "a", "pool": "p",
        "back_ends": {}}


@pytest.mark.parametrize(("body", "text"), [
    pytest.param("<html>", "it is no JSON", id="HTML"),
    pytest.param("[]", "it is no object", id="list"),
    pytest.param(json.dumps({**PAGE, "pool": None}), "it has no text 'pool'", id="no pool"),
    pytest.param(json.dumps({**PAGE, "back_ends": []}), "it has no back_ends", id="no back ends"),
    pytest.param(json.dumps({**PAGE, "back_ends": {"sql": {"identity": "a"}}}),
                 "what it says of the back end sql is neither an identity nor an error", id="half a back end"),
    pytest.param(json.dumps(PAGE), "", id="the contract"),
    pytest.param(json.dumps({**PAGE, "back_ends": {"sql": {"error": "X", "native": "x"}}}), "", id="an error"),
])
def test_a_page_of_another_shape_is_told(body, text):
    assert holding.not_the_contract(body) == text
