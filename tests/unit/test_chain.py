"""Chains of front ends: what may be asked, what has to be expected of each link, and the KDC's line for each."""

import dataclasses

import pytest

from doublehop.errors import InputError
from doublehop.model import BackEndSaw, ClientSaw, Expect, FrontEndSaw, Given, KdcLine, Observation
from doublehop.scope import Scope
from doublehop.verdict import judge, service_of

GIVEN = """
given.names.api = "A web2"
given.front_ends.web2.sites.Api.bindings = ["*:8080:"]
given.back_ends.api = "http://{api}:8080/whoami"
when = { get = "http://{web1}/", back_ends = ["api.sql"] }
"""


def _it(scenario, sees="", fails="", given=GIVEN):
    return scenario(f"{given}\nexpect = {{ status = 200, sees = {{ {sees} }}, fails = {{ {fails} }} }}")


def test_each_link_is_told(scenario):
    assert _it(scenario, sees='api = "alice", "api.sql" = "alice"').works
    assert not _it(scenario, sees='api = "alice", "api.sql" = "pool"').works
    assert not _it(scenario, sees='api = "alice"', fails='"api.sql" = "KDC_ERR_BADOPTION"').works


def test_what_is_behind_a_link_that_fails_is_not_told(scenario):
    assert not _it(scenario, fails='api = "KDC_ERR_BADOPTION"').works


@pytest.mark.parametrize(("sees", "fails"), [
    pytest.param('api = "alice"', "", id="the end is left out"),
    pytest.param('"api.sql" = "alice"', "", id="the middle is left out"),
    pytest.param('"api.sql" = "alice"', 'api = "X"', id="something behind a failure"),
    pytest.param('api = "alice", "api.sql" = "alice", sql = "alice"', "", id="a back end that is not asked"),
])
def test_links_have_to_add_up(scenario, sees, fails):
    with pytest.raises(InputError, match="for each back end that is asked, and no other"):
        _it(scenario, sees, fails)


@pytest.mark.parametrize("asked", ["ldap", "sql.api", "api.ldap", "api.", ".sql", "api..sql", ""])
def test_only_what_is_given_can_be_asked(scenario, asked):
    with pytest.raises(InputError, match="expected sql, partner-sql, api, not"):
        _it(scenario, given=GIVEN.replace("api.sql", asked))


@pytest.mark.parametrize(("name", "url", "problem"), [
    ("sql", "http://{api}/whoami", "expected a label"),
    ("Api", "http://{api}/whoami", "expected a label"),
    ("other", "https://{api}/whoami", "expected a page such as"),
    ("other", "http://{api}", "expected a page such as"),
    ("other", "http://{api}/whoami?act_as=bob", "expected a page such as"),
    ("other", "http://{api}:81/whoami", "nothing listens at http on port 81 of web2"),
    ("other", "http://{nobody}/whoami", "no name or machine is called"),
])
def test_a_page_is_a_url_with_a_path(scenario, name, url, problem):
    with pytest.raises(InputError, match=problem):
        _it(scenario, sees='api = "alice", "api.sql" = "alice"', given=f'{GIVEN}given.back_ends.{name} = "{url}"')


@pytest.fixture(scope="module")
def scope(topology):
    given = Given(names={"api": "A web2"}, back_ends={"api": "http://{api}:8080/whoami"})
    return Scope(topology=topology, given=given, prefix="s1")


def test_a_pages_service_is_its_hosts_without_the_port(scope):
    assert service_of("api", scope) == "HTTP/api.s1.doublehop.test"
    assert service_of("api.sql", scope) == "MSSQLSvc/"
    assert service_of("api.api", scope) == service_of("api", scope)


def _line(service, error=""):
    return KdcLine(kind="TGS", client="lab-alice", service=service, impersonated="lab-alice", error=error)


ALICE = BackEndSaw(identity="lab-alice@DOUBLEHOP.TEST", scheme="KERBEROS")
API, SQL = _line("HTTP/api.s1.doublehop.test"), _line("MSSQLSvc/sql1.doublehop.test")
SEEN = Observation(client=ClientSaw(status=200), front_end=FrontEndSaw(),
                   back_ends={"api": ALICE, "api.sql": ALICE}, kdc=(API, SQL))
WORKS = Expect(status=200, sees={"api": "alice", "api.sql": "alice"})


@pytest.mark.parametrize(("kdc", "where"), [
    ((API, SQL), []),
    ((SQL,), ["ticket for HTTP/api.s1.doublehop.test"]),
    ((_line("HTTP/other.s1.doublehop.test"), SQL), ["ticket for HTTP/api.s1.doublehop.test"]),
    ((API,), ["ticket for MSSQLSvc/"]),
], ids=["both", "no ticket for the page", "a ticket for another page", "no ticket for the database"])
def test_each_link_needs_the_kdcs_own_line(scope, kdc, where):
    verdict = judge(WORKS, dataclasses.replace(SEEN, kdc=kdc), scope)
    assert [each.field for each in verdict.differences] == where


def test_a_page_that_is_refused_needs_the_kdcs_refusal(scope):
    expect = Expect(status=200, fails={"api": "KDC_ERR_BADOPTION"})
    seen = dataclasses.replace(SEEN, back_ends={"api": BackEndSaw(error="KDC_ERR_BADOPTION")}, kdc=(API,))
    assert [each.observed for each in judge(expect, seen, scope).differences] == ["issued"]
    other = dataclasses.replace(API, client="s1-service")
    twice = dataclasses.replace(seen, kdc=(_line(API.service, "KDC_ERR_BADOPTION"), other))
    assert not judge(expect, twice, scope).differences, "another link may have been given what this one was not"
    refused = dataclasses.replace(seen, kdc=(_line(API.service, "KDC_ERR_BADOPTION"),))
    assert not judge(expect, refused, scope).differences
