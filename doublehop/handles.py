"""What people's own tests hold: a client, front ends, the database and the directory of a running lab.

Each handle does a few things in the field's words and takes back what it did when its test ends.
"""

import dataclasses
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from testinfra.host import Host

from doublehop import directory, dotnet, partner
from doublehop.certificates import certify
from doublehop.execute import front_end_configuration
from doublehop.frontend import FrontEnd
from doublehop.hosts import host_of
from doublehop.lab import Lab
from doublehop.model import ClientProfile, ClientSaw, Domain, Given, Principal, Program, Request
from doublehop.probe import logon_of
from doublehop.sanity import check_program
from doublehop.scope import Scope, scope_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """An answered request: what the client saw, and the page as JSON when there was one."""

    client: ClientSaw
    page: Mapping[str, Any]


@dataclass(kw_only=True)
class Bench:
    """The state the handles of one test share: its own names, its passwords, and what is to be undone."""

    lab: Lab
    scope: Scope
    passwords: dict[str, str] = field(default_factory=dict)
    undo: ExitStack = field(default_factory=ExitStack)


def bench_of(lab: Lab, test_id: str) -> Bench:
    """A bench whose names belong to one test."""
    empty = Given(users={}, front_ends={})
    return Bench(lab=lab, scope=scope_of(test_id, empty, lab.topology))


class Directory:
    """The lab's Active Directory."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def add(self, *, users: Mapping[str, Principal] | None = None, accounts: Mapping[str, Principal] | None = None,
            computers: Mapping[str, Principal] | None = None, names: Mapping[str, str] | None = None) -> None:
        """Add users, service accounts and DNS names, and change machines' own accounts, until the test ends."""
        bench = self._bench
        new = Given(users=dict(users or {}), accounts=dict(accounts or {}), computers=dict(computers or {}),
                    names=dict(names or {}), front_ends={})
        old = bench.scope.given
        both = Given(users={**old.users, **new.users}, accounts={**old.accounts, **new.accounts},
                     names={**old.names, **new.names}, front_ends={})
        bench.scope = dataclasses.replace(bench.scope, given=both)
        bench.passwords |= bench.lab.passwords(bench.scope, [*new.users, *new.accounts])
        if any(each.domain is Domain.PARTNER for each in new.users.values()):
            partner.bring_up(bench.lab)
        changes = directory.plan(bench.scope, bench.passwords, only=new)
        undo = bench.lab.change(changes)
        bench.undo.callback(bench.lab.change, undo)

    def read(self, label: str, *attributes: str) -> dict[str, list[str]]:
        """Attributes of the account behind a label, binary ones as base64."""
        found: dict[str, list[str]] = self._bench.lab.client.ask(
            "read", dn=self._bench.scope.dn(label), attributes=list(attributes)
        )
        return found

    def account(self, label: str) -> str:
        """The sAMAccountName behind a label."""
        return self._bench.scope.account(label)

    def fill(self, text: str) -> str:
        """A text with `{label}` replaced by full names."""
        return self._bench.scope.fill(text)


class FrontEndHandle:
    """The web servers."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def configure(self, config: FrontEnd, machine: str = "web1") -> None:
        """Give a web server its configuration; the next test gives it another."""
        bench = self._bench
        certify(machine, config, bench.scope, bench.lab)
        bench.lab.front_end(machine).ask(
            "configure", **front_end_configuration(config, bench.scope, bench.lab, bench.passwords)
        )

    def log(self, machine: str = "web1") -> list[dict[str, Any]]:
        """What the web server noted of each request since it was configured."""
        entries: list[dict[str, Any]] = self._bench.lab.front_end(machine).ask("log")
        return entries

    def host(self, machine: str = "web1") -> Host:
        """The web server as a testinfra host."""
        return host_of(self._bench.lab.machines[machine])


class Client:
    """The client machine."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def get(self, url: str, *, user: str, profile: ClientProfile | None = None, times: int = 1) -> Page:
        """Sign a user in afresh and ask for a page as a browser or program of this profile would.

        Raises InputError for a profile that is nobody's.
        """
        bench = self._bench
        check_program(Request(get=url, client=profile or ClientProfile()), "profile")
        if profile and profile.program is Program.DOTNET:
            dotnet.bring(bench.lab.client.machine, "client")
        principal = bench.scope.principal(user)
        refusal = bench.lab.client.ask("sign_in", principal=principal, password=bench.passwords[user])
        if refusal:
            raise AssertionError(f"{user} could not sign in: {refusal}")
        saw = bench.lab.client.ask("probe", url=bench.scope.fill(url), principal=principal, times=times, hosts=[],
                                   profile=dataclasses.asdict(profile or ClientProfile()),
                                   logon=logon_of(user, bench.scope, bench.passwords))
        bench.lab.client.ask("sign_out", principal=principal)
        client = ClientSaw(**{**saw, "offers": tuple(saw["offers"])})
        return Page(client=client, page=json.loads(client.body) if client.status == 200 else {})

    @property
    def host(self) -> Host:
        """The client machine as a testinfra host."""
        return host_of(self._bench.lab.client.machine)


class Sql:
    """The database server."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def add_login(self, label: str) -> None:
        """Let the account behind a label log in, until the test ends."""
        bench, account = self._bench, self._bench.scope.account(label)
        bench.lab.sql.ask("set_logins", add=[account], remove=[account])
        bench.undo.callback(bench.lab.sql.ask, "set_logins", add=[], remove=[account])

    @property
    def host(self) -> Host:
        """The database server as a testinfra host."""
        return host_of(self._bench.lab.sql.machine)
