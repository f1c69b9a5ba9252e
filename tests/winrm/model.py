"""A stub machine's Windows: the model of `tests/windows` with the state that it is in, kept between programs.

Each program that WinRM starts is a PowerShell of its own, as on Windows, so the state is read before it and written
after.
"""

import json
import subprocess

from doublehop.model import Role
from tests.windows import facts

RELEASE = "server2022"
KINDS = {Role.CLIENT: 0}
SERVER = 2
"""Win32_ComputerSystem's DomainRole of a machine in no domain."""
BEFORE = """\
$ErrorActionPreference = 'Stop'
Import-Module 'FOLDER/stubs.psm1' -DisableNameChecking
function ConvertTo-Plain($Value) {
    if ($Value -is [Management.Automation.PSCustomObject]) {
        $table = @{}
        foreach ($each in $Value.PSObject.Properties) { $table[$each.Name] = ConvertTo-Plain $each.Value }
        return $table
    }
    if ($Value -is [Collections.IList]) { return , @(foreach ($each in $Value) { ConvertTo-Plain $each }) }
    if ($Value -is [datetime]) { return $Value.ToUniversalTime().ToString('o') }
    $Value
}
function Read-Plain($Path) { ConvertTo-Plain (ConvertFrom-Json ([IO.File]::ReadAllText($Path))) }
$facts = Read-Plain 'FOLDER/facts.json'
$programs = $facts.programs
Set-Facts $facts
$ExecutionContext.InvokeCommand.CommandNotFoundAction = {
    param($name, $found)
    if ($programs.ContainsKey($name)) {
        $found.CommandScriptBlock = { Invoke-StubProgram $name $args }.GetNewClosure()
        $found.StopSearch = $true
    }
}
if ([IO.File]::Exists('FOLDER/state.json')) { Set-State (Read-Plain 'FOLDER/state.json') }
else { New-Machine (Read-Plain 'FOLDER/world.json') }
$env:COMPUTERNAME = (Get-State).computer.name
"""
AFTER = """\
[IO.File]::WriteAllText('FOLDER/state.json', (ConvertTo-Json -InputObject (Get-State) -Depth 20 -Compress))
"""


class Windows:
    """One machine's model: its state is what `state` gives, and may be changed by `change` between programs."""

    def __init__(self, pwsh, folder, spec):
        self._pwsh, self._folder = pwsh, folder
        folder.mkdir()
        (folder / "stubs.psm1").write_text(facts.stubs(RELEASE))
        self._write("facts.json", facts.published())
        self._world = {"role": KINDS.get(spec.role, SERVER), "address": str(spec.address), "setup": {}, "events": [],
                       "files": {}, "web": facts.WEB}
        self.begin_with()

    def _write(self, name, what):
        (self._folder / name).write_text(json.dumps(what))

    def begin_with(self, **world):
        """Have something be so in the machine's world from the beginning."""
        self._write("world.json", {**self._world, **world})

    def around(self, text):
        """A program's text with the machine around it."""
        before, after = (each.replace("FOLDER", str(self._folder)) for each in (BEFORE, AFTER))
        return f"{before}try {{\n{text}\n}} finally {{\n{after}}}\n"

    def begin(self, name, *commands):
        """Be a machine that was provisioned already, as far as its name goes."""
        self._do("New-Machine (Read-Plain 'FOLDER/world.json')", f"$s = Get-State; $s.computer.name = '{name}'; "
                 "Set-State $s", *commands)

    def restart(self):
        """Start anew, at a later time than before."""
        self._do("Restart-Machine")
        self.change(starts=self.state["world"].get("starts", 0) + 1)

    def _do(self, *commands):
        text = self.around("\n".join(commands).replace("FOLDER", str(self._folder)))
        subprocess.run([self._pwsh, "-NoProfile", "-Command", text], check=True, capture_output=True, timeout=60)

    @property
    def state(self):
        """What the machine is like now."""
        return json.loads((self._folder / "state.json").read_text())

    def change(self, **world):
        """Have something happen in the machine's world: what a task answers, what was logged."""
        state = self.state
        for name, each in world.items():
            (state if name in state else state["world"])[name] = each
        self._write("state.json", state)
