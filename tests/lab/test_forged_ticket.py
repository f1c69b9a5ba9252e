"""A service that sets the forwardable flag in a ticket to itself is found out by the KDC (row C-22, CVE-2020-17049)."""

import json
from pathlib import Path

import pytest

from doublehop.codes import KrbError, from_minor
from doublehop.kdclog import RESULT, parse
from doublehop.lab import user_secret
from doublehop.model import Principal

FORGE = (Path(__file__).parent / "forge_ticket.py").read_text()
FORWARDABLE = 0x40000000
GRANTED = ({""}, "")
NOT_FORWARDABLE = ({KrbError.KDC_ERR_BADOPTION.name}, "Missing forwardable flag on ticket for constrained delegation")
FOUND_OUT = (
    {KrbError.KRB_AP_ERR_MODIFIED.name, KrbError.KRB_AP_ERR_BAD_INTEGRITY.name},
    "Constrained delegation ticket PAC check failed",
)
"""The errors are those of Samba's own tests of this attack (test_bronze_bit_*).

The reason is the KDC's own. Without it a ticket that the KDC cannot even open would pass for one found out: the
error is the same, the reason is "Failed to decrypt constrained delegation ticket".
"""


@pytest.fixture
def ask(lab, directory, lab_bench):
    """Ask for bob's ticket to the database with evidence treated so.

    Gives the evidence's forwardable flag before and after, the error the client got, and the KDC's own line.
    """

    def ask(how, *, trusted):
        directory.add(users={"bob": Principal()}, accounts={"pool": Principal(
            spns=("HTTP/{web1}",), allowed_to_delegate_to=("MSSQLSvc/{sql1}",),
            trusted_to_auth_for_delegation=trusted,
        )})
        (kvno,) = directory.read("pool", "msDS-KeyVersionNumber")["msDS-KeyVersionNumber"]
        secret = user_secret(lab.topology, directory.account("pool"), int(kvno), lab_bench.passwords["pool"])
        wanted = {"user": lab_bench.scope.principal("bob"), "target": directory.fill("MSSQLSvc@{sql1}"), "how": how,
                  "secret": {name: getattr(secret, name) for name in ("principal", "salt", "kvno", "password")}}
        mark = lab.dc.ask("log_mark")
        done = lab.machines["web1"].run("python3", "-c", FORGE, stdin=json.dumps(wanted)).check()
        lines = [each for each in parse(lab.dc.ask("log_since", mark=mark, matching=RESULT))
                 if each.kind == "TGS" and directory.account("pool") in each.text]
        answer = json.loads(done.stdout)
        error = KrbError(from_minor(answer["minor"])).name if answer["minor"] else ""
        return answer["before"] & FORWARDABLE, answer["after"] & FORWARDABLE, error, lines[-1]

    return ask


@pytest.mark.parametrize(("trusted", "how", "flag", "answer"), [
    pytest.param(False, "as it came", (0, 0), NOT_FORWARDABLE, id="not forwardable"),
    pytest.param(False, "sealed again", (0, 0), NOT_FORWARDABLE, id="not forwardable and sealed again"),
    pytest.param(True, "sealed again", (FORWARDABLE, FORWARDABLE), GRANTED, id="forwardable and sealed again"),
    pytest.param(False, "forged", (0, FORWARDABLE), FOUND_OUT, id="made forwardable"),
])
def test_only_the_kdc_makes_a_ticket_forwardable(ask, directory, trusted, how, flag, answer):
    """Tickets sealed again unchanged are the guard: the KDC takes them for its own, so a forged one has one fault."""
    before, after, error, line = ask(how, trusted=trusted)
    errors, reason = answer
    assert (before, after) == flag
    assert error in errors
    assert (line.error, line.reason) == (error, reason), line.text
    assert line.service == directory.fill("MSSQLSvc/{sql1}")
    assert line.impersonated == directory.account("bob")
