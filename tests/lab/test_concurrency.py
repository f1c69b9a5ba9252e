"""Users who ask at the same time are never taken for each other, at any hop."""

import json
from pathlib import Path

import pytest

from doublehop.frontend import WindowsAuthentication
from doublehop.model import Principal
from tests.lab.portal import portal_site

SCRIPT = (Path(__file__).parent / "two_users.py").read_text()
USERS = ("ann", "ben")


@pytest.fixture
def at_once(lab, directory, front_end, sql, client):
    """Have two users ask a page with KCD at once; gives an answer for each request."""
    directory.add(
        names={"portal": "A web1"}, users={each: Principal() for each in USERS},
        accounts={"pool": Principal(spns=("HTTP/{portal}",), allowed_to_delegate_to=("MSSQLSvc/{sql1}",))},
    )
    bench = client._bench
    for each in USERS:
        sql.add_login(each)
        refusal = lab.client.ask("sign_in", principal=bench.scope.principal(each), password=bench.passwords[each])
        assert not refusal

    def run(*, requests, connections=8, kept, shared=False):
        front_end.configure(portal_site(
            windows=WindowsAuthentication(useKernelMode=False, authPersistNonNTLM=kept), impersonate=True))
        wanted = {
            "host": directory.fill("{portal}"), "requests": requests, "connections": connections, "shared": shared,
            "users": {each: f"FILE:/run/ccaches/{bench.scope.principal(each)}" for each in USERS},
        }
        done = lab.machines["client1"].run("python3", "-c", SCRIPT, stdin=json.dumps(wanted), timeout=240).check()
        return json.loads(done.stdout)

    yield run
    for each in USERS:
        lab.client.ask("sign_out", principal=bench.scope.principal(each))


@pytest.fixture
def crossed(client):
    """Those of some answers that name anybody but the one who asked, at any hop."""

    def find(answers):
        def seen(page):
            sql = page["back_ends"]["sql"]
            return {page["user"], page["thread"], sql.get("identity", sql.get("error"))}

        return [each for each in answers if seen(each[5]) != {client._bench.scope.principal(each[0])}]

    return find


def _overlapping(answers):
    """How many requests were under way while another user's was."""
    return sum(any(one[0] != other[0] and one[1] < other[2] and other[1] < one[2] for other in answers)
               for one in answers)


@pytest.mark.parametrize(("kept", "requests", "tokens"), [
    pytest.param(False, 200, 200, id="proof with each request"),
    pytest.param(True, 80, 8, id="proof for each connection"),
])
def test_two_users_at_once_are_never_taken_for_each_other(at_once, crossed, kept, requests, tokens):
    answers = at_once(requests=requests, kept=kept)
    assert [each[4] for each in answers] == [200] * requests
    assert crossed(answers) == []
    assert sum(each[3] for each in answers) == tokens
    assert _overlapping(answers) > requests / 2, "the users did not ask at the same time, so nothing was shown"


def test_a_client_that_shares_kept_connections_between_users_mixes_them_up(at_once, crossed):
    """What makes the tests above mean something: on a connection that was proven, whoever asks is its user (B-31)."""
    answers = at_once(requests=20, connections=1, kept=True, shared=True)
    assert len(crossed(answers)) == 10
    assert sum(each[3] for each in answers) == 1, "only the first user was ever asked for a ticket"


def test_shared_connections_mix_nobody_up_where_each_request_is_proven(at_once, crossed):
    answers = at_once(requests=20, connections=1, kept=False, shared=True)
    assert crossed(answers) == []
    assert sum(each[3] for each in answers) == 20
