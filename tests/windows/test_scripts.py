"""The scripts as text: PowerShell 5.1 can parse them, and they call what Windows has, the way it is published."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from doublehop.data import LAB
from doublehop.providers import vagrant_guests, windows_scripts
from tests.windows import facts

FOLDER = LAB / "windows"
OWN = {"$PSScriptRoot\\common.ps1", "$PSScriptRoot\\certificate.ps1", "$PSScriptRoot\\$each.ps1", "$Program", "$IsSo",
       "$Action", "$Run"}
"""What is called by a variable: each other, a program of the table (`Invoke-Program`), a block of the same script."""
TYPES = {
    "Console", "Convert", "Globalization.CultureInfo", "Math", "Net.ServicePointManager", "PSObject",
    "System.Collections.ArrayList", "System.IO.StreamReader", "System.Management.Automation.PSCredential",
    "System.Net.AuthenticationManager", "System.Net.CredentialCache", "System.Net.Dns", "System.Net.HttpWebRequest",
    "System.Net.HttpWebResponse", "System.Net.WebException", "System.Net.WebRequest",
    "System.Security.Cryptography.X509Certificates.X509Certificate2",
    "System.Security.Principal.TokenImpersonationLevel", "System.Xml.XmlElement", "bool", "byte", "datetime",
    "guid", "hashtable", "int", "int[]", "object", "object[]", "ordered", "pscustomobject", "scriptblock", "string",
    "string[]", "uri", "xml",
}
"""The .NET types that are named, cast to or made: of .NET Framework 4.8, and none writes anywhere, so that whatever
changes a machine is a cmdlet or a program."""
MEMBERS = {
    "Console::Error", "Console::In", "Convert::FromBase64String", "Globalization.CultureInfo::InvariantCulture",
    "Math::Min", "Net.ServicePointManager::SecurityProtocol",
    "System.Net.AuthenticationManager::CustomTargetNameDictionary",
    "System.Net.CredentialCache::DefaultNetworkCredentials", "System.Net.Dns::GetHostEntry",
    "System.Net.WebRequest::Create", "datetime::Parse", "guid::NewGuid",
}
"""Their own members that are used."""
MEMBERS_BESIDE = {
    "Console::Error", "Console::In", "Convert::FromBase64String", "Convert::ToBase64String", "DateTime::UtcNow",
    "IO.Compression.ZipFile::ExtractToDirectory", "IO.Directory::CreateDirectory", "IO.Directory::Delete",
    "IO.Directory::Exists", "IO.Directory::Move", "IO.File::Delete", "IO.File::ReadAllBytes", "IO.File::ReadAllText",
    "IO.File::WriteAllBytes", "IO.File::WriteAllText", "IO.Path::GetDirectoryName",
}
"""Those that bring the scripts and the pages use, which do write: files in folders of the lab's own."""


def test_every_command_line_that_is_noted_is_one_of_a_script():
    """By its words that are no pattern: what no script runs any more is taken from the table too."""
    scripts = "\n".join(each.read_text() for each in sorted(FOLDER.glob("*.ps1")))
    unused = [(program, line) for program, row in facts.programs().items() for line in row["lines"]
              if [word for word in line if re.fullmatch(r"[\w/:.=-]+", word) and f"{word}'" not in scripts]]
    assert not unused


_read: dict[Path, Any] = {}


@pytest.fixture
def read(pwsh):
    """What PowerShell's parser makes of a folder of scripts; of ours once."""

    def read(folder=FOLDER):
        if folder not in _read:
            done = pwsh("-File", facts.HERE / "read.ps1", "-Folder", folder)
            assert done.returncode == 0, done.stderr
            _read[folder] = json.loads(done.stdout)
        return _read[folder]

    return read


def problems_of_calls(scripts, known):
    """Every command that nobody published, and every parameter that a release's cmdlet does not have."""
    functions = {each for script in scripts.values() for each in script["functions"]}
    found = []
    for file, script in scripts.items():
        for call in script["calls"]:
            name, where = call["name"], f"{file}:{call['line']}"
            if name is None:
                if call["text"].strip('"') not in OWN:
                    found.append(f"{where}: {call['text']} is called by a name that nobody can look up")
            elif name in functions:
                continue
            elif name not in known:
                found.append(f"{where}: {name} is no function of ours and not in our facts")
            else:
                found += [f"{where}: {name} {problem}" for row in known[name]
                          for problem in problems_of_call(call, row)]
    return found


def problems_of_call(call, row):
    """What is wrong with one call of a cmdlet on the releases of one row."""
    parameters = {each.lower(): facts_of for each, facts_of in row["parameters"].items()}
    parameters |= {alias.lower(): each for each in row["parameters"].values() for alias in each.get("aliases", [])}
    common = {each.lower() for each in facts.COMMON}
    on = "/".join(row["versions"])
    for each in call["parameters"]:
        if each.lower() in common:
            continue
        if each.lower() not in parameters:
            yield f"has no parameter -{each} ({on})"
            continue
        values = parameters[each.lower()].get("values", [])
        value = call["values"].get(each, "")
        if values and value and value.lower() not in {one.lower() for one in values}:
            yield f"-{each} is one of {', '.join(values)}, not {value} ({on})"


def test_powershell_parses_every_script(read):
    scripts = read()
    assert set(scripts) == {each.name for each in facts.SCRIPTS}
    assert not {name: each["errors"] for name, each in scripts.items() if each["errors"]}


def test_nothing_is_newer_than_windows_powershell_5_1(pwsh, not_run):
    """Some hosts of the engine check that themselves; an installed PowerShell does not, and parsing has to do there."""
    done = pwsh("-Check", *facts.SCRIPTS)
    if done.returncode == 64 or "'-Check'" in done.stderr or "-Check" in done.stdout + done.stderr:
        not_run("this pwsh has no -Check")
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


def test_the_check_sees_what_5_1_cannot_parse(pwsh, tmp_path, not_run):
    path = tmp_path / "new.ps1"
    path.write_text("$a = $b ?? 1\n")
    done = pwsh("-Check", path)
    if "-Check" in done.stderr:
        not_run("this pwsh has no -Check")
    assert done.returncode == 1
    assert "5.1" in done.stdout


@pytest.fixture
def texts(tmp_path):
    """What this side has a guest's PowerShell run besides, as scripts of a folder."""
    for name in ("CALL", "COPY", "FETCH", "GREET", "UNPACK"):
        (tmp_path / f"{name}.ps1").write_text(getattr(windows_scripts, name))
    for name in ("GO_ON", "STARTED", "RESTART"):
        (tmp_path / f"{name}.ps1").write_text(getattr(vagrant_guests, name))
    return tmp_path


def test_what_is_run_beside_the_scripts_is_published(read, texts):
    found = read(texts)
    assert len(found) == 8
    assert not {name: each["errors"] for name, each in found.items() if each["errors"]}
    for each in found.values():  # the scripts that they call are the folder's own
        each["calls"] = [one for one in each["calls"] if not one["text"].startswith("'FOLDER/")]
    assert not problems_of_calls(found, facts.cmdlets())
    assert {each for one in found.values() for each in one["members"]} == MEMBERS_BESIDE


def test_what_is_run_beside_the_scripts_is_not_newer_than_windows_powershell_5_1(texts, pwsh, not_run):
    done = pwsh("-Check", *sorted(texts.glob("*.ps1")))
    if "-Check" in done.stdout + done.stderr:
        not_run("this pwsh has no -Check")
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


def test_every_call_is_a_function_of_ours_or_published(read):
    assert not problems_of_calls(read(), facts.cmdlets())


@pytest.mark.parametrize(("text", "problem"), [
    ("Restart-Computer -Force", "not in our facts"),
    ("Get-Service -Nmae NTDS", "has no parameter -Nmae"),
    ("Get-NetIPAddress -AddressFamily IPv5", "is one of IPv4, IPv6, not IPv5"),
    ("ConvertFrom-Json -AsHashtable", "has no parameter -AsHashtable"),
    ("& $something", "nobody can look up"),
])
def test_an_invented_call_is_seen(read, tmp_path, text, problem):
    (tmp_path / "wrong.ps1").write_text(text)
    (found,) = problems_of_calls(read(tmp_path), facts.cmdlets())
    assert problem in found


def test_no_fact_is_there_for_nothing(read, texts):
    called = {call["name"] for script in (*read().values(), *read(texts).values()) for call in script["calls"]}
    assert not facts.cmdlets().keys() - called


def test_everything_that_changes_a_machine_is_a_cmdlet_or_a_program(read):
    used = {each for script in read().values() for each in script["types"]}
    assert used == TYPES


def test_every_member_of_a_type_is_one_of_net_framework_4_8(read):
    """Parsing tells nothing of those that came later; an object's own members are tested by what they come to."""
    used = {each for script in read().values() for each in script["members"]}
    assert used == MEMBERS


@pytest.mark.parametrize(("text", "where"), [
    ("$a = [System.Text.Json.JsonDocument]$b", "types"), ("New-Object System.Text.Json.JsonDocument", "types"),
    ("New-Object -TypeName System.Half", "types"), ("[Convert]::ToHexString($a)", "members"),
])
def test_what_came_after_net_framework_is_seen(read, tmp_path, text, where):
    (tmp_path / "new.ps1").write_text(text)
    (found,) = read(tmp_path).values()
    assert set(found[where]) - (TYPES | MEMBERS)


def test_every_script_says_what_it_needs_and_does():
    for path in facts.SCRIPTS:
        lines = path.read_text().splitlines()
        if path.name != "common.ps1":
            assert lines[0] == "#Requires -Version 5.1", path.name
            assert re.match(r"# \w.*\.$", lines[1]), path.name


def test_no_script_takes_a_secret_as_an_argument(read):
    allowed = {"InputPath", "Document", "OutputPath"}
    assert not {name: each["parameters"] for name, each in read().items() if set(each["parameters"]) - allowed}


def test_every_program_is_in_the_table_with_its_page():
    named = {name for path in facts.SCRIPTS for name in re.findall(r"'(\w+\.exe)'", path.read_text())}
    named -= {"powershell.exe"}  # a task's own, with the arguments of probe.ps1
    assert named == {each for each in facts.programs() if "\\" not in each}
    assert all(each["page"] and each["lines"] for each in facts.programs().values())


@pytest.mark.parametrize("release", facts.RELEASES)
def test_stubs_can_be_made_for_every_release(pwsh, tmp_path, release):
    path = tmp_path / "stubs.psm1"
    path.write_text(facts.stubs(release))
    done = pwsh("-Command", f"Import-Module {path} -DisableNameChecking; @(Get-Command -Module stubs).Count")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > len(facts.cmdlets()) - len(facts.PURE)


def test_an_error_ends_with_1_and_says_script_and_line(pwsh):
    done = pwsh("-File", FOLDER / "rename.ps1", stdin='{"topology": {"machines": []}}')
    assert (done.returncode, done.stdout) == (1, "")
    assert "the document has no 'machine'" in done.stderr
    assert re.search(r"common\.ps1:\d+|At .*common\.ps1", done.stderr), done.stderr


def test_nothing_on_standard_input_is_an_error_with_a_remedy(pwsh):
    done = pwsh("-File", FOLDER / "rename.ps1", stdin="")
    assert done.returncode == 1
    assert "expected one JSON document on standard input or in -InputPath" in done.stderr
