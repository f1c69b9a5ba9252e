""".NET on this host: found in the path, used to build what the lab has in C#, and copied into machines.

Without it nothing here fails: what needs it is *not run*, by name.
"""

import base64
import io
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from doublehop import cache
from doublehop.data import LAB
from doublehop.errors import HostError
from doublehop.providers import Machine
from doublehop.providers.windows_scripts import UNPACK, encoded
from doublehop.run import copied, run

RELEASE = "10"
"""The release that the projects are made for."""
RUNTIME, ASPNETCORE = "Microsoft.NETCore.App", "Microsoft.AspNetCore.App"
BUILD_SECONDS, COPY_SECONDS = 240, 60
STAYS_NOWHERE = ("-nodeReuse:false", "-property:UseSharedCompilation=false")
"""Otherwise a build leaves processes waiting for the next one."""
HOME = "/run/dotnet"
"""Where a machine has its copy; what was built is in `app` of the project's own folder there."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The program, the folder of what it runs with, and the version of each framework there."""

    program: str
    root: Path
    frameworks: tuple[tuple[str, str], ...]

    def parts(self, *names: str) -> Sequence[str]:
        """What of the folder a program needs that is made for these frameworks."""
        return ["dotnet", "host", *(f"shared/{name}/{version}" for name, version in self.frameworks if name in names)]


@once
def runtime() -> Runtime | None:
    """What this host has, or nothing when it is not enough to build and to run our projects."""
    program = shutil.which("dotnet")
    if program is None:
        return None
    listed = run([program, "--list-runtimes"], timeout=BUILD_SECONDS)
    found = {name: (Path(folder), version) for name, version, folder in re.findall(
        rf"^(\S+) ({RELEASE}\.\S+) \[(.+)\]$", listed.stdout, re.MULTILINE)}
    sdks = run([program, "--list-sdks"], timeout=BUILD_SECONDS).stdout
    if not found.keys() >= {RUNTIME, ASPNETCORE} or not re.search(rf"^{RELEASE}\.", sdks, re.MULTILINE):
        return None
    return Runtime(program, found[RUNTIME][0].parents[1], tuple((name, each[1]) for name, each in found.items()))


def has() -> Runtime:
    """What this host has.

    Raises HostError when that is not enough.
    """
    found = runtime()
    if found is None:
        raise HostError(f"dotnet missing: put the SDK and ASP.NET Core of .NET {RELEASE} into the path")
    return found


def published(project: str) -> Path:
    """A project of `lab/aspnet`, built once for its content and this host's .NET, beside its sources."""
    own, source = has(), LAB / "aspnet" / project
    files = [each for each in sorted(source.iterdir()) if each.is_file()]

    def build(path: Path) -> None:
        shutil.copytree(source, path / "source", ignore=shutil.ignore_patterns("bin", "obj"))
        done = run([own.program, "publish", "--nologo", "--configuration", "Release", "--output", str(path / "app"),
                    *STAYS_NOWHERE, str(path / "source")], timeout=BUILD_SECONDS,
                   env={**os.environ, "DOTNET_CLI_TELEMETRY_OPTOUT": "1"})
        done.check()
        shutil.rmtree(path / "source")

    return cache.built("dotnet", cache.key_of(repr(own.frameworks), *(
        part for each in files for part in (each.name, each.read_bytes()))), build)


def bring(machine: Machine, project: str, *frameworks: str) -> None:
    """Give a machine a project and what runs it, once."""
    if machine.run("test", "-e", f"{HOME}/{project}/app").code == 0:
        return
    own, built = has(), published(project)
    machine.run("mkdir", "-p", f"{HOME}/{project}").check()
    unpack = machine.enter("tar", "--extract", "--no-same-owner", "--directory")
    copied(own.root, own.parts(RUNTIME, *frameworks), [*unpack, HOME], COPY_SECONDS)
    copied(built, ["app"], [*unpack, f"{HOME}/{project}"], COPY_SECONDS)


def bring_to_windows(machine: Machine, project: str, *_: str) -> None:
    """Give a Windows machine a project, once; what runs it there is ASP.NET Core's hosting bundle.

    Each build has a folder of its own, since IIS may have another one loaded.

    Raises HostError when what was built is not for Windows too.
    """
    built = published(project)
    if not any((built / "app" / "runtimes").glob("win*")):
        raise HostError(f"{project}: no part of what was built is for Windows (runtimes/win*): this host's copy of "
                        "Microsoft.Data.SqlClient is not the whole package that NuGet has")
    packed = io.BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for each in sorted((built / "app").rglob("*")):
            archive.write(each, each.relative_to(built / "app"))
    machine.run(*encoded(UNPACK.replace("NAME", f"{project}-{built.name}").replace("PROJECT", project)),
                stdin=base64.b64encode(packed.getvalue()).decode(), timeout=COPY_SECONDS).check()
