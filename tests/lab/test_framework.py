"""The page for IIS (lab/aspnet/framework): Microsoft's assemblies take it, and Mono's ASP.NET serves it.

It is compiled against .NET Framework 4.8's reference assemblies where .NET is there. Mono's XSP compiles and runs the
folder as it is; Mono has no Negotiate, so its caller is nobody.
"""

import base64
import getpass
import json
import os
import shutil
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jsonschema
import pytest

from doublehop import dotnet
from doublehop.data import LAB
from doublehop.run import run
from tests.lab import pages, tokens, xsp

SCHEMA = json.loads((LAB / "contract" / "whoami.schema.json").read_text())
MONO_MISSING = "mono missing, try bin/doublehop setup aspnet"
BUILD_SECONDS = 240
ASSEMBLIES = ("System.Web", "System.Web.Extensions", "System.Configuration", "System.Data")
NOT_THERE = "NotImplementedException"
"""What Mono says of RunImpersonated."""
SOMEBODY = "nobody"
"""A user that every machine has, and whose name is one."""
REFUSED = {"error": "KDC_ERR_BADOPTION", "native": "KDC can't fulfill requested option"}
ANOTHER = {"scheme": "Kerberos", "mechanism": "SPNEGO", "user": "lab-pool@DOUBLEHOP.TEST", "level": "Impersonate",
           "thread": "lab-api", "pool": "lab-api",
           "back_ends": {"sql": REFUSED}}
"""What another front end's page says."""


def compiled(folder):
    return run([dotnet.has().program, "build", "--nologo", "--output", str(folder / "out"), *dotnet.STAYS_NOWHERE,
                str(folder / "framework.csproj")], timeout=BUILD_SECONDS,
               env={**os.environ, "DOTNET_CLI_TELEMETRY_OPTOUT": "1"})


@pytest.mark.parametrize(("change", "error"), [
    pytest.param(None, "", id="as it is"),
    pytest.param(("RunImpersonated(", "RunAsAnybody("), "error CS0117", id="a method that 4.8 has not"),
    pytest.param(("var asked =", "string? asked ="), "error CS8026", id="newer C# than App_Code takes"),
])
def test_microsofts_reference_assemblies_take_the_page(change, error, tmp_path, not_run):
    if dotnet.runtime() is None:
        not_run("dotnet missing")
    folder = shutil.copytree(pages.FRAMEWORK, tmp_path / "page", ignore=shutil.ignore_patterns("bin", "obj"))
    if change:
        handler = folder / "App_Code" / "Handler.cs"
        handler.write_text(handler.read_text().replace(*change))
    done = compiled(folder)
    assert (done.code != 0) == bool(error), done.stdout
    assert error in done.stdout


class AnotherPage(BaseHTTPRequestHandler):
    """A page among the back ends: /whoami answers, /closed lets nobody in, /broken fails."""

    def do_GET(self):
        path = self.path.partition("?")[0]
        body = json.dumps(ANOTHER).encode() if path == "/whoami" else b""
        self.send_response({"/whoami": 200, "/closed": 401}.get(path, 500))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def another_page():
    server = ThreadingHTTPServer(("127.0.0.1", 0), AnotherPage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def ask(tmp_path_factory, not_run):
    """Ask the page on Mono; gives status and JSON."""
    if xsp.missing():
        not_run(MONO_MISSING)
    folder = tmp_path_factory.mktemp("mono")
    with another_page() as url, pages.on_mono(folder, {
            "api": f"page {url}/whoami", "closed": f"page {url}/closed", "broken": f"page {url}/broken",
            "gone": "page http://127.0.0.1:1/whoami", "share": f"share {folder}/nowhere",
            "sql": "sqlserver Data Source=tcp:127.0.0.1,1;Integrated Security=true;Connect Timeout=2"}) as ask:
        yield ask


def test_a_token_tells_its_mechanism_and_its_scheme(tmp_path, not_run):
    """IIS says Negotiate of all of them; NTLM inside SPNEGO is told by its signature."""
    assert tokens.WRAPPED[0] == 0x60 and tokens.SPNEGO in tokens.WRAPPED[:16]
    lines = [base64.b64encode(each).decode() for each in tokens.TOLD]
    assert told_by_caller(tmp_path, not_run, lines) == [*tokens.TOLD.values()]


def test_a_built_in_account_is_the_computer_or_nobody_on_the_network(tmp_path, not_run):
    told = told_by_caller(tmp_path, not_run, [f"name {each}" for each in pages.AS_OTHERS_SEE_THEM])
    assert [each.lower() for each in told] == [*pages.AS_OTHERS_SEE_THEM.values()]


def told_by_caller(folder, not_run, lines):
    """What the page's own class says of these, line for line."""
    program = around_the_page(folder, not_run, xsp.TOKENS)
    return run(["mono", program], stdin="\n".join(lines) + "\n", timeout=BUILD_SECONDS).check().stdout.splitlines()


def around_the_page(folder, not_run, source):
    """A program of the tests' own, compiled with Mono together with the page."""
    if xsp.missing():
        not_run(MONO_MISSING)
    program = str(folder / "program.exe")
    run(["mcs", "-langversion:5", *(f"-r:{each}" for each in ASSEMBLIES), f"-out:{program}", str(source),
         *map(str, sorted((pages.FRAMEWORK / "App_Code").glob("*.cs")))], timeout=BUILD_SECONDS).check()
    return program


@pytest.mark.parametrize(("setting", "caller", "inside"), [
    pytest.param("Impersonate", SOMEBODY, [SOMEBODY], id="by code"),
    pytest.param("configuration", SOMEBODY, ["root"], id="left to the configuration"),
    pytest.param("Impersonate", "", ["root"], id="nobody to act as"),
    pytest.param("RunImpersonated", SOMEBODY, [NOT_THERE], id="which Mono has not"),
])
def test_the_thread_is_its_caller_where_the_page_is_told_so(setting, caller, inside, tmp_path, not_run):
    """Mono's impersonation is the kernel's: what the thread makes is that user's, and then it is itself again."""
    if os.geteuid() != 0:
        not_run("root alone becomes another user")
    program = around_the_page(tmp_path, not_run, xsp.IMPERSONATION)
    Path(f"{program}.config").write_text(
        f'<configuration><appSettings><add key="impersonation" value="{setting}" /></appSettings></configuration>')
    with tempfile.TemporaryDirectory() as anybodys:
        made = Path(anybodys, "made")
        made.parent.chmod(0o777)
        done = run(["mono", program, caller, str(made)], timeout=BUILD_SECONDS).check()
        owners = [made.owner()] if made.exists() else []
    assert done.stdout.splitlines() == [*inside, "root"]
    assert owners == [each for each in inside if each != NOT_THERE]


def test_the_page_on_mono_says_who_it_is(ask):
    status, page = ask("")
    assert status == 200
    jsonschema.validate(page, SCHEMA)
    assert page == {"scheme": "Anonymous", "mechanism": "", "user": "", "level": "", "thread": getpass.getuser(),
                    "pool": getpass.getuser(), "back_ends": {}}


@pytest.mark.parametrize(("name", "error"), [
    ("gone", "BACK_END_UNREACHABLE"), ("sql", "BACK_END_UNREACHABLE"), ("closed", "HTTP_401"),
    ("broken", "BACK_END_UNREACHABLE"), ("share", "ERROR_PATH_NOT_FOUND"),
])
def test_a_back_end_that_does_not_answer_is_told_with_its_error(ask, name, error):
    status, page = ask(f"back_ends={name}")
    jsonschema.validate(page, SCHEMA)
    assert (status, page["back_ends"][name]["error"]) == (200, error)
    assert page["back_ends"][name]["native"]


def test_what_a_page_among_the_back_ends_says_is_passed_on(ask):
    _, page = ask("back_ends=api.sql,gone")
    jsonschema.validate(page, SCHEMA)
    assert page["back_ends"].keys() == {"api", "api.sql", "gone"}
    assert page["back_ends"]["api"] == {"identity": ANOTHER["user"], "login": "lab-api", "scheme": "KERBEROS",
                                        "encrypted": False}
    assert page["back_ends"]["api.sql"] == REFUSED


def test_an_identity_that_cannot_be_made_keeps_back_ends_from_being_asked(ask):
    _, page = ask("back_ends=api&act_as=bob@doublehop.test")
    jsonschema.validate(page, SCHEMA)
    assert page["thread"] == "bob@doublehop.test"
    assert page["back_ends"]["api"]["error"] == "NotImplementedException"


def test_an_unknown_back_end_is_refused(ask):
    assert ask("back_ends=nope") == (400, {"error": "no back end is called nope"})
