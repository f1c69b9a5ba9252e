"""Times the docker lab beside a bare `docker run` of the same containers, and beside the local lab.

`python -m benchmarks.docker_lab`; it needs an engine (`bin/doublehop setup docker`).
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import docker

from benchmarks.timing import ROUNDS, TOPOLOGY, agree, show, subject, timed
from doublehop import lab, providers
from doublehop.lab import Lab
from doublehop.model import Scenario
from doublehop.providers import docker_image, image
from doublehop.providers.docker import CAPABILITIES
from doublehop.providers.image import ENVIRONMENT, WRITABLE
from doublehop.session import silent
from doublehop.wait import until

BARE = "doublehop-bare"


def lab_of(provider: str, told: dict[str, float] | None = None) -> AbstractContextManager[Lab]:
    """A lab of its own; `told` gets the moment of each step."""
    moments = {} if told is None else told
    return lab.up(providers.make(provider), TOPOLOGY, lambda text: moments.update({text: time.perf_counter()}))


def ours(scenario: Scenario) -> tuple[float, float]:
    """Seconds until every container runs, and until the first answered two-hop request."""
    started, told = time.perf_counter(), dict[str, float]()
    with lab_of("docker", told) as running:
        agree(scenario, running)
        return told["starting the domain"] - started, time.perf_counter() - started


def images() -> dict[str, str]:
    """What each machine of a lab is made from."""
    client = docker.from_env()
    with lab_of("docker") as running:
        return {name: client.containers.get(each.enter()[-1]).attrs["Image"] for name, each in running.machines.items()}


def bare(made_from: dict[str, str]) -> tuple[float, float]:
    """The same containers by `docker run` side by side, then `samba` in one of them until the KDC's port is open."""
    options = ["--cap-drop=ALL", *(f"--cap-add={each}" for each in CAPABILITIES), "--rm", f"--network={BARE}",
               *(f"--tmpfs={path}:{options}" for path, options in WRITABLE.items()),
               *(f"--env={name}={value}" for name, value in ENVIRONMENT.items())]
    with bare_network():
        started = time.perf_counter()
        processes = [
            subprocess.Popen(["docker", "run", "--detach", f"--name={BARE}-{name}", f"--hostname={name}", *options,
                              f"--ip={TOPOLOGY.machines[name].address}", image, "sleep", "infinity"],
                             stdout=subprocess.DEVNULL)
            for name, image in made_from.items()]
        assert [each.wait() for each in processes] == [0] * len(processes)
        containers = time.perf_counter() - started
        in_dc = ["docker", "exec", f"{BARE}-dc1"]
        subprocess.run([*in_dc, "sh", "-c", "cp -a /snapshot/. /state && mkdir -p /var/log/samba && "
                        "exec samba --daemon --model=single"], check=True)
        until("the KDC's port", 20, lambda: subprocess.run([*in_dc, "ss", "-ltnH", "sport = :88"], check=True,
                                                           capture_output=True).stdout or None)
        return containers, time.perf_counter() - started


@contextmanager
def bare_network() -> Iterator[None]:
    """A network made by hand; whatever is on it goes with it."""
    subprocess.run(["docker", "network", "create", "--internal", f"--subnet={TOPOLOGY.network}", "--opt",
                    "com.docker.network.bridge.inhibit_ipv4=true", BARE], check=True, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        names = [f"{BARE}-{each}" for each in TOPOLOGY.machines]
        subprocess.run(["docker", "rm", "--force", *names], check=False, capture_output=True)
        subprocess.run(["docker", "network", "rm", BARE], check=True, stdout=subprocess.DEVNULL)


def image_seconds() -> tuple[float, int]:
    """Seconds to make the image once more, where no registry answers, and its size in MiB; it goes again."""
    client = docker.from_env()
    root = image.built(TOPOLOGY.image, silent)
    base, tag = f"{docker_image.REPOSITORY}/base:{BARE}", f"{docker_image.REPOSITORY}/machine:{BARE}"

    def make() -> None:
        docker_image.bring_root(client, root, BARE)
        docker_image.build(client, TOPOLOGY.image, base, tag)

    try:
        return timed(make), client.images.get(tag).attrs["Size"] >> 20
    finally:
        for each in (tag, base):
            client.images.remove(each, force=True)


def main() -> None:
    """Run the benchmarks of the docker lab."""
    seconds, size = image_seconds()
    print(f"docker: image made         {seconds:7.1f} s   {size} MiB, the local lab's root filesystem being there")
    scenario = subject()
    made_from = images()
    rounds = [(ours(scenario), bare(made_from)) for _ in range(ROUNDS)]
    show("docker: containers run", [each[0] for each, _ in rounds], [each[0] for _, each in rounds])
    show("docker: to first request", [each[1] for each, _ in rounds], [each[1] for _, each in rounds])
    with lab_of("docker") as one, lab_of("local") as other:
        for each in (one, other):
            agree(scenario, each.wait_for_all())
        both = [[timed(partial(agree, scenario, each)) for each in (one, other)] for _ in range(3 * ROUNDS)]
    show("one scenario, floor: local", [each for each, _ in both], [each for _, each in both])


if __name__ == "__main__":
    main()
