"""What both pages say of SQL Server: whom it saw, or its error, as their own drivers read them off the wire.

The server is `tds.py`, which answers what a test says. ASP.NET's page is asked on Mono, whose driver is Mono's own; the
one of ASP.NET Core has Microsoft.Data.SqlClient, the same as on Windows.
"""

import json

import jsonschema
import pytest

from doublehop import dotnet
from doublehop.data import LAB
from tests.lab import pages, tds, xsp
from tests.lab.test_framework import MONO_MISSING

SCHEMA = json.loads((LAB / "contract" / "whoami.schema.json").read_text())
OPTIONS = "User ID=u;Password=p;Encrypt=false;Pooling=false"
NOBODY = r"Login failed for user 'NT AUTHORITY\ANONYMOUS LOGON'."


@pytest.fixture(scope="module")
def answers():
    """What the server answers."""
    return tds.Answers()


@pytest.fixture(scope="module", params=["framework", "core"])
def ask(request, answers, tmp_path_factory, not_run):
    """Ask a page for `sql`; gives what it says of it."""
    if request.param == "framework" and xsp.missing():
        not_run(MONO_MISSING)
    if request.param == "core" and dotnet.runtime() is None:
        not_run("dotnet missing")
    if request.param == "core" and pages.icu_missing():
        not_run(pages.ICU_MISSING)
    with tds.serving(answers) as port:
        back_ends = {"sql": f"sqlserver Data Source=tcp:127.0.0.1,{port};{OPTIONS}"}
        page = (pages.on_mono(tmp_path_factory.mktemp("mono"), back_ends) if request.param == "framework"
                else pages.on_kestrel(back_ends))
        with page as ask:

            def sql():
                status, told = ask("back_ends=sql")
                jsonschema.validate(told, SCHEMA)
                assert status == 200
                return told["back_ends"]["sql"]

            yield sql


@pytest.mark.parametrize(("scheme", "told"), [("KERBEROS", "KERBEROS"), ("NTLM", "NTLM"), ("SQL", "OTHER")])
def test_a_page_says_whom_the_database_saw(ask, answers, scheme, told):
    """The account that signed in and who that is in the database are two things, and so is how it proved itself."""
    answers.refusal, answers.row = None, (r"DOUBLEHOP\lab-alice", "dbo", scheme)
    assert ask() == {"identity": r"DOUBLEHOP\lab-alice", "login": "dbo", "scheme": told, "encrypted": False}
    question = answers.asked[-1].lower()
    assert question.index("original_login()") < question.index("user_name()") < question.index("'auth_scheme'")


@pytest.mark.parametrize(("number", "severity", "message", "error"), [
    (18456, 14, NOBODY, "LOGIN_FAILED"), (18452, 14, "The login is from an untrusted domain.", "SQL_18452"),
    (4064, 11, "Cannot open user default database.", "SQL_4064"),
])
def test_a_page_says_why_the_database_let_nobody_in(ask, answers, number, severity, message, error):
    answers.refusal = tds.Refusal(number=number, severity=severity, message=message)
    told = ask()
    assert told["error"] == error
    assert told["native"].splitlines()[0] == message, "which Mono's driver says twice"
