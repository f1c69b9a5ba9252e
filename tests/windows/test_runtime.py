"""What runs while a lab is up: certificates, logins, and the page of ASP.NET Core."""

import base64
import re
import shutil
import subprocess
from typing import Any

import pytest

from doublehop import dotnet
from doublehop.data import LAB
from doublehop.errors import HostError
from doublehop.run import CommandResult
from tests.windows.conftest import WORLD, certificates, golden

FOLDER = LAB / "windows"


# --- certificates ---------------------------------------------------------------------------------


def test_a_request_names_what_it_is_for_and_its_key_stays(on_machines):
    asked = {"request": {"host": "web1", "names": ["portal.s1.doublehop.test", "www.s1.doublehop.test"]}}
    other = {"request": {"host": "web1", "names": ["portal.s1.doublehop.test"]}}
    ran = on_machines({"name": "it", "script": "certificate", "world": WORLD, "document": asked, "again": True,
                       "loop": True},
                      {"name": "other", "script": "certificate", "from": "it", "document": other})
    files = ran["it"]["state"]["files"]
    golden("request.inf", files[r"C:\doublehop\certificates\request.inf"].replace("\r\n", "\n"))
    assert ran["it"]["answer"]["request"].startswith("-----BEGIN NEW CERTIFICATE REQUEST-----")
    assert ran["it"]["again"] == {"steps": 0, "error": None, "same": True}
    assert not ran["it"]["loop"]["failed"]
    assert ran["other"]["steps"] > 0


def test_a_certificate_is_taken_once_and_its_authority_trusted(on_machines):
    ran = on_machines(
        {"name": "it", "script": "certificate", "world": WORLD, "again": True, "loop": True,
         "document": {"take": {"certificate": certificates("web1")["machine"],
                               "authority": certificates("web1")["authority"]}}},
        {"name": "client", "script": "certificate", "world": WORLD, "again": True,
         "document": {"trust": {"authority": certificates("web1")["authority"]}}})
    (thumbprint,) = ran["it"]["state"]["certificates"]["My"]
    assert ran["it"]["answer"]["thumbprint"] == thumbprint
    assert ran["it"]["again"]["steps"] == 0
    assert not ran["it"]["loop"]["failed"]
    assert ran["client"]["state"]["certificates"]["Root"] and not ran["client"]["state"]["certificates"]["My"]
    assert ran["client"]["again"]["steps"] == 0


# --- the database ---------------------------------------------------------------------------------


def test_logins_are_added_and_removed(on_machines):
    both = {"add": [r"DOUBLEHOP\lab-alice", r"DOUBLEHOP\WEB1$"], "remove": [r"DOUBLEHOP\lab-bob"]}
    ran = on_machines({
        "name": "it", "script": "set-logins", "world": WORLD, "document": both, "again": True, "loop": True,
        "change": {"sql": {"account": "x", "logins": [r"DOUBLEHOP\lab-bob", r"NT SERVICE\MSSQLSERVER"]}}})["it"]
    assert ran["state"]["sql"]["logins"] == [r"DOUBLEHOP\lab-alice", r"DOUBLEHOP\WEB1$", r"NT SERVICE\MSSQLSERVER"]
    assert ran["again"]["steps"] == 0
    assert ran["loop"] == {"steps": 3, "failed": []}


@pytest.mark.parametrize("name", ["alice", r"D\x]; DROP LOGIN sa;--", r"D\x' OR 1=1"])
def test_a_login_can_only_look_like_an_account(on_machines, name):
    ran = on_machines({"name": "it", "script": "set-logins", "world": WORLD, "document": {"add": [name]}})["it"]
    assert ran["error"].startswith(r"expected DOMAIN\name")
    assert ran["steps"] == 0


DC = {"role": 5, "address": "10.93.0.10", "files": {}, "events": []}


def test_a_domain_gets_one_root_key_for_managed_passwords(on_machines):
    """Effective long enough ago to count at once, which the model asks for."""
    ran = on_machines({"name": "it", "script": "kds-root-key", "world": DC, "document": {}, "again": True,
                       "loop": True})["it"]
    assert ran["answer"]["changed"] == ["KDS root key"]
    assert ran["state"]["rootKeys"] == ["a key"]
    assert (ran["again"]["steps"], ran["loop"]["failed"]) == (0, [])


@pytest.mark.parametrize(("zone", "error"), [("doublehop.test", ""), ("other.test", "has no zone other.test")])
def test_the_dns_server_reads_the_zone_from_the_directory(on_machines, zone, error):
    ran = on_machines({"name": "it", "script": "update-zone", "world": DC, "document": {"zone": zone},
                       "change": {"zones": {"doublehop.test": []}}})["it"]
    assert error in ran.get("error", "")
    assert ran["state"]["world"].get("read") == (None if error else zone)


PARSER = """
using Microsoft.SqlServer.TransactSql.ScriptDom;
foreach (string file in args)
{
    new TSql160Parser(true).Parse(new StreamReader(file), out IList<ParseError> errors);
    foreach (ParseError each in errors) Console.WriteLine($"{file}:{each.Line}:{each.Column}: {each.Message}");
}
"""
PROJECT = """<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><OutputType>Exe</OutputType>
<TargetFramework>net10.0</TargetFramework><ImplicitUsings>enable</ImplicitUsings></PropertyGroup><ItemGroup>
<PackageReference Include="Microsoft.SqlServer.TransactSql.ScriptDom" Version="180.140.0" /></ItemGroup></Project>
"""


def questions():
    """What the pages ask SQL Server: a text of C#, which may be put together of several."""
    for page in ("framework/App_Code", "core"):
        source = (LAB / "aspnet" / page / "BackEnds.cs").read_text()
        (found,) = re.findall(r'("select original_login\(\)[^;]*?")[;,]', source, re.IGNORECASE)
        yield page, "".join(re.findall(r'"([^"]*)"', found))


def test_microsofts_parser_reads_the_t_sql(tmp_path, not_run):
    """Microsoft's own parser of SQL Server 2022; one file is wrong on purpose, and is the only one that it names."""
    program = shutil.which("dotnet") or not_run("dotnet missing")
    (tmp_path / "Program.cs").write_text(PARSER)
    (tmp_path / "parse.csproj").write_text(PROJECT)
    wrong = tmp_path / "wrong.sql"
    wrong.write_text("SELECT name FORM sys.server_principals WHERE;\n")
    files = sorted(FOLDER.glob("*.sql"))
    assert len(files) == 3
    for page, question in questions():
        files.append(tmp_path / f"{page.partition('/')[0]}.sql")
        files[-1].write_text(question)
    build = [program, "build", "--nologo", "-nodeReuse:false", "-property:UseSharedCompilation=false", "--output"]
    built = subprocess.run([*build, tmp_path / "app"], cwd=tmp_path, capture_output=True, text=True, timeout=180,
                           check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    done = subprocess.run([program, tmp_path / "app" / "parse.dll", *files, wrong], capture_output=True, text=True,
                          timeout=60, check=True)
    told = done.stdout.splitlines()
    assert told
    assert all(each.startswith(str(wrong)) for each in told), done.stdout


# --- the page of ASP.NET Core ---------------------------------------------------------------------


class Machine:
    """As much of a Windows machine as a program can be run in: its drive C is a folder."""

    def __init__(self, pwsh, drive):
        self._pwsh, self._drive = pwsh, drive

    def run(self, *argv, stdin, timeout):
        text = base64.b64decode(argv[-1]).decode("utf-16-le").replace("C:/", f"{self._drive}/")
        done = self._pwsh("-NonInteractive", "-Command", text, stdin=stdin)
        return CommandResult(argv=argv, code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def test_the_page_of_asp_net_core_is_brought_once_and_each_build_to_a_folder_of_its_own(pwsh, tmp_path, monkeypatch):
    machine: Any = Machine(pwsh, tmp_path / "C")
    brought = tmp_path / "C" / "doublehop" / "aspnet"
    for build in ("one", "two", "one"):
        app = tmp_path / build / "app"
        (app / "runtimes" / "win").mkdir(parents=True, exist_ok=True)
        (app / "whoami.dll").write_bytes(bytes(range(256)))
        (app / "runtimes" / "win" / "of").write_text(build)
        monkeypatch.setattr(dotnet, "published", lambda project, build=build: tmp_path / build)
        dotnet.bring_to_windows(machine, "core")
        assert (brought / f"core-{build}" / "whoami.dll").read_bytes() == bytes(range(256))
        assert (brought / f"core-{build}" / "runtimes" / "win" / "of").read_text() == build
        assert (brought / "core.txt").read_text() == f"{brought}/core-{build}".replace("/", "\\")
    assert sorted(each.name for each in brought.iterdir()) == ["core-one", "core-two", "core.txt"]


def test_a_build_that_is_not_for_windows_is_not_brought_there(pwsh, tmp_path, monkeypatch):
    """Some copies of a package have but the part of the host's own system; the page would answer with an exception."""
    machine: Any = Machine(pwsh, tmp_path / "C")
    (tmp_path / "one" / "app" / "runtimes" / "unix").mkdir(parents=True)
    monkeypatch.setattr(dotnet, "published", lambda project: tmp_path / "one")
    with pytest.raises(HostError, match="core: no part of what was built is for Windows"):
        dotnet.bring_to_windows(machine, "core")
    assert not (tmp_path / "C").exists()
