"""The Negotiate exchange itself: several legs on one connection, and the mutual authentication token."""

import json

import pytest

from doublehop.model import Principal
from tests.lab.portal import portal_site

PORTAL = portal_site()

# Runs in the client machine. DCE style makes Kerberos take three legs (RFC 4757 section 7.1): the caller has
# proven nothing before the third, which has to come on the connection of the first.
THREE_LEGS = """
import base64, gssapi, http.client, json, sys
host, same = sys.argv[1], sys.argv[2] == "same"
DCE_STYLE = 0x1000
context = gssapi.SecurityContext(
    name=gssapi.Name(f"HTTP@{host}", gssapi.NameType.hostbased_service), usage="initiate",
    flags=DCE_STYLE | gssapi.RequirementFlag.mutual_authentication,
)
seen, connection, answer = [], http.client.HTTPConnection(host, 80, timeout=10), None
while not context.complete or answer is None:
    token = context.step(answer)
    if seen and not same:
        connection = http.client.HTTPConnection(host, 80, timeout=10)
    value = "Negotiate " + base64.b64encode(token).decode()
    connection.request("GET", "/whoami?back_ends=", headers={"Authorization": value})
    response = connection.getresponse()
    body = response.read().decode()
    scheme, _, value = (response.headers.get("WWW-Authenticate") or "").partition(" ")
    answer = base64.b64decode(value)
    seen.append([response.status, len(answer), body])
    if len(seen) > 3:
        break
json.dump(seen, sys.stdout)
"""


@pytest.fixture
def legs(lab, directory, front_end, client):
    """The legs of one three-leg exchange: status, length of the server's token, body of each."""
    directory.add(names={"portal": "A web1"}, users={"eve": Principal()},
                  accounts={"pool": Principal(spns=("HTTP/{portal}",))})
    front_end.configure(PORTAL)
    client.get("http://{portal}/whoami?back_ends=", user="eve")
    bench = client._bench
    principal = bench.scope.principal("eve")
    lab.client.ask("sign_in", principal=principal, password=bench.passwords["eve"], default=True)

    def run(connection):
        done = lab.machines["client1"].run("python3", "-c", THREE_LEGS, directory.fill("{portal}"), connection)
        return json.loads(done.check().stdout)

    return run


def test_a_caller_may_need_several_legs_on_one_connection(legs, directory):
    first, second = legs("same")
    assert first[0] == 401
    assert first[1] > 0, "the server's leg"
    assert second[0] == 200
    assert json.loads(second[2])["user"].startswith(directory.account("eve"))


def test_a_last_leg_on_another_connection_proves_nothing(legs):
    first, second = legs("another")
    assert (first[0], second[0]) == (401, 401)


def test_the_answer_carries_the_servers_own_proof(client, directory, front_end):
    directory.add(names={"portal": "A web1"}, users={"eve": Principal()},
                  accounts={"pool": Principal(spns=("HTTP/{portal}",))})
    front_end.configure(PORTAL)
    assert client.get("http://{portal}/whoami?back_ends=", user="eve").client.mutual
