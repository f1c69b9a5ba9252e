"""What the agents of Windows machines answer: the operations of the Linux machines' agents, done by scripts.

The passwords that a lab would give its administrator and its computers are not used here: a Windows machine keeps its
own. What a role's table does not have, a Windows lab cannot do; its provider does not offer the need for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from doublehop.errors import LabError
from doublehop.model import Need, Role
from doublehop.providers.windows_logs import request_line, told
from doublehop.topology import Topology

Operation = Callable[..., Any]

OFFERS = frozenset({Need.WINDOWS, Need.KERBEROS, Need.RBCD, Need.TWO_FRONT_ENDS, Need.NTLM, Need.GMSA})
"""What a Windows lab has; it plants nothing below the directory, and sets no clocks, routes or trusts."""
PAGES = {"aspnet": "framework", "aspnetcore-iis": "core"}
"""Which page of `lab/aspnet` a kind of front end is in IIS; what the reference follows is ASP.NET 4.8 there."""
CONFIGURE, CERTIFICATE, LOGINS = "configure-iis.ps1", "certificate.ps1", "set-logins.ps1"
ASK_AS, EVIDENCE = "ask-as.ps1", "collect-evidence.ps1"
KDS_ROOT_KEY, CREDENTIAL_GUARD = "kds-root-key.ps1", "credential-guard.ps1"
RESTARTS = 2
"""How often a machine is started anew for Credential Guard before it is said that it does not come."""


@dataclass(frozen=True, slots=True)
class Domain:
    """The domain of a Windows lab, who asks its directory, and who signs its machines' certificates."""

    topology: Topology
    ask: Operation
    signed: Callable[[str], Mapping[str, str]]

    def account(self, name: str) -> str:
        """An account as Windows programs take it; a principal's realm is ours."""
        return f"{self.topology.domain}\\{name.partition('@')[0]}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a script answered, and the time on its machine's clock when it ended."""

    document: Any
    now: str


@dataclass(frozen=True, slots=True)
class Guest:
    """A Windows machine as its agent sees it."""

    name: str
    role: Role
    call: Callable[[str, Mapping[str, Any]], Answer]
    greet: Callable[[], str]
    restart: Callable[[], None]


def _stands(**_: Any) -> None:
    """What `start` comes to: the machine stands since it was provisioned, and has just said so."""


@dataclass(slots=True)
class _Evidence:
    """What a machine recorded since a moment on its own clock."""

    guest: Guest
    since: str = ""

    def begin(self) -> str:
        """Record from here on; gives the moment."""
        self.since = ""  # should the machine not answer, nothing of before counts
        self.since = self.guest.greet()
        return self.since

    def collected(self, since: str = "") -> dict[str, Any]:
        """Everything since then."""
        found: dict[str, Any] = self.guest.call(EVIDENCE, {
            "role": str(self.guest.role), "since": since or self.since}).document
        return found

    def told(self) -> list[dict[str, Any]]:
        """The same in words; nothing of a machine that nobody has told when to begin."""
        return told(self.collected()) if self.since else []


def _credential_guard(guest: Guest) -> Operation:
    """Turns Credential Guard on or off, which takes a restart of the machine; gives why a guest cannot have it."""
    def set_credential_guard(*, on: bool) -> dict[str, str]:
        for left in reversed(range(RESTARTS + 1)):
            if not guest.call(CREDENTIAL_GUARD, {"credential_guard": on}).document["needs"]:
                return {}
            if left:
                guest.restart()
        why = (f"{guest.name}: Credential Guard is not {'on' if on else 'off'} after {RESTARTS} restarts; "
               "it needs virtualization and Secure Boot, also of a guest")
        if not on:
            raise LabError(why)
        return {"refused": why}  # what would not come is turned off when the scenario is taken back

    return set_credential_guard


def domain_controller(guest: Guest, domain: Domain) -> dict[str, Operation]:
    """The domain controller: its accounts are read by LDAP, the KDC's answers from its Security log."""
    evidence = _Evidence(guest)

    def prepare(*, passwords: Mapping[str, str], **_: Any) -> Any:
        domain.ask("sweep", base_dn=domain.topology.base_dn)  # these machines outlive a run
        guest.call(KDS_ROOT_KEY, {})  # by an administrator of the domain, which the box's own user is not
        return domain.ask("about", base_dn=domain.topology.base_dn, accounts=list(passwords))

    def log_since(*, mark: str, matching: str = "") -> Any:  # noqa: ARG001 - the text of another make's log
        return evidence.collected(mark)["events"]

    return {"prepare": prepare, "start": _stands, "check": guest.greet,
            "log_mark": evidence.begin, "log_since": log_since,
            "logged": evidence.told, "issue_certificate": lambda *, request: domain.signed(request)}


def front_end(guest: Guest, domain: Domain) -> dict[str, Operation]:
    """A web server: IIS is configured by one script, and its logs are read by another."""
    evidence = _Evidence(guest)
    known: dict[str, str] = {}
    page: list[str] = []
    undo: list[dict[str, Any]] = []

    def start(*, back_ends: Mapping[str, Mapping[str, Any]], front_end: str, **_: Any) -> None:
        known.update({name: _connection(**each) for name, each in back_ends.items()})
        page[:] = [PAGES[front_end]]

    def configure(*, config: Mapping[str, Any], accounts: Mapping[str, Any], fixed: Mapping[str, Any],
                  pages: Mapping[str, str], managed: Mapping[str, Any] | None = None) -> None:
        own = {label: {"account": domain.account(each["name"]), "password": each["password"]}
               for label, each in accounts.items()}
        own |= {label: {"account": domain.account(each["name"])} for label, each in (managed or {}).items()}
        signed_in = {label: {"account": domain.account(each["principal"]), "password": each["password"]}
                     for label, each in fixed.items()}
        done = guest.call(CONFIGURE, {"config": config, "accounts": own, "fixed": signed_in, "back_ends": known,
                                      "pages": pages, "page": page[0]})
        if done.document.get("needs"):
            raise LabError(f"{guest.name}: its web server needs a {done.document['needs']} for this configuration")
        evidence.since, undo[:] = done.now, [{"undo": True}]

    def stop() -> None:
        for each in undo:
            guest.call(CONFIGURE, each)

    def log() -> list[dict[str, Any]]:
        return [request_line(each) for each in evidence.collected()["requests"]]

    def set_proxy(*, to: str = "", **_: Any) -> None:
        if to:
            raise LabError(f"{guest.name}: a Windows lab runs no reverse proxy")

    return {
        "start": start, "stop": stop, "configure": configure, "log": log,
        "logged": evidence.told, "forget_log": evidence.begin, "set_proxy": set_proxy,
        "set_credential_guard": _credential_guard(guest),
        "start_services": lambda **_: None,  # IIS starts a pool's process, and signs it in, when it is configured
        "request_certificate": lambda **asked: guest.call(CERTIFICATE, {"request": asked}).document["request"],
        "take_certificate": lambda **issued: guest.call(CERTIFICATE, {"take": issued}).document,
    }


def _connection(*, host: str, port: int) -> str:
    """How a page connects to a SQL Server: as whoever it runs as, which is what the lab is about.

    Without a pool of connections: one that was kept would prove nothing of the next request, and its login could not be
    dropped.
    """
    return (f"Data Source=tcp:{host},{port};Integrated Security=true;Encrypt=true;TrustServerCertificate=true;"
            "Pooling=false;Connect Timeout=15")


def back_end(guest: Guest, domain: Domain) -> dict[str, Operation]:
    """SQL Server: its logins are Windows accounts."""
    evidence = _Evidence(guest)

    def set_logins(*, add: list[str], remove: list[str]) -> None:
        evidence.since = guest.call(LOGINS, {"add": [domain.account(each) for each in add],
                                             "remove": [domain.account(each) for each in remove]}).now

    def start(*, logins: list[str], **_: Any) -> None:
        set_logins(add=logins, remove=[])

    return {"start": start, "set_logins": set_logins, "logged": evidence.told}


def client(guest: Guest, domain: Domain) -> dict[str, Operation]:
    """The client: a process that is logged on as the user asks for pages; the directory is changed from here."""
    evidence = _Evidence(guest)
    signed_in: dict[str, str] = {}

    def sign_in(*, principal: str, password: str, default: bool = False) -> str:  # noqa: ARG001 - as everywhere
        signed_in[principal] = password
        evidence.begin()
        return ""

    def probe(*, url: str, principal: str, profile: Mapping[str, Any], times: int, **_: Any) -> Any:
        user = {"account": domain.account(principal), "password": signed_in[principal]}
        return guest.call(ASK_AS, {"user": user, "probe": {
            "url": url, "times": times, "profile": profile}}).document

    def passed_on(operation: str) -> Operation:
        return lambda **arguments: domain.ask(operation, **arguments)

    return {
        "start": _stands, "sign_in": sign_in, "probe": probe, "logged": evidence.told,
        "set_credential_guard": _credential_guard(guest),
        "sign_out": lambda *, principal: signed_in.pop(principal, None) and None,
        "trust": lambda *, authority: guest.call(CERTIFICATE, {"trust": {"authority": authority}}).document,
        **{each: passed_on(each) for each in ("change", "attempt", "read", "reconnect")},
    }


OPERATIONS: Mapping[Role, Callable[[Guest, Domain], Mapping[str, Operation]]] = {
    Role.DOMAIN_CONTROLLER: domain_controller, Role.FRONT_END: front_end, Role.BACK_END: back_end, Role.CLIENT: client,
}
