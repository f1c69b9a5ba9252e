"""Microsoft's published facts about cmdlets and programs, and the stubs that are generated from them.

A stub has the parameters that the reference gives the cmdlet: names, types, sets, which are mandatory, and which values
they take. So PowerShell's own binder refuses what Windows's would; what the cmdlet does is the model's (machine.ps1).
"""

import json
import tomllib
from pathlib import Path
from typing import Any

from doublehop.data import FIXTURES, LAB

Row = dict[str, Any]

SCRIPTS = sorted((LAB / "windows").glob("*.ps1"))
HERE = Path(__file__).parent
FACTS = FIXTURES / "windows"
COMMON = {"Verbose", "Debug", "ErrorAction", "WarningAction", "InformationAction", "ErrorVariable", "WarningVariable",
          "InformationVariable", "OutVariable", "OutBuffer", "PipelineVariable"}
RELEASES = ("server2019", "server2022", "server2025")
TYPES = {
    "SwitchParameter": "switch", "String": "string", "Boolean": "bool", "SecureString": "securestring",
    "Security.SecureString": "securestring", "PSCredential": "pscredential", "Int16": "int16", "Int32": "int",
    "Int64": "long", "UInt16": "uint16", "UInt32": "uint32",
    "Byte": "byte", "DateTime": "datetime", "TimeSpan": "timespan", "Hashtable": "hashtable",
    "Collections.Hashtable": "hashtable", "Collections.IDictionary": "System.Collections.IDictionary",
    "Version": "version", "ScriptBlock": "scriptblock", "IPAddress": "ipaddress", "Object": "object",
    "PSObject": "psobject",
}
SIGNED = "signed by Microsoft Corporation: "
WEB = {
    "https://go.microsoft.com/fwlink/p/?linkid=2215158": f"{SIGNED}SQL2022-SSEI-Dev",
    "https://go.microsoft.com/fwlink/p/?linkid=2216019": f"{SIGNED}SQL2022-SSEI-Expr",
    "https://aka.ms/dotnet/10.0/dotnet-hosting-win.exe": f"{SIGNED}dotnet-hosting-10.0-win",
}
"""What a model machine finds at an address: as much of a program as the model looks at."""
PURE = {
    "Add-Member", "Add-Type", "ConvertFrom-Json", "ConvertTo-Json", "ConvertTo-SecureString", "ForEach-Object",
    "Get-Date", "Measure-Object", "New-Object", "Select-Object", "Set-StrictMode", "Sort-Object", "Split-Path",
    "Where-Object", "Write-Output",
}
"""Cmdlets that change nothing outside the script: the engine's own run, and only their parameters are looked up."""


def cmdlets() -> dict[str, list[Row]]:
    """Every row by the cmdlet's name; one that differs from release to release has several."""
    found: dict[str, list[Row]] = {}
    for line in (FACTS / "cmdlets.jsonl").read_text().splitlines():
        row = json.loads(line)
        found.setdefault(row["cmdlet"], []).append(row)
    return found


def programs() -> dict[str, Row]:
    """Every program that the scripts run, with the command lines that they use and where these are published."""
    return tomllib.loads((FACTS / "programs.toml").read_text())


def published() -> Row:
    """What the model of a machine knows of Windows: its programs' command lines, and the words of files it reads."""
    files = {"schema": "iis", "features": "features", "setup": "sql-setup", "request": "certreq"}
    return {"programs": programs(),
            **{name: tomllib.loads((FACTS / f"{file}.toml").read_text()) for name, file in files.items()}}


def row_of(rows: list[Row], release: str) -> Row:
    """The row that counts on a release: its own, that of PowerShell 5.1, or the oldest there is a page of."""
    return next((each for each in rows if {release, "5.1"} & {*each["versions"]}), rows[0])


def stubs(release: str, rows: dict[str, list[Row]] | None = None) -> str:
    """A PowerShell module with a function for every cmdlet that is not pure, and the model behind them."""
    known = cmdlets() if rows is None else rows
    functions = [_function(row_of(each, release)) for name, each in sorted(known.items()) if name not in PURE]
    model = [(HERE / name).read_text() for name in ("machine.ps1", "cmdlets.ps1")]
    return "\n".join([*model, *functions, "Export-ModuleMember -Function *"])


def _function(row: Row) -> str:
    own = {name: each for name, each in row["parameters"].items() if name not in {"WhatIf", "Confirm"}}
    process = "WhatIf" in row["parameters"] or "Confirm" in row["parameters"]
    sets = [one for each in own.values() for entry in each.get("in", [{}]) for one in entry.get("sets", [])]
    options = (["SupportsShouldProcess = $true"] if process else []) + (
        [f"DefaultParameterSetName = '{row.get('default', sets[0])}'"] if sets else [])
    parameters = ",\n".join(_parameter(name, each) for name, each in own.items())
    name = row["cmdlet"]
    return (f"function {name} {{\n  [CmdletBinding({', '.join(options)})]\n  param(\n{parameters}\n  )\n"
            f"  process {{ Invoke-Stub '{name}' $PSBoundParameters }}\n}}")


def _parameter(name: str, facts: Row) -> str:
    lines = []
    for entry in facts.get("in", [{}]):
        said = ["Mandatory = $true"] if entry.get("required") else []
        said += [f"Position = {entry['position']}"] if "position" in entry else []
        pipeline = entry.get("pipeline", "")
        said += ["ValueFromPipeline = $true"] if "ByValue" in pipeline else []
        said += ["ValueFromPipelineByPropertyName = $true"] if "ByPropertyName" in pipeline else []
        lines += [f"[Parameter({', '.join([*said, *([f'ParameterSetName = {one!r}'] if one else [])])})]"
                  for one in entry.get("sets", [""])]
    lines += [f"[Alias({', '.join(map(repr, facts['aliases']))})]"] if facts.get("aliases") else []
    kind, many = facts["type"].removesuffix("[]"), facts["type"].endswith("[]")
    lines += [f"[ValidateSet({', '.join(map(repr, facts['values']))})]"] if facts.get("values") else []
    lines += [f"[{TYPES.get(kind, 'object')}{'[]' if many else ''}]"]
    return "    " + " ".join(lines) + f"${name}"
