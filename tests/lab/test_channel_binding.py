"""Extended protection, asked by another client than the probe: SPNEGO tokens with bindings of the test's choice."""

import json

import pytest

from doublehop.frontend import ExtendedProtection, TokenChecking, WindowsAuthentication
from doublehop.model import Principal
from tests.lab.portal import portal_site

# Runs in the client machine: one TLS connection and one token for each binding asked for.
ASK = """
import base64, gssapi, hashlib, http.client, json, ssl, sys
host, wanted = sys.argv[1], sys.argv[2:]
seen = []
for kind in wanted:
    context = ssl.create_default_context(cafile="/run/authority.pem")
    connection = http.client.HTTPSConnection(host, 443, timeout=10, context=context)
    connection.connect()
    certificate = connection.sock.getpeercert(binary_form=True)
    right = b"tls-server-end-point:" + hashlib.sha256(certificate).digest()
    wrong, other = right[:-1] + bytes([right[-1] ^ 1]), b"tls-unique:" + right[21:]
    data = {"right": right, "wrong": wrong, "of another kind": other}
    bindings = gssapi.raw.ChannelBindings(application_data=data[kind]) if kind in data else None
    token = gssapi.SecurityContext(
        name=gssapi.Name(f"HTTP@{host}", gssapi.NameType.hostbased_service), usage="initiate",
        mech=gssapi.OID.from_int_seq("1.3.6.1.5.5.2"), channel_bindings=bindings,
        flags=gssapi.RequirementFlag.mutual_authentication,
    ).step()
    value = "Negotiate " + base64.b64encode(token).decode()
    connection.request("GET", "/whoami?back_ends=", headers={"Authorization": value})
    response = connection.getresponse()
    body = response.read().decode()
    seen.append([response.status, json.loads(body)["mechanism"] if response.status == 200 else ""])
json.dump(seen, sys.stdout)
"""


def _portal(checking):
    windows = WindowsAuthentication(useKernelMode=False, extendedProtection=ExtendedProtection(tokenChecking=checking))
    return portal_site(windows=windows, binding="https/*:443:{portal}")


@pytest.fixture
def statuses(lab, directory, front_end, client):
    """The status that each kind of binding ends with on a site that checks tokens so."""
    directory.add(names={"portal": "A web1"}, users={"eve": Principal()},
                  accounts={"pool": Principal(spns=("HTTP/{portal}",))})
    bench = client._bench
    lab.client.ask("sign_in", principal=bench.scope.principal("eve"), password=bench.passwords["eve"], default=True)

    def run(checking, *kinds):
        front_end.configure(_portal(checking))
        done = lab.machines["client1"].run("python3", "-c", ASK, directory.fill("{portal}"), *kinds)
        answers = json.loads(done.check().stdout)
        assert {mechanism for status, mechanism in answers if status == 200} <= {"SPNEGO"}
        return [status for status, _ in answers]

    return run


@pytest.mark.parametrize(("checking", "expected"), [
    (TokenChecking.NONE, [200, 200, 200, 200]),
    (TokenChecking.ALLOW, [200, 200, 401, 401]),
    (TokenChecking.REQUIRE, [200, 401, 401, 401]),
])
def test_a_token_is_held_against_the_connection_it_comes_on(statuses, front_end, checking, expected):
    assert statuses(checking, "right", "missing", "wrong", "of another kind") == expected
    refusals = [each["error"] for each in front_end.log() if each["status"] == 401]
    assert refusals == ["SEC_E_BAD_BINDINGS"] * expected.count(401)


def test_keys_stay_where_they_were_made(lab, statuses):
    assert statuses(TokenChecking.NONE, "right") == [200]
    own, authority = "/run/tls/key.pem", "/state/private/authority/key.pem"

    def mode(machine, path):
        return lab.machines[machine].run("stat", "-c", "%a", path).stdout.strip()

    assert (mode("web1", own), mode("dc1", authority)) == ("600", "600")
    assert (mode("dc1", own), mode("web1", authority), mode("client1", own), mode("client1", authority)) == ("",) * 4


def test_a_lab_that_speaks_no_tls_makes_no_certificate(doublehop):
    """The guard of the default path: TLS costs nothing where nobody asks for it."""
    name = "no-tls"
    assert doublehop("up", "--name", name, "--scenario", "constrained::listed").returncode == 0
    try:
        for machine, path in (("dc1", "/state/private/authority"), ("web1", "/run/tls")):
            assert doublehop("exec", "--name", name, machine, "--", "test", "-e", path).returncode == 1
    finally:
        doublehop("down", "--name", name)
