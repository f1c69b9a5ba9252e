"""Runs in the lab's client machine: a Windows lab brought up, one scenario applied, asked about and taken back.

Then scenarios of which somebody is mistaken: each is expected to come to what another does.

It says each step as a line of JSON, and goes on when it is told to by a line, so that the test can look at the machines
and at the directory meanwhile.
"""

import dataclasses
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

given = json.loads(sys.stdin.readline())
bundle = Path(given["authority"]["path"])
bundle.write_text(given["authority"]["pem"])
os.environ["KRB5CCNAME"] = given["ccache"]
subprocess.run(["kinit", given["principal"]], input=given["password"], text=True, check=True,
               stdout=subprocess.DEVNULL)
sys.modules["krb5"] = ModuleType("krb5")  # pyspnego wants it beside gssapi, for passwords and keytabs only

from doublehop import catalogue, report, topology  # noqa: E402 - as the environment now says
from doublehop.errors import DoublehopError  # noqa: E402
from doublehop.execute import applied, execute  # noqa: E402
from doublehop.explain import explain  # noqa: E402
from doublehop.lab import up  # noqa: E402
from doublehop.model import Request, Role  # noqa: E402
from doublehop.probe import observe  # noqa: E402
from doublehop.providers.windows import Access, WindowsMachine, standing  # noqa: E402
from doublehop.providers.windows_agents import OFFERS, Domain  # noqa: E402
from doublehop.providers.windows_provision import EVERY_SECRET, Hands, provisioned  # noqa: E402
from doublehop.providers.windows_scripts import COPY, encoded, files  # noqa: E402
from doublehop.providers.winrm import Account, Connection, Endpoint  # noqa: E402
from doublehop.verdict import judge  # noqa: E402


class Windows:
    """The provider, for guests that somebody else brought up."""

    name = "windows"
    offers = OFFERS

    def check(self):
        return []

    def sweep(self):
        return []

    def versions(self, topology):
        return {}

    @contextmanager
    def up(self, topology, provision, progress):
        endpoints = {name: Endpoint(machine=name, host=topology.fqdn(name), address=str(each.address), authority=bundle)
                     for name, each in topology.machines.items()}
        (controller,) = topology.of(Role.DOMAIN_CONTROLLER)
        access = Access(endpoints=endpoints, administrator=Account(), directory_password=given["password"],
                        directory=dataclasses.replace(endpoints[controller], port=636),
                        signed=issued, restart=restarted)
        if given["described"]:
            bring_to_the_topology(topology, access)
        with standing(topology, access, progress) as site:
            yield site


def say(step, **more):
    print(json.dumps({"step": step, **more}), flush=True)
    return json.loads(sys.stdin.readline())


def issued(request):
    """What an authority says whose key the test has."""
    return {"certificate": say("sign", request=request)["certificate"], "authority": given["signs"]}


def restarted(name):
    """What starts a machine anew, which is the test's."""
    say("restart", machine=name)


def bring_to_the_topology(topology, access):
    """As `vagrant up` does it, but by WinRM: there is an endpoint before there is a Windows."""
    topology = dataclasses.replace(topology, machines={each: topology.machines[each] for each in given["provision"]})
    machines = {name: WindowsMachine(name, each.role, Connection(access.endpoints[name], access.administrator),
                                     Domain(topology, say, issued), restarted)
                for name, each in topology.machines.items()}
    for each in machines.values():
        each.run(*encoded(COPY), stdin=json.dumps(files())).check()
    hands = Hands(go_on=lambda name, document: machines[name].call("provision.ps1", document).document,
                  restart=restarted)
    secrets = dict.fromkeys(EVERY_SECRET, given["password"])
    told: list[str] = []
    for name in topology.machines:
        provisioned(topology, name, given["described"], secrets, issued, hands, told.append)
    for each in machines.values():
        each.close()
    say("provisioned", told=told)


here = topology.load()
here = dataclasses.replace(here, machines={each: here.machines[each] for each in given["machines"]})
known = {each.id: each for each in catalogue.load(topology.load())}
scenarios = catalogue.select(list(known.values()), given["scenarios"])
try:
    with up(Windows(), here, lambda text: None) as lab:
        say("up")
        for each in scenarios:
            with applied(each, lab) as standing_so:
                assert isinstance(each.when, Request)
                scope = standing_so.scope
                accounts = {label: {"dn": scope.dn(label), "account": scope.account(label)}
                            for label in scope.given.accounts}
                say("applied", accounts=accounts)
                seen = observe(each.when, scope, standing_so.passwords, lab)
                verdict = judge(each.expect, seen, scope)
                say("observed", observation=dataclasses.asdict(seen), verdict=dataclasses.asdict(verdict))
            say("taken back")
        for one, another in given["mistaken"]:
            result = execute(dataclasses.replace(known[one], expect=known[another].expect), lab)
            say("ended", line=dataclasses.asdict(report.line_of(result)), explained=explain(result, lab.topology))
    say("down")
except DoublehopError as failure:
    say("failed", error=type(failure).__name__, text=str(failure))
