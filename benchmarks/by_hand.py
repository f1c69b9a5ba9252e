"""The floors: the same work without doublehop, with `samba`, `kinit`, `curl` and `psql`, in the same namespaces."""

import time
from collections.abc import Sequence

from benchmarks.timing import TOPOLOGY, timed
from doublehop.execute import Applied, applied
from doublehop.lab import Lab
from doublehop.model import Request, Scenario
from doublehop.probe import url_of
from doublehop.wait import until

OWN_GROUP = ("--option=tls dh params file=",)
"""Samba's option that has it look for a Diffie-Hellman prime of its own at each start, as it does out of the box."""

# Sign in, ask the page without a back end, ask the database as the same user.
BOTH_HOPS = """
kinit -c FILE:/tmp/floor {principal} >/dev/null && export KRB5CCNAME=FILE:/tmp/floor &&
curl -sf --negotiate -u : {url} >/dev/null &&
psql -qAt 'host={sql} port=1433 dbname=postgres user={account} krbsrvname=MSSQLSvc require_auth=gss' \\
     -c 'select 1' >/dev/null
"""


def up_by_hand(scenario: Scenario, running: Lab, options: Sequence[str]) -> float:
    """Start `samba` on the state it had, until `kinit` works, then make the same request.

    This happens in the domain controller's machine of a lab that stands anyway: the same bytes, the same
    namespace, and nothing of doublehop between. A bare Samba looks for a Diffie-Hellman prime of its own at each
    start; without the `options` for that it has the lab's published group, which makes the start shorter and steadier.
    """
    dc, client = running.machines["dc1"], running.machines["client1"]
    with applied(scenario, running) as standing:
        assert isinstance(scenario.when, Request)
        principal, password = standing.scope.principal("alice"), standing.passwords["alice"]
        dc.run("pkill", "-KILL", "samba")
        until("the end of samba", 10, lambda: None if dc.run("ss", "-ltnH", "sport = :88").stdout else True)
        started = time.perf_counter()
        dc.run("samba", "--daemon", "--model=single", *options).check()
        until("the KDC's port", 20, lambda: True if dc.run("ss", "-ltnH", "sport = :88").stdout else None)
        until("a ticket", 20, lambda: True if client.run("kinit", principal, stdin=password).code == 0 else None)
        answer = client.run("curl", "-sf", "--negotiate", "-u", ":", url_of(scenario.when, standing.scope)).check()
        seconds = time.perf_counter() - started
        assert '"identity"' in answer.stdout, answer.stdout
        running.client.ask("reconnect")
    return seconds


def both_hops_by_hand(scenario: Scenario, running: Lab) -> float:
    """One shell that does the protocol work of both hops."""
    with applied(scenario, running) as standing:
        return timed(lambda: hops_by_hand(scenario, standing, running))


def hops_by_hand(scenario: Scenario, standing: Applied, running: Lab) -> None:
    """The same in a configuration that stands."""
    assert isinstance(scenario.when, Request)
    scope = standing.scope
    script = BOTH_HOPS.format(principal=scope.principal("alice"), account=scope.account("alice"),
                              url=f"{scope.fill(scenario.when.get)}?back_ends=", sql=TOPOLOGY.fqdn("sql1"))
    running.machines["client1"].run("sh", "-c", script, stdin=standing.passwords["alice"]).check()
