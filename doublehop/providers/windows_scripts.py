"""What is run in Windows guests: texts of PowerShell, the command line that takes one, the files that a guest gets.

It knows no transport, so what only builds or starts doublehop needs none of those that the extra `windows` brings.
"""

import base64
import re
from html import unescape

from doublehop.data import LAB

ROOT = "C:/doublehop"
FOLDER = f"{ROOT}/windows"
COPIED = {"windows": {".ps1", ".sql"}, "aspnet/framework": {".cs", ".config"}}
"""The folders of `lab` that a guest gets, and which of their files: its scripts, and the page that IIS compiles."""
POWERSHELL = ("powershell.exe", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-EncodedCommand")
READ = """\
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$text = @($input) -join ''
if (-not $text) { $text = [Console]::In.ReadToEnd() }
$document = ConvertFrom-Json -InputObject $text
"""
"""PowerShell may have read standard input by itself already, or have left it to its command."""
NOW = "[DateTime]::UtcNow.ToString('o')\n"
CALL = READ + """\
try { & 'FOLDER/SCRIPT' -Document $document }
catch {
    $at = $_.InvocationInfo
    $where = "$(Split-Path -Leaf "$($at.ScriptName)"):$($at.ScriptLineNumber):$($at.OffsetInLine)"
    [Console]::Error.WriteLine("${where}: $($_.Exception.Message)")
    exit 1
}
""" + NOW
GREET = f"""\
$env:COMPUTERNAME
{NOW}"""
WRITE = f"""\
foreach ($each in $files.PSObject.Properties) {{
    $path = "{ROOT}/$($each.Name)"
    $null = [IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($path))
    [IO.File]::WriteAllBytes($path, [Convert]::FromBase64String($each.Value))
}}
"""
COPY = f"{READ}$files = $document\n{WRITE}{GREET}"
UNPACK = f"""\
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$text = @($input) -join ''
if (-not $text) {{ $text = [Console]::In.ReadToEnd() }}
$folder = '{ROOT}/aspnet/NAME'
if (-not [IO.Directory]::Exists($folder)) {{
    Add-Type -AssemblyName System.IO.Compression.FileSystem
    $null = [IO.Directory]::CreateDirectory('{ROOT}/aspnet')
    if ([IO.Directory]::Exists("$folder.part")) {{ [IO.Directory]::Delete("$folder.part", $true) }}
    [IO.File]::WriteAllBytes("$folder.zip", [Convert]::FromBase64String($text))
    [IO.Compression.ZipFile]::ExtractToDirectory("$folder.zip", "$folder.part")
    [IO.File]::Delete("$folder.zip")
    [IO.Directory]::Move("$folder.part", $folder)
}}
[IO.File]::WriteAllText('{ROOT}/aspnet/PROJECT.txt', $folder.Replace('/', '\\'))
"""
"""A packed folder to one of its own name, and which one was brought last."""
_HEADER = "#< CLIXML"
_OBJECTS, _ERROR = re.compile("<Objs .*?</Objs>", re.DOTALL), re.compile(r'<S S="Error">(.*?)</S>', re.DOTALL)
FETCH = READ + "[Convert]::ToBase64String([IO.File]::ReadAllBytes($document))\n"


def encoded(command: str) -> tuple[str, ...]:
    """The command line of a PowerShell command, which then stands in no quotes."""
    return *POWERSHELL, base64.b64encode(command.replace("FOLDER", FOLDER).encode("utf-16-le")).decode()


def files() -> dict[str, str]:
    """What a guest gets of this checkout, by the path below its folder, each as base64."""
    found = [each for folder, kinds in COPIED.items() for each in sorted((LAB / folder).rglob("*"))
             if each.suffix in kinds and "obj" not in each.parts]
    return {each.relative_to(LAB).as_posix(): base64.b64encode(each.read_bytes()).decode() for each in found}


def plain(errors: str) -> str:
    """What was written as errors, out of the XML that PowerShell wraps its own in when nobody looks (MS-PSRP 2.2.5).

    What a script writes by itself stands before, between and behind that as it is.
    """
    def told(objects: re.Match[str]) -> str:
        text = "".join(unescape(each) for each in _ERROR.findall(objects[0]))
        return re.sub("_x([0-9A-F]{4})_", lambda found: chr(int(found[1], 16)), text)

    if _HEADER not in errors:
        return errors
    without = re.sub(rf"^{_HEADER}\r?\n?", "", errors, flags=re.MULTILINE)
    return _OBJECTS.sub(told, without).replace("\r\n", "\n")
