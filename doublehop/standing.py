"""Holds the lab of `compose.yaml` or the Vagrantfile in a scenario's configuration, as `doublehop up --scenario` does.

It runs in a container of its own, beside the machines. `client1` has the user's ticket, the page's address and the
user's password then, in its home folder.
"""

import os
import signal
import sys
from ipaddress import IPv4Network
from pathlib import Path

from doublehop import catalogue, lab
from doublehop import topology as topologies
from doublehop.errors import DoublehopError, InputError
from doublehop.execute import Applied, applied
from doublehop.explain import describe
from doublehop.lab import Lab
from doublehop.model import Request, Role
from doublehop.probe import url_of
from doublehop.providers.composed import ComposedProvider

READY = Path("/run/standing")
"""There once the scenario's configuration stands; the service's health check looks for it."""
WRITE_FOR_ONE = "umask 077; cat >\"$HOME/$0\""


def hold(scenario_id: str, network: str = "") -> None:
    """Bring the lab up, apply a scenario and stay until told to end; without a network it is `compose.yaml`'s."""
    topology = topologies.load()
    topology = topology.moved_to(IPv4Network(network)) if network else topology.for_compose
    (scenario,) = catalogue.select(catalogue.load(topology), [scenario_id])
    missing = set(scenario.needs) - ComposedProvider.offers
    if missing or not isinstance(scenario.when, Request):
        raise InputError(scenario_id, f"expected a request for a page, with no need for {', '.join(missing) or 'more'}")
    with lab.up(ComposedProvider(), topology, _say) as running, applied(scenario, running.wait_for_all(),
                                                                       default_ccache=True) as standing:
        _leave_for_people(scenario.when, standing, running)
        for line in describe(scenario, topology):
            _say(line)
        READY.touch()
        signal.pause()


def _leave_for_people(when: Request, standing: Applied, running: Lab) -> None:
    client = running.machines[running.topology.only(Role.CLIENT)]
    for name, text in {"page": url_of(when, standing.scope), "user": standing.scope.principal(when.user),
                       "password": standing.passwords[when.user]}.items():
        client.run("sh", "-c", WRITE_FOR_ONE, name, stdin=f"{text}\n").check()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # the machines go with this container
    try:
        hold(*sys.argv[1:])
    except DoublehopError as problem:
        sys.exit(f"doublehop: {problem}")
