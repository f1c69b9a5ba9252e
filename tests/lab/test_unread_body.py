"""A body that comes before any proof: the front end leaves it unread, and the connection with it (row B-40)."""

import json
from pathlib import Path

import pytest

from doublehop.model import Principal
from tests.lab.portal import portal_site

SCRIPT = (Path(__file__).parent / "post_first.py").read_text()
MORE_THAN_ANY_BUFFER = 32 << 20
PORTAL = portal_site()


@pytest.fixture
def post(lab, directory, front_end, client):
    """Post a body after something else on the same connection; gives what was seen in order."""
    directory.add(names={"portal": "A web1"}, users={"ann": Principal()},
                  accounts={"pool": Principal(spns=("HTTP/{portal}",))})
    front_end.configure(PORTAL)
    bench = client._bench
    principal = bench.scope.principal("ann")
    assert not lab.client.ask("sign_in", principal=principal, password=bench.passwords["ann"])

    def post(before, size):
        wanted = {"host": directory.fill("{portal}"), "ccache": f"FILE:/run/ccaches/{principal}", "before": before,
                  "size": size}
        done = lab.machines["client1"].run("python3", "-c", SCRIPT, stdin=json.dumps(wanted), timeout=60).check()
        return json.loads(done.stdout)

    yield post
    lab.client.ask("sign_out", principal=principal)


@pytest.mark.parametrize(("before", "size", "seen"), [
    pytest.param("nothing", MORE_THAN_ANY_BUFFER, ["cut"], id="first on a new connection"),
    pytest.param("nothing", 100, [401], id="first, but small enough to have been read"),
    pytest.param("a page", MORE_THAN_ANY_BUFFER, [200, 200], id="after a page on the same connection"),
    pytest.param("a token", MORE_THAN_ANY_BUFFER, [200], id="with the proof beside it"),
])
def test_a_body_before_any_proof_costs_the_connection(post, before, size, seen):
    assert post(before, size) == seen
