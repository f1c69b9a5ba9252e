"""A page on Kestrel under Linux knows who asked, and none of their groups (row B-38).

The page is lab/aspnet/core, built with the `dotnet` of whoever runs this and run on a web server of the lab, with
that same runtime. It opens tokens by .NET's own acceptor, which the package of the published row is built on, and asks
no directory. Without `dotnet` nothing here is run.
"""

import base64
import json
import re
import struct

import pytest

from doublehop import dotnet
from doublehop.lab import user_secret
from doublehop.model import Principal

MISSING = "dotnet missing"
START_SECONDS = 30
PORT = 8090
PAGE = f"http://{{web1}}:{PORT}/claims"
NAME = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"
GROUPS = 3
MEMBER = 7
"""A group in a PAC: mandatory, enabled by default, enabled (KERB_VALIDATION_INFO, MS-PAC 2.2.2)."""
SETTINGS = ("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1", "DOTNET_EnableDiagnostics=0", "DOTNET_NOLOGO=1")
MAKE_KEYTAB = """
import json, sys
from pathlib import Path
from doublehop.machine.agent import make_keytab
wanted = json.load(sys.stdin)
make_keytab(Path(wanted.pop("path")), **wanted)
"""
SEND = """
import base64, http.client, json, sys
import gssapi
host, port, spn = sys.argv[1:]
context = gssapi.SecurityContext(
    name=gssapi.Name(spn, gssapi.NameType.hostbased_service), usage="initiate",
    mech=gssapi.OID.from_int_seq("1.3.6.1.5.5.2"))
token = base64.b64encode(context.step()).decode()
connection = http.client.HTTPConnection(host, int(port), timeout=20)
connection.request("GET", "/claims", headers={"Authorization": f"Negotiate {token}"})
response = connection.getresponse()
json.dump({"status": response.status, "body": response.read().decode(), "token": token}, sys.stdout)
"""
"""The client's side of one handshake: what came of it, and the token that was sent."""
OPEN = """
import base64, sys
import gssapi
context = gssapi.SecurityContext(usage="accept")
context.step(base64.b64decode(sys.stdin.read()))
found = gssapi.raw.get_name_attribute(context.initiator_name, b"urn:mspac:logon-info")
print(base64.b64encode(found.values[0]).decode())
"""
"""The logon information of a token's PAC, as MIT's library hands it to a server that asks."""


@pytest.fixture
def folder(not_run, lab):
    """A folder on web1 for the length of a test. Without .NET it is not run, by name (decision 2)."""
    if dotnet.runtime() is None:
        not_run(MISSING)
    web1 = lab.machines["web1"]
    dotnet.bring(web1, "core", dotnet.ASPNETCORE)
    made = web1.run("mktemp", "--directory").check().stdout.strip()
    yield made
    web1.run("rm", "--recursive", made).check()


@pytest.fixture
def serve(lab, directory, lab_bench, folder):
    """Run the page with the keytab of one account; gives the conversation, in which it tells whom it refused."""
    web1 = lab.machines["web1"]
    running = []

    def secret(label):
        if label == "web1":
            return lab.secrets[directory.account(label)]
        (kvno,) = directory.read(label, "msDS-KeyVersionNumber")["msDS-KeyVersionNumber"]
        return user_secret(lab.topology, directory.account(label), int(kvno), lab_bench.passwords[label])

    def serve(label):
        own = secret(label)
        web1.run("python3", "-c", MAKE_KEYTAB, stdin=json.dumps({
            "path": f"{folder}/keytab", "principal": own.principal, "salt": own.salt, "kvno": own.kvno,
            "password": own.password})).check()
        page = web1.open("env", *SETTINGS, f"KRB5_KTNAME=FILE:{folder}/keytab", f"KRB5_TRACE={folder}/trace",
                         f"{dotnet.HOME}/dotnet", f"{dotnet.HOME}/core/app/whoami.dll", f"http://*:{PORT}")
        running.append(page)
        assert page.receive(START_SECONDS) == b"listening", page.log()
        return page

    yield serve
    for each in running:
        each.close()


def groups_of(directory, label):
    """The relative identifiers of the groups of our domain that the directory counts a user in."""
    sids = [base64.b64decode(each) for each in directory.read(label, "tokenGroups")["tokenGroups"]]
    return {struct.unpack("<I", each[-4:])[0] for each in sids if len(each) == 28}


def who(directory, lab):
    """What the page says of bob: his name, and that nothing else is known of him."""
    user = f"{directory.account('bob')}@{lab.topology.realm}"
    return {"scheme": "Kerberos", "user": user, "authenticationType": "Kerberos", "level": "Impersonate",
            "claims": [{"type": NAME, "value": user}], "roles": []}


@pytest.mark.parametrize(("holder", "keytab"), [("web1", "web1"), ("pool", "pool")])
def test_the_page_knows_the_user_and_no_groups(lab, directory, client, serve, holder, keytab):
    """The service's name may be the computer's or another account's: the page has the key of whose it is."""
    directory.add(users={"bob": Principal(groups=GROUPS)},
                  accounts={"pool": Principal(spns=("HTTP/{web1}",) if holder == "pool" else ())})
    serve(keytab)
    answer = client.get(PAGE, user="bob")
    assert answer.client.status == 200
    assert (answer.client.spn, answer.client.mutual) == (directory.fill("HTTP/{web1}"), True)
    assert answer.page == who(directory, lab)


@pytest.mark.parametrize(("holder", "keytab"), [("web1", "pool"), ("pool", "web1")])
def test_with_another_accounts_key_nobody_is_known(lab, directory, client, serve, folder, holder, keytab):
    """The same, with the keytabs exchanged. .NET names no reason; the library's trace does."""
    directory.add(users={"bob": Principal(groups=GROUPS)},
                  accounts={"pool": Principal(spns=("HTTP/{web1}",) if holder == "pool" else ())})
    page = serve(keytab)
    answer = client.get(PAGE, user="bob")
    assert (answer.client.status, answer.client.body) == (401, "")
    assert answer.client.spn == directory.fill("HTTP/{web1}")
    assert page.receive(START_SECONDS).startswith(b"refused: ")
    trace = lab.machines["web1"].fetch(f"{folder}/trace").decode()
    assert re.search(r"Failed to decrypt AP-REQ ticket: \S+ ticket server \S+ not found in keytab", trace), trace


def test_what_is_no_token_is_refused_as_such(lab, directory, serve):
    page = serve("web1")
    done = lab.client.machine.run("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}",
                                  "--header", "Authorization: Negotiate !!!", directory.fill(PAGE))
    assert done.check().stdout == "401"
    assert page.receive(START_SECONDS) == b"refused: InvalidToken"


def test_the_groups_were_in_the_ticket(lab, directory, lab_bench, serve, folder):
    """One token, for the page and for MIT's library: the groups came with it, and .NET tells none of them."""
    directory.add(users={"bob": Principal(groups=GROUPS)})
    serve("web1")
    client1, web1, host = lab.client.machine, lab.machines["web1"], directory.fill("{web1}")
    cache = client1.run("mktemp").check().stdout.strip()
    own = ("env", f"KRB5CCNAME=FILE:{cache}")
    client1.run(*own, "kinit", lab_bench.scope.principal("bob"), stdin=lab_bench.passwords["bob"]).check()
    sent = json.loads(client1.run(*own, "python3", "-c", SEND, host, str(PORT), f"HTTP@{host}").check().stdout)
    client1.run("rm", cache).check()
    assert sent["status"] == 200
    assert json.loads(sent["body"]) == who(directory, lab)

    opening = ("env", f"KRB5_KTNAME=FILE:{folder}/keytab", "KRB5RCACHENAME=none:", "python3", "-c", OPEN)
    pac = base64.b64decode(web1.run(*opening, stdin=sent["token"]).check().stdout)
    groups = groups_of(directory, "bob")
    assert len(groups) > GROUPS
    assert {each for each in groups if struct.pack("<II", each, MEMBER) in pac} == groups
