"""What a configuration comes to before any rule is asked: who holds a name, who is reached, which site answers.

These are look-ups, not judgements: where something is registered or bound, and never what follows from it.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from doublehop.directory import NO_RECORD
from doublehop.frontend import (
    HTTPS,
    AnonymousAuthentication,
    Application,
    BasicAuthentication,
    Binding,
    FrontEnd,
    Pool,
    Site,
    WindowsAuthentication,
    parse_binding,
)
from doublehop.model import AfterSignIn, Given, Principal, Proxy, Request, Role
from doublehop.scope import Scope

HOST_STANDS_FOR = frozenset({
    "alerter", "appmgmt", "browser", "cifs", "cisvc", "clipsrv", "dcom", "dhcp", "dmserver", "dns", "dnscache",
    "eventlog", "eventsystem", "fax", "http", "ias", "iisadmin", "mcsvc", "messenger", "msdtc", "msiserver",
    "netdde", "netddedsm", "netlogon", "netman", "nmagent", "oakley", "plugplay", "policyagent", "protectedstorage",
    "rasman", "remoteaccess", "replicator", "rpc", "rpclocator", "rpcss", "rsvp", "samss", "scardsvr", "scesrv",
    "schedule", "scm", "seclogon", "snmp", "spooler", "tapisrv", "time", "trksvr", "trkwks", "ups", "w3svc", "wins",
    "www",
})
"""The service classes of sPNMappings that HOST answers for (row S-19)."""

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL leads: a web server's application, with what it inherits from its site.

    `secure` says that the server is asked over TLS; `proxy` is what stands between, if anything does.
    """

    machine: str
    application: Application
    pool: Pool
    windows: WindowsAuthentication
    anonymous: AnonymousAuthentication
    basic: BasicAuthentication
    secure: bool = False
    proxy: Proxy | None = None


@dataclass(frozen=True, slots=True)
class Url:
    """The parts of a URL that matter to a browser."""

    host: str
    port: int
    path: str
    scheme: str = "http"

    @property
    def is_address(self) -> bool:
        """Whether it names an address and no host."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True


def url_of(request: Request, scope: Scope) -> Url:
    """The request's URL, taken apart."""
    return url_at(scope.fill(request.get))


def url_at(text: str) -> Url:
    """A URL, taken apart."""
    parts = urlsplit(text)
    return Url(parts.hostname or "", parts.port or PORTS.get(parts.scheme, 80), parts.path or "/", parts.scheme)


@dataclass(frozen=True, slots=True)
class World:
    """One configuration with its names."""

    scope: Scope

    @property
    def given(self) -> Given:
        """The configuration itself."""
        return self.scope.given

    def facts(self, label: str) -> Principal:
        """What the directory holds about an account on top of the ordinary; nothing for one that is not mentioned."""
        given, plain = self.given, label.rstrip("$")
        return given.users.get(label) or given.accounts.get(label) or given.computers.get(plain) or Principal()

    def beyond(self, label: str) -> bool:
        """Whether an account is of the trusted forest."""
        return self.scope.domain_of(label) is not self.scope.topology

    def state(self, label: str) -> str:
        """What happened to an account after it signed in: `nothing` that matters here, or one of two things."""
        what = self.given.after_sign_in.get(label, AfterSignIn())
        if not what.enabled:
            return "disabled"
        return "password expired" if what.change_password_at_logon else "nothing"

    def old_key(self, label: str) -> bool:
        """Whether an account got a new password that nobody who runs it knows of."""
        return any(each.password_reset for name, each in self.given.after_sign_in.items() if self.same(name, label))

    def clock(self, machine: str) -> int:
        """How many seconds a machine's clock is ahead of the domain controller's."""
        by = self.given.clocks.get(machine, "+0s")
        return int(by[:-1]) * SECONDS[by[-1]]

    def same(self, one: str, other: str) -> bool:
        """Whether two labels are one account."""
        return self.scope.account(one) == self.scope.account(other)

    def written(self) -> Iterator[tuple[str, str]]:
        """Every account's label with each SPN it was given, in the order of `directory.plan`."""
        given, topology = self.given, self.scope.topology
        for name in (*topology.of(Role.DOMAIN_CONTROLLER), *topology.members):
            facts = given.computers.get(name, Principal())
            gone = {self.scope.fill(each).lower() for each in facts.without_spns}
            names = (f"HOST/{name.upper()}", f"HOST/{topology.fqdn(name)}", *topology.machines[name].spns)
            yield from ((name, each) for each in names if each.lower() not in gone)
        for label, facts in {**given.computers, **given.users, **given.accounts}.items():
            yield from ((label, self.scope.fill(each)) for each in facts.spns)

    def registered(self) -> Iterator[tuple[str, str]]:
        """Every account's label with each SPN it holds in the end, in lower case."""
        yield from ((label, each.lower()) for label, each in self.written())
        yield from ((label, self.scope.fill(text).lower()) for label, text in self.given.duplicate_spns.items())

    def spelled(self, label: str, spn: str) -> bool:
        """Whether an account holds an SPN in this very spelling.

        Samba writes a HOST name anew, as `host/...`, when somebody else is given a special class of that host.
        """
        texts = {each for owner, each in self.written() if owner == label and each.lower() == spn.lower()}
        service, _, host = spn.partition("/")
        if service.lower() == "host":
            special = [each.partition("/") for owner, each in self.written() if owner != label]
            anew = [f"host/{rest}" for name, _, rest in special
                    if name.lower() in HOST_STANDS_FOR and rest.lower() == host.lower()]
            texts = {anew[-1]} if anew else texts
        return spn in texts

    def holders(self, spn: str) -> list[str]:
        """Who holds exactly this SPN; case does not matter (row A-20)."""
        return sorted({label for label, each in self.registered() if each == spn.lower()})

    def found(self, spn: str) -> tuple[str, str]:
        """Where a KDC finds an SPN, and on whose account.

        `exact`, `twice`, `through HOST`, `by the computer's name` (the host begins with the name of a computer that
        has no such HOST name), `HOST and another's name` (both, on different accounts), or `nowhere`.
        """
        service, _, rest = spn.lower().partition("/")
        exact = self.holders(spn)
        if exact:
            return ("twice", "") if len(exact) > 1 else ("exact", exact[0])
        if service not in HOST_STANDS_FOR:
            return "nowhere", ""
        holders = self.holders(f"host/{rest}")
        if len(holders) > 1:
            return "twice", ""
        members = self.scope.topology.members
        named = [each for each in (rest.partition(".")[0],) if each in members and each not in holders]
        if holders:
            return ("HOST and another's name" if named else "through HOST"), holders[0]
        return ("by the computer's name", named[0]) if named else ("nowhere", "")

    def kind_of(self, host: str) -> str:
        """What a host name in a URL is: `address`, `alias` (a CNAME), `short` or `name`."""
        if Url(host, 0, "").is_address:
            return "address"
        if host in self.scope.topology.machines:
            return "short"
        label = self._label(host)
        return "alias" if self.given.names.get(label, "").startswith("CNAME ") else "name"

    def canonical(self, host: str) -> str:
        """The full name that the DNS leads to in the end."""
        topology = self.scope.topology
        if host in topology.machines:
            return topology.fqdn(host)
        for _ in range(len(self.given.names)):
            kind, _, target = self.given.names.get(self._label(host), "").partition(" ")
            if kind != "CNAME":
                break
            host = self.scope.host(target)
        return host

    def _label(self, host: str) -> str:
        return host.removesuffix(f".{self.scope.subdomain}") if host.endswith(f".{self.scope.subdomain}") else ""

    def in_hosts_file(self, host: str) -> bool:
        """Whether the scenario put this name into the client's hosts file."""
        return host in map(self.scope.fill, self.given.client_hosts)

    def machine(self, host: str, *, from_client: bool = True) -> str:
        """Which machine a client, or else a server, reaches by a name or an address; nothing when it finds none."""
        topology = self.scope.topology
        if self.kind_of(host) == "address":
            return next((name for name, each in topology.machines.items() if str(each.address) == host), "")
        for text, machine in self.given.client_hosts.items() if from_client else ():
            if self.scope.fill(text) == host:
                return machine
        if from_client and not self.scope.client_reaches_dc:
            return ""  # the domain controller is the DNS server too
        name = self.canonical(host)
        kind, _, target = self.given.names.get(self._label(name), "").partition(" ")
        if kind == "A":
            return target
        return next((each for each in topology.machines if topology.fqdn(each) == name), "")

    def front_end(self, machine: str) -> FrontEnd | None:
        """What a web server is configured with; one that is not mentioned has the default site."""
        if machine not in self.scope.topology.of(Role.FRONT_END):
            return None
        return self.given.front_ends.get(machine, FrontEnd())

    def led(self, url: Url, *, from_client: bool) -> tuple[str, Url, Proxy | None]:
        """Which server a request comes to and as what, through a reverse proxy if one is there."""
        machine = self.machine(url.host, from_client=from_client)
        proxy = self.given.proxies.get(machine)
        if proxy is None or proxy.port != url.port:
            return machine, url, None
        scheme, _, target = proxy.to.partition("://")
        return target, replace(url, port=PORTS[scheme], scheme=scheme), proxy

    def resolves(self, url: Url) -> bool:
        """Whether the client finds an address for a URL's host; a name of the scenario's own may have none."""
        text = self.given.names.get(self._label(self.canonical(url.host)), "")
        return self.in_hosts_file(url.host) or text != NO_RECORD

    def place(self, url: Url, *, from_client: bool = True) -> Place | None:
        """The application that serves a URL: exact host header before none, then the longest path."""
        machine, arriving, proxy = self.led(url, from_client=from_client)
        config = self.front_end(machine)
        bound = [(each.host, site) for each, site in self.bound(machine, arriving) if each.host in {"", url.host}]
        if config is None or not bound:
            return None
        site = max(bound, key=lambda each: len(each[0]))[1]
        paths = [each for each in site.applications if f"{url.path}/".startswith(f"{each.rstrip('/')}/")]
        if not paths:
            return None
        application = site.applications[max(paths, key=len)]
        return Place(machine, application, config.applicationPools[application.applicationPool],
                     application.windowsAuthentication or site.windowsAuthentication,
                     application.anonymousAuthentication or site.anonymousAuthentication,
                     application.basicAuthentication or site.basicAuthentication,
                     secure=arriving.scheme == HTTPS, proxy=proxy)

    def bound(self, machine: str, url: Url) -> Iterator[tuple[Binding, Site]]:
        """A web server's bindings that a URL's port and address fit, each with its site."""
        config = self.front_end(machine)
        for site in config.sites.values() if config else ():
            for text in site.bindings:
                binding = parse_binding(self.scope.fill(text))
                if binding.port == url.port and binding.address in {"*", self.scope.address(machine)}:
                    yield binding, site
