"""The `local` provider: every machine is bubblewrap on one read-only root filesystem, on this host.

One user namespace holds everything. A first process, the switch, owns it together with a network
namespace that has nothing but a bridge; each machine then gets its own network, PID, UTS, IPC and mount
namespace inside it and a cable to the bridge. All of it hangs on this process: the kernel ends every
machine when its parent dies, and state lives in memory, so nothing survives (not even a kill -9).
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from doublehop import cache
from doublehop.errors import HostError, LabError
from doublehop.model import Need, Role
from doublehop.providers import Machine, Progress, Provision, Site, image
from doublehop.providers.entered import EnteredMachine
from doublehop.providers.image import ENVIRONMENT, PACKAGE, WRITABLE
from doublehop.run import Conversation, run
from doublehop.topology import ImageSpec, Topology

TOOLS = {"bwrap": "bubblewrap", "mmdebstrap": "mmdebstrap", "ip": "iproute2", "nsenter": "util-linux"}
SECONDS_TO_START = 10


class LocalMachine(EnteredMachine):
    """A bubblewrap machine, entered through its namespaces."""

    def __init__(self, name: str, role: Role, pid: int) -> None:
        super().__init__(name, role)
        self.pid = pid

    def enter(self, *argv: str) -> Sequence[str]:
        """The host's command line for a program in the machine."""
        return [
            tool("nsenter"), f"--target={self.pid}", "--user", "--mount", "--uts", "--ipc", "--net", "--pid",
            "--preserve-credentials", "--", "env", "-i", *(f"{k}={v}" for k, v in ENVIRONMENT.items()), *argv,
        ]


class LocalProvider:
    """Machines out of namespaces, for root and for an ordinary user alike."""

    name = "local"
    offers = frozenset(Need) - {Need.WINDOWS}

    def check(self) -> Sequence[str]:
        """What this host lacks."""
        missing = sorted({package for tool, package in TOOLS.items() if not _find(tool)})
        if missing:
            return [f"missing host tools: run `apt-get install {' '.join(missing)}` as root"]
        probe = run([*_switch_argv(), "true"])
        if probe.code != 0:
            return [
                "this kernel lets you make no user namespace "
                f"({probe.stderr.strip()}): as root, run `sysctl -w kernel.unprivileged_userns_clone=1 "
                "kernel.apparmor_restrict_unprivileged_userns=0 user.max_user_namespaces=10000` "
                "(those of them that exist)"
            ]
        return []

    def versions(self, topology: Topology) -> Mapping[str, str]:
        """What the image has of the programs that matter, once it is built."""
        return image.versions(topology, _versions)

    def sweep(self) -> Sequence[str]:
        """The kernel ends every machine with its run, so nothing is ever left."""
        return []

    @contextmanager
    def up(self, topology: Topology, provision: Provision, progress: Progress) -> Iterator[Site]:
        """Bring every machine up; the first time this builds the image and provisions the domain."""
        problems = self.check()
        if problems:
            raise HostError("; ".join(problems))
        roots = {spec: image.built(spec, progress) for spec in (topology.image, topology.dc_image) if spec}
        with ExitStack() as stack:
            switch = stack.enter_context(_switch())

            def add(topology: Topology) -> dict[str, Machine]:
                root = {name: roots[topology.image_of(name)] for name in topology.machines}
                snapshots = {name: _snapshot(topology, name, root[name], provision, progress)
                             for name in (topology.only(Role.DOMAIN_CONTROLLER), topology.only(Role.BACK_END))}
                return _plugged_in(topology, root, snapshots, switch, stack)

            yield Site(topology, add(topology), add)


def _versions(spec: ImageSpec) -> Mapping[str, str]:
    status = image.path(spec) / "var/lib/dpkg/status"
    return image.versions_in(status.read_text()) if status.exists() else {}


def _find(tool: str) -> str | None:
    return shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def tool(name: str) -> str:
    """Where a host tool is; raises HostError with the package that has it."""
    found = _find(name)
    if found is None:
        raise HostError(f"missing host tool {name}: run `apt-get install {TOOLS[name]}` as root")
    return found


def _switch_argv() -> list[str]:
    return [
        tool("bwrap"), "--dev-bind", "/", "/", "--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL",
        "--unshare-net", "--unshare-uts", "--hostname", "switch", "--die-with-parent",
    ]


@contextmanager
def _speaking(name: str, sandbox: Sequence[str], program: str, files: Sequence[int] = ()) -> Iterator["_Speaking"]:
    """Run a shell program in new namespaces; it says a word as soon as they are whole."""
    status, status_in = os.pipe()
    process = Conversation(
        [*sandbox, "--json-status-fd", str(status_in), "sh", "-c", f"echo ready && exec {program}"],
        pass_fds=[status_in, *files],
    )
    try:
        os.close(status_in)
        with os.fdopen(status) as file:
            yield _Speaking(name, process, file)
    finally:
        process.kill()


@dataclass(frozen=True, slots=True)
class _Speaking:
    """A process in namespaces of its own, and where bubblewrap tells of it."""

    name: str
    process: Conversation
    status: TextIO

    def pid(self) -> int:
        """Wait until the namespaces are whole; gives the number of their first process. Ask once.

        bubblewrap tells the number before users are mapped and mounts made; the program speaks after.
        """
        line = self.status.readline()
        if not line or self.process.receive(SECONDS_TO_START) is None:
            raise LabError(f"{self.name} did not start: " + "\n".join(self.process.log()))
        return int(json.loads(line)["child-pid"])


@contextmanager
def _switch() -> Iterator["_Switch"]:
    """The process that owns the lab's user namespace and its bridge; it takes lines of `ip -batch`."""
    with _speaking("switch", _switch_argv(), f"{tool('ip')} -batch -") as speaking:
        switch = _Switch(speaking.process, speaking.pid())
        switch.say("link set lo up", "link add br0 type bridge", "link set br0 up")
        yield switch


@dataclass(frozen=True, slots=True)
class _Switch:
    """The running switch."""

    process: Conversation
    pid: int

    def say(self, *lines: str) -> None:
        """Have `ip` do something in the switch's namespace."""
        self.process.send("".join(f"{each}\n" for each in lines).encode())

    def plug_in(self, name: str, pid: int) -> None:
        """Lay a cable to a machine."""
        self.say(f"link add {name} type veth peer name eth0 netns {pid}", f"link set {name} master br0 up")


def _plugged_in(topology: Topology, roots: Mapping[str, Path], snapshots: Mapping[str, Path], switch: _Switch,
                stack: ExitStack) -> dict[str, Machine]:
    """Start every machine of a topology side by side, and lay their cables."""
    started = {}
    for name in topology.machines:
        mounts = ["--ro-bind", str(snapshots[name]), "/snapshot"] if name in snapshots else []
        started[name] = stack.enter_context(_started(name, switch, roots[name], topology, mounts))
    machines: dict[str, Machine] = {}
    for name, each in topology.machines.items():
        pid = started[name].pid()
        switch.plug_in(name, pid)
        machines[name] = LocalMachine(name, each.role, pid)
    return machines


@contextmanager
def _started(name: str, switch: _Switch, root: Path, topology: Topology,
             mounts: Sequence[str]) -> Iterator[_Speaking]:
    """Start one machine."""
    files = [(path, _memory_file(content)) for path, content in topology.files_for(name).items()]
    sandbox = [
        tool("nsenter"), f"--target={switch.pid}", "--user", "--net", "--preserve-credentials", "--",
        tool("bwrap"), "--ro-bind", str(root), "/", "--dev", "/dev", "--proc", "/proc",
        *(part for each in WRITABLE for part in ("--tmpfs", each)),
        *(part for path, descriptor in files for part in ("--bind-data", str(descriptor), path)),
        "--ro-bind", str(PACKAGE), "/opt/doublehop/doublehop", *mounts,
        "--unshare-net", "--unshare-pid", "--unshare-uts", "--unshare-ipc", "--hostname", name, "--cap-add", "ALL",
        "--die-with-parent", "--chdir", "/", "--clearenv", "--setenv", "PATH", ENVIRONMENT["PATH"],
    ]
    try:
        with _speaking(name, sandbox, "sleep infinity", [each for _, each in files]) as machine:
            yield machine
    finally:
        for _, descriptor in files:
            os.close(descriptor)


def _memory_file(content: str) -> int:
    descriptor = os.memfd_create("doublehop")
    os.write(descriptor, content.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _snapshot(topology: Topology, name: str, root: Path, provision: Provision, progress: Progress) -> Path:
    """The state a machine starts from: made once by its own agent, in a machine of its own."""

    def build(path: Path) -> None:
        progress(f"provisioning {name} (once, a few seconds)")
        path.mkdir(mode=0o700)
        state = ["--bind", str(path), "/state"]
        with _switch() as switch, _started(name, switch, root, topology, state) as machine:
            provision(LocalMachine(name, topology.machines[name].role, machine.pid()), topology)

    return cache.built("snapshots", image.snapshot_key(str(root), topology, name), build)
