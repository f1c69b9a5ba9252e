"""Results as lines for a person."""

import pytest

from doublehop.model import (
    BackEndSaw,
    ClientSaw,
    FrontEndSaw,
    Observation,
    Result,
    Verdict,
    VerdictKind,
)
from doublehop.render import COLOURS, hops, result_line, table
from doublehop.scope import scope_of

PAGE = 'when.get = "http://{web1}/"\nexpect = { status = 200, sees.sql = "alice" }'
REGISTRATION = 'when = { register = "HTTP/{web1}", on = "web1" }\nexpect.directory = "success"'
KERBEROS = FrontEndSaw(scheme="Kerberos", level="Delegate")

SHOWN = {
    "delegated": (
        Observation(client=ClientSaw(status=200), front_end=KERBEROS,
                    back_ends={"sql": BackEndSaw(identity="WEB1$@DOUBLEHOP.TEST")}),
        "alice: 200 Kerberos Delegate | sql sees web1$"),
    "stopped at hop 2": (
        Observation(client=ClientSaw(status=200), front_end=FrontEndSaw(scheme="Kerberos", level="Impersonate"),
                    back_ends={"sql": BackEndSaw(error="KDC_ERR_BADOPTION")}),
        "alice: 200 Kerberos Impersonate | sql: KDC_ERR_BADOPTION"),
    "anonymous": (
        Observation(client=ClientSaw(status=200), front_end=FrontEndSaw(scheme="Anonymous")), "alice: 200 Anonymous"),
    "refused by the front end": (
        Observation(client=ClientSaw(status=401), front_end=FrontEndSaw(error="KRB_AP_ERR_MODIFIED")),
        "alice: 401 KRB_AP_ERR_MODIFIED"),
    "refused by the KDC": (
        Observation(client=ClientSaw(status=401, error="KDC_ERR_S_PRINCIPAL_UNKNOWN")),
        "alice: 401 KDC_ERR_S_PRINCIPAL_UNKNOWN"),
    "nothing sent": (Observation(client=ClientSaw(status=401)), "alice: 401 credentials not sent"),
    "too long": (Observation(client=ClientSaw(status=400, handshakes=1)), "alice: 400 credentials refused unread"),
}


@pytest.mark.parametrize(("observation", "shown"), SHOWN.values(), ids=SHOWN)
def test_both_hops_fit_on_a_line(scenario, topology, observation, shown):
    made = scenario(PAGE)
    assert hops(made, observation, scope_of(made.id, made.given, topology)) == shown


def test_a_user_of_the_scenario_is_shown_by_label(scenario, topology):
    made = scenario(PAGE)
    scope = scope_of(made.id, made.given, topology)
    seen = Observation(back_ends={"sql": BackEndSaw(identity=scope.principal("alice"))})
    assert hops(made, seen, scope).endswith("| sql sees alice")


def test_a_registration_shows_the_directorys_answer(scenario, topology):
    made = scenario(REGISTRATION)
    shown = hops(made, Observation(directory="constraintViolation"), scope_of(made.id, made.given, topology))
    assert shown == "directory: constraintViolation"


def test_a_result_is_verdict_id_hops_and_time_in_columns(scenario, topology):
    made = scenario(PAGE)
    seen = Observation(client=ClientSaw(status=200), front_end=KERBEROS)
    result = Result(scenario=made, verdict=Verdict(kind=VerdictKind.AGREED), observation=seen, seconds=0.123)
    assert result_line(result, topology, 12) == f"agreed     topic::it     {'alice: 200 Kerberos Delegate':60}   0.12 s"


def test_a_result_without_observation_is_verdict_and_id(scenario, topology):
    result = Result(scenario=scenario(PAGE), verdict=Verdict(kind=VerdictKind.NOT_RUN, reason="x"))
    assert result_line(result, topology, 12) == "not run    topic::it"


def test_each_end_has_its_own_colour():
    assert set(COLOURS) == set(VerdictKind)
    assert len(set(COLOURS.values())) == len(VerdictKind)


TABLES = {
    "none": ([], []),
    "one column": ([("a",), ("bb",)], ["a", "bb"]),
    "aligned": ([("a", "b", "c"), ("long", "", "d")], ["a     b  c", "long     d"]),
    "no blanks at the end": ([("a", ""), ("bb", "c")], ["a", "bb  c"]),
}


@pytest.mark.parametrize(("rows", "lines"), TABLES.values(), ids=TABLES)
def test_a_table_is_as_wide_as_its_cells(rows, lines):
    assert table(rows) == lines
