"""`compose.yaml`, made from the topology: `python -m doublehop.compose > compose.yaml`.

The machines are the docker provider's; beside them one service, `scenario`, does in a container what a run does on its
host, and `hop` asks for the page once everything is healthy.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence

from doublehop import topology as topologies
from doublehop.model import Role
from doublehop.providers.docker import CAPABILITIES, LABEL, SYSCTLS
from doublehop.providers.image import ENVIRONMENT, IN_MEMORY, WRITABLE
from doublehop.topology import Topology

SCENARIO = "constrained::listed"
CODE = "/opt/doublehop"
HEAD = """\
# The lab for `docker compose up`: see docs/compose.md. It is made from lab/topology.toml by
# `python -m doublehop.compose`, and a test compares the two.
"""
HEALTH: Mapping[Role, str] = {
    Role.DOMAIN_CONTROLLER: "kinit nobody@{realm} 2>&1 </dev/null | grep -q 'not found in Kerberos database' && "
                            "ldbsearch -H ldap://{fqdn} -U% -s base -b '' defaultNamingContext | grep -qi '{base_dn}'",
    Role.FRONT_END: "curl --silent --output /dev/null http://{fqdn}/",
    Role.BACK_END: "pg_isready --quiet --host {fqdn} --port 1433",
    Role.CLIENT: "klist -s",
}
"""What is asked of each service: the KDC about somebody it does not know and LDAP about its own name, a page, a
database, and whether the user's ticket is there."""


def page(topology: Topology) -> str:
    """The whole file."""
    return "\n".join([HEAD, *_shared(topology), "", "services:", *_services(topology), "", *_rest(topology), ""])


def _shared(topology: Topology) -> Iterator[str]:
    yield from ("x-container: &container", f"  image: doublehop/machine:{topology.image.release}", "  build:",
                "    context: lab", "    dockerfile: docker/Dockerfile")
    yield from ("    args:", f"      BASE: debian:{topology.image.release}-slim")
    yield from ("  cap_drop: [ALL]", "  security_opt: [no-new-privileges]", f"  labels: {{{LABEL}: compose}}")
    yield from ("  environment:", *(f"    {name}: {json.dumps(value)}" for name, value in ENVIRONMENT.items()))
    folders = {**WRITABLE, "/snapshot": IN_MEMORY}
    yield from ("  tmpfs:", *(f"    - {path}:{options}" for path, options in folders.items()))
    yield from ("  volumes:", "    - doors:/doors")
    yield from (f"    - ./{each}:{CODE}/{each}:ro" for each in ("doublehop", "fixtures", "lab"))
    yield from ("", "x-machine: &machine", "  <<: *container", f"  cap_add: [{', '.join(CAPABILITIES)}]")
    yield from ("  sysctls:", *(f"    {name}: {json.dumps(value)}" for name, value in SYSCTLS.items()))


def _services(topology: Topology) -> Iterator[str]:
    for name, spec in topology.machines.items():
        yield from (f"  {name}:", "    <<: *machine", f"    hostname: {name}",
                    f"    command: {_list(_door('keep', name))}",
                    "    networks:", f"      lab: {{ipv4_address: {spec.address}}}")
        yield from _health(HEALTH[spec.role].format(realm=topology.realm, fqdn=topology.fqdn(name),
                                                    base_dn=topology.base_dn))
        yield ""
    hold = ["python3", "-m", "doublehop.standing", f"${{SCENARIO:-{SCENARIO}}}"]
    yield from ("  scenario:", "    <<: *container", "    network_mode: none", f"    command: {_list(hold)}")
    yield from _waits_for(topology.machines, "service_started")
    yield from _health("test -e /run/standing")
    ask = 'curl --silent --show-error --negotiate -u : "$$(cat page)"'
    client = topology.only(Role.CLIENT)
    yield from ("", "  hop:", "    <<: *container", "    network_mode: none",
                f"    command: {_list([*_door('enter', client), 'sh', '-c', f'cd && {ask}'])}")
    yield from _waits_for([*topology.machines, "scenario"], "service_healthy")


def _door(*words: str) -> list[str]:
    return ["python3", "-m", "doublehop.machine.door", *words]


def _list(words: Sequence[str]) -> str:
    return json.dumps(list(words))


def _health(command: str) -> Iterator[str]:
    yield from ("    healthcheck:", f"      test: {_list(['CMD-SHELL', command])}", "      interval: 2s",
                "      timeout: 5s", "      retries: 5", "      start_period: 90s")


def _waits_for(names: Sequence[str] | Mapping[str, object], condition: str) -> Iterator[str]:
    yield "    depends_on:"
    yield from (f"      {each}: {{condition: {condition}}}" for each in names)


def _rest(topology: Topology) -> Iterator[str]:
    yield from ("networks:", "  lab:", "    internal: true", f"    labels: {{{LABEL}: compose}}", "    driver_opts:",
                "      com.docker.network.bridge.inhibit_ipv4: \"true\"  # this host has no address there", "    ipam:",
                "      config:", f"        - subnet: {topology.network}")
    yield from ("", "volumes:", "  doors:", f"    labels: {{{LABEL}: compose}}", "    driver_opts:",
                "      type: tmpfs", "      device: tmpfs", "      o: mode=700")


if __name__ == "__main__":
    sys.stdout.write(page(topologies.load().for_compose))
