"""Installs the optional host tools by name, from Debian's packages, and starts what they need where nothing runs.

It does so as root or where sudo asks for no password; anybody else is told the command.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from doublehop import providers
from doublehop.errors import Deadline, HostError
from doublehop.providers import Progress
from doublehop.run import run
from doublehop.wait import until

INSTALL_SECONDS = 900
START_SECONDS = 60
SYSTEMD = Path("/run/systemd/system")
"""There only where systemd is in charge (sd_booted(3))."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A tool: the programs it has to have, the Debian packages that have them, and the service behind it."""

    packages: Mapping[str, str]
    service: str = ""
    daemon: str = ""
    """The program that the service is."""
    elsewhere: str = ""
    """The environment variable that names a service which is not ours to start."""
    otherwise: str = ""
    """What to do where Debian's release has no such package."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """Its own sub-commands that are good to have, and the packages that have them in most releases."""

    def lacks(self) -> list[str]:
        """What is missing of a tool that is nothing but programs."""
        return [f"{each} missing" for each in self.packages if not _has(each)]


TOOLS: Mapping[str, Tool] = {
    "aspnet": Tool(packages={"mcs": "mono-mcs", "xsp4": "mono-xsp4"},
                   otherwise="Debian 12 is the last that has Mono's ASP.NET"),
    "docker": Tool(packages={"dockerd": "docker.io", "docker": "docker-cli"}, service="docker",
                   daemon="dockerd", elsewhere="DOCKER_HOST", plugins={"compose": "docker-compose"}),
    "vagrant": Tool(packages={"vagrant": "vagrant"},
                    otherwise="install HashiCorp's from https://developer.hashicorp.com/vagrant/install"),
}
MERGED = {"docker-cli": "docker.io"}
"""Packages that older releases have as a part of another one."""


def set_up(name: str, progress: Progress) -> str:
    """Have a tool ready; gives one line about what was done.

    Raises HostError when this user may not, or it does not come up.
    """
    tool = TOOLS[name]
    check = providers.make(name).check if tool.service else tool.lacks
    done = []
    if check():
        elsewhere = tool.elsewhere and os.environ.get(tool.elsewhere)
        missing = [package for program, package in tool.packages.items()
                   if not _has(program) and not (elsewhere and program.endswith("d"))]
        done += _installed(missing, tool.otherwise, progress) if missing else []
        done += _started(name, tool, check, progress) if check() else []
        problems = check()
        if problems:
            raise HostError("; ".join(problems))
    done += [each for plugin, package in tool.plugins.items() for each in _with_plugin(name, plugin, package, progress)]
    return f"{name}: {' and '.join(done) or 'ready already'}"


def _with_plugin(name: str, plugin: str, package: str, progress: Progress) -> list[str]:
    """Install a sub-command where this user may; what goes without it is told, and nothing fails."""
    if _has(f"{name}-{plugin}") or run([name, plugin, "version"]).code == 0:
        return []
    try:
        return _installed([package], f"{name} is ready without it", progress)
    except HostError as failure:
        return [f"ready, but for {name} {plugin} ({failure})"]


def _installed(missing: Sequence[str], otherwise: str, progress: Progress) -> list[str]:
    command = ["apt-get", "install", "--yes", "--no-install-recommends"]
    as_root = _as_root(f"apt-get update && {' '.join([*command, *missing])}")
    # The index of some other repository on this machine may be out of order; only ours has to be there.
    run([*as_root, "apt-get", "update", "--quiet"], timeout=INSTALL_SECONDS)
    wanted = sorted({each if _known(each) else MERGED.get(each, each) for each in missing})
    unknown = [each for each in wanted if not _known(each)]
    if unknown and otherwise:
        raise HostError(f"this release of Debian has no package {', '.join(unknown)}: {otherwise}")
    progress(f"installing {', '.join(wanted)}")
    run([*as_root, "env", "DEBIAN_FRONTEND=noninteractive", *command, *wanted], timeout=INSTALL_SECONDS).check()
    return [f"installed {', '.join(wanted)}"]


def _has(program: str) -> bool:
    return _found(program) is not None


def _found(program: str) -> str | None:
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _known(package: str) -> bool:
    """Whether this release has a package of that name."""
    found = run(["apt-cache", "policy", package]).stdout
    return "Candidate:" in found and "Candidate: (none)" not in found


def _as_root(command: str) -> list[str]:
    """What to put before a command that needs root.

    Raises HostError with the command when this user may not.
    """
    if os.getuid() == 0:
        return []
    if _has("sudo") and run(["sudo", "-n", "true"]).code == 0:
        return ["sudo", "-n"]
    raise HostError(f"this needs root. As root, run:  {command}")


def _started(name: str, tool: Tool, check: Callable[[], Sequence[str]], progress: Progress) -> list[str]:
    """Start a tool's service; one that is named elsewhere, or that only refuses this user, is left as it is."""
    problems = check()
    if not tool.service or any(tool.service not in each or "missing" not in each for each in problems):
        return []
    if tool.elsewhere and os.environ.get(tool.elsewhere):
        raise HostError(f"{'; '.join(problems)}: {tool.elsewhere} names it, so it is not started here")
    start = ["systemctl", "start", tool.service] if SYSTEMD.exists() else ["service", tool.service, "start"]
    as_root = _as_root(" ".join(start))
    progress(f"starting {name}")
    done = run([*as_root, *start], timeout=START_SECONDS)
    if done.code != 0 and not SYSTEMD.exists():
        # The script raises limits first, and ends where this host may not; its daemon does with those there are.
        done = run([*as_root, "start-stop-daemon", "--start", "--background", "--output",
                    f"/var/log/{tool.service}.log", "--exec", str(_found(tool.daemon))],
                   timeout=START_SECONDS)
    done.check()
    try:
        until(f"an answer of {name}", START_SECONDS, lambda: None if check() else True, every=0.2)
    except Deadline as failure:
        raise HostError("; ".join(check())) from failure
    return ["started its service"]
