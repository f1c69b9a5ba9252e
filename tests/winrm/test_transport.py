"""WinRM as the provider speaks it, against a WSMan server with the lab's own tickets; and each way it can fail."""

import base64
import json
import secrets

import pytest

from doublehop.model import Principal
from doublehop.providers.authority import Authority
from doublehop.providers.windows_scripts import CALL, COPY, GREET, encoded

PASSES_ON = """\
param([object]$Document)
ConvertTo-Json -Compress -InputObject @{ got = $Document.text; size = $Document.text.Length }
"""
FAILS = """\
param([object]$Document)
[Console]::Error.WriteLine('so far so good')
# the next line is the fourth
throw "no site is called $($Document.site)"
"""
WAITS = """\
param([object]$Document)
Start-Sleep -Seconds 60
"""


def script(name, text):
    """Copy a script to a guest."""
    files = {f"windows/{name}": base64.b64encode(text.encode()).decode()}
    return {"argv": encoded(COPY), "stdin": json.dumps(files)}


def call(name, seconds=30, **document):
    """Run a script that is there."""
    return {"argv": encoded(CALL.replace("SCRIPT", name)), "stdin": json.dumps(document), "seconds": seconds}


def test_the_administrators_ticket_is_taken_by_the_machines_own_key(ask, guests, lab):
    web1 = guests("web1")
    (answer,) = ask("web1", {"argv": encoded(GREET)})
    assert answer["code"] == 0, answer
    assert answer["stdout"].split()[0] == "WEB1"
    assert web1.told == [{"caller": f"Administrator@{lab.topology.realm}", "scheme": "Kerberos"}]


def test_a_password_is_taken_by_the_domain_controller_where_no_kerberos_library_is(ask, guests, lab):
    """As on a host without gssapi: NTLM inside Negotiate, checked by the domain controller."""
    web1 = guests("web1")
    lab.front_end("web1").ask("start_services", ntlm=True)
    password = lab.secrets["Administrator"].password
    (answer,) = ask("web1", {"argv": encoded(GREET)}, account={
        "user": f"{lab.topology.domain}\\Administrator", "password": password})
    assert answer.get("code") == 0, (answer, web1.told, web1.log())
    assert web1.told == [{"caller": f"administrator@{lab.topology.realm}", "scheme": "NTLM"}]  # winbindd's own spelling


@pytest.mark.parametrize("sends", [(), ("busy", "late")], ids=["at once", "under load"])
def test_a_document_goes_in_and_comes_out_whole(ask, guests, sends):
    """More than an envelope holds, and letters of several alphabets; also by a server that takes its time."""
    guests("web1", sends=sends)
    text = "Zürich Ωμέγα 東京 'quoted' \"twice\" $not | \\ \n" + secrets.token_hex(200_000)
    copied, answer = ask("web1", script("passes-on.ps1", PASSES_ON), call("passes-on.ps1", text=text))
    assert (copied["code"], answer["code"]) == (0, 0), answer["stderr"]
    assert json.loads(answer["stdout"].splitlines()[0]) == {"got": text, "size": len(text)}


def test_a_script_that_fails_says_where_and_why(ask, guests):
    guests("web1")
    _, answer, again = ask("web1", script("fails.ps1", FAILS), call("fails.ps1", site="Portal"),
                           {"argv": encoded(GREET)})
    assert answer["code"] == 1
    assert answer["stderr"].splitlines() == ["so far so good", "fails.ps1:4:1: no site is called Portal"]
    assert again["code"] == 0, "the machine goes on answering"


def test_nobody_listens(ask, guests):
    guests("web1")
    (answer,) = ask("web1", {"argv": encoded(GREET)}, port=5987)
    assert answer["error"] == "LabError"
    assert answer["text"].startswith("web1 (10.93.0.21:5987) cannot be reached by WinRM: "
                                     "[Errno 111] Connection refused")


def test_a_wrong_password(ask, guests, lab):
    web1 = guests("web1")
    lab.front_end("web1").ask("start_services", ntlm=True)
    wrong = secrets.token_urlsafe()
    (answer,) = ask("web1", {"argv": encoded(GREET)}, account={
        "user": f"{lab.topology.domain}\\Administrator", "password": wrong})
    assert answer["error"] == "HostError"
    assert answer["text"].startswith("web1 (10.93.0.21:5986) did not let DOUBLEHOP\\Administrator in over WinRM")
    assert wrong not in answer["text"]
    assert web1.told == [{"refused": "SEC_E_LOGON_DENIED"}]


def test_a_user_without_rights(ask, guests, lab, directory, lab_bench):
    web1 = guests("web1")
    lab.front_end("web1").ask("start_services", ntlm=True)
    directory.add(users={"eve": Principal()})
    (answer,) = ask("web1", {"argv": encoded(GREET)}, account={
        "user": f"{lab.topology.domain}\\{directory.account('eve')}", "password": lab_bench.passwords["eve"]})
    assert (answer["error"], web1.told[-1]["scheme"]) == ("LabError", "NTLM")
    assert "web1" in answer["text"] and "Access is denied." in answer["text"]


@pytest.mark.parametrize("wrong", ["another authority", "another machine's name"])
def test_a_certificate_that_is_not_to_be_trusted(ask, guests, lab, wrong, tmp_path):
    """Nothing is sent to such a server: it never heard of a caller."""
    other = wrong == "another authority"
    shows = {"signed_by": Authority.founded(tmp_path / "stranger")} if other else {"host": lab.topology.fqdn("web2")}
    web1 = guests("web1", **shows)
    (answer,) = ask("web1", {"argv": encoded(GREET)})
    assert answer["error"] == "HostError"
    assert answer["text"].startswith("web1 (10.93.0.21:5986): its certificate is not one of ")
    assert ("unable to get local issuer" if other else "doesn't match 'web2.doublehop.test'") in answer["text"]
    assert web1.told == []


@pytest.mark.parametrize("late", [0, 3])
def test_a_script_that_does_not_end(ask, guests, late):
    """It ends with its shell, also where the server is late to say that there is nothing yet."""
    web1 = guests("web1", late=late)
    _, answer, again = ask("web1", script("waits.ps1", WAITS), call("waits.ps1", seconds=3), {"argv": encoded(GREET)})
    assert answer["error"] == "Deadline"
    assert answer["text"].startswith("web1 (10.93.0.21:5986): the end of ")
    assert again["code"] == 0
    assert web1.closed == 2, "the one that waits, and the last"


def test_a_server_that_says_nothing(ask, guests):
    guests("web1", silent=True)
    (answer,) = ask("web1", {"argv": encoded(GREET), "seconds": 3})
    assert (answer["error"], answer["text"]) == (
        "Deadline", "web1 (10.93.0.21:5986): an answer of WinRM did not happen within 3 s")
