"""Refuses scenarios that no lab could be given: what they name has to exist, and their parts to fit. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace

from doublehop import sanity_directory, sanity_front_end
from doublehop.errors import InputError
from doublehop.frontend import HTTPS, Provider
from doublehop.model import (
    ClientProfile,
    Encryption,
    Expect,
    Program,
    Registration,
    Request,
    RestrictNtlm,
    Right,
    Scenario,
    Scheme,
    Zone,
)
from doublehop.rules.reach import unreachable
from doublehop.rules.world import World, url_of
from doublehop.sanity_directory import KEYTAB_TYPES, resolved
from doublehop.scope import Scope, scope_of
from doublehop.topology import Topology
from doublehop.verdict import BACK_END_SERVICES

HTTP_CLIENT = ClientProfile(program=Program.DOTNET, ntlm=False, delegate=False)
"""How .NET's HttpClient asks with default credentials on Linux, where it knows NTLM only with a name and a password."""
RIGHTS = [each.name for each in fields(Right)]


def check(scenario: Scenario, topology: Topology, where: str) -> None:
    """Refuse what no lab could be given: unknown machines, accounts, names and pools, and senseless outcomes."""
    check_question(scenario, topology, where)
    _check_expect(scenario, scope_of(scenario.id, scenario.given, topology), where)


def check_question(scenario: Scenario, topology: Topology, where: str) -> None:
    """Refuse what could not be given or asked, whatever is expected of it."""
    given, scope = scenario.given, scope_of(scenario.id, scenario.given, topology)
    sanity_directory.check(given, scope, f"{where}.given")
    sanity_front_end.check(given, scope, f"{where}.given")
    _check_when(scenario, scope, where)


def _check_when(scenario: Scenario, scope: Scope, where: str) -> None:
    match scenario.when:
        case Registration() as registration:
            _check_registration(registration, scope, where)
        case Request() as request:
            _check_request(request, scope, where)


def _check_registration(when: Registration, scope: Scope, where: str) -> None:
    if scope.given.restrict_ntlm_in_this_domain is not RestrictNtlm.DISABLE:
        raise InputError(f"{where}.given.restrict_ntlm_in_this_domain",
                         "expected only with a request: this directory takes a simple bind for NTLM")
    given = [name for name in ("register", *RIGHTS) if getattr(when, name, getattr(when.grant, name, None))]
    if len(given) != 1:
        raise InputError(f"{where}.when", "expected `register` with an SPN or `grant` with one right to delegate")
    for text in (when.register, *when.grant.allowed_to_delegate_to):
        resolved(scope.fill, text, f"{where}.when.{given[0]}", "name")
    for each in when.grant.principals_allowed_to_delegate_to_account:
        resolved(scope.account, each, f"{where}.when.grant.{given[0]}", "account")
    _resolved_owner(scope, when.on, f"{where}.when.on")
    if given[0] in RIGHTS and getattr(World(scope).facts(when.on), given[0]):
        raise InputError(f"{where}.when.grant.{given[0]}", f"expected a right that {when.on} does not have already")
    if when.by != "administrator":
        _resolved_owner(scope, when.by, f"{where}.when.by")


def _check_request(when: Request, scope: Scope, where: str) -> None:
    resolved(scope.fill, when.get, f"{where}.when.get", "name or machine")
    _check_curl(when, scope, where)
    check_program(when, where)
    if when.user not in scope.given.users:
        raise InputError(f"{where}.when.user", f"no user is called {when.user!r}")
    if when.after and (when.after not in scope.given.users or when.after == when.user):
        raise InputError(f"{where}.when.after", f"expected another user, not {when.after!r}")
    beyond = [each for each in (when.user, when.after) if each and scope.domain_of(each) is not scope.topology]
    if beyond and (when.client.ntlm or when.client.basic):
        raise InputError(f"{where}.when.client", "expected neither ntlm nor basic with a user of the partner's domain: "
                                                 "the lab's trust carries Kerberos alone")
    allowed = set(when.client.encryption_types)
    if allowed and not (allowed <= KEYTAB_TYPES and Encryption.AES256 in allowed):
        raise InputError(f"{where}.when.client.encryption_types",
                         f"expected some of {', '.join(sorted(KEYTAB_TYPES))}, and AES256, which the user's TGT is of")
    if when.act_as:
        _resolved_owner(scope, when.act_as, f"{where}.when.act_as")
    pages, known = scope.given.back_ends, {**BACK_END_SERVICES, **scope.given.back_ends}
    for each in when.back_ends:
        *way, last = each.split(".")
        if last not in known or not pages.keys() >= set(way):
            raise InputError(f"{where}.when.back_ends", f"expected {', '.join(known)}, not {each!r}")
    world, url = World(scope), url_of(when, scope)
    problem = unreachable(world, url) if world.resolves(url) else ""
    if problem:
        raise InputError(f"{where}.when.get", f"{scope.fill(when.get)}: {problem}")


def check_program(when: Request, where: str) -> None:
    """Refuse of a program what only another is told; what is none of theirs, nobody would do."""
    client = when.client
    if client.http2 and client.program is Program.BROWSER:
        raise InputError(f"{where}.when.client.http2", 'expected only with program = "curl", which can be told to')
    if client.http2 and when.get.startswith(f"{HTTPS}:"):
        raise InputError(f"{where}.when.client.http2", "expected only with http: over TLS this lab speaks HTTP/1.1")
    if client.program is Program.CURL and (client.canonicalise or client.ntlm or client.basic or client.port_in_spn
                                           or client.zone is not Zone.INTRANET or not client.integrated
                                           or not client.channel_binding):
        raise InputError(f"{where}.when.client", "expected of curl canonicalise = false, ntlm = false and nothing of a "
                                                 "browser's: it asks for the name in the URL, with a ticket or not")
    if client.program is Program.DOTNET and client != replace(HTTP_CLIENT, port_in_spn=client.port_in_spn):
        raise InputError(f"{where}.when.client", "expected of dotnet ntlm = false, delegate = false and nothing else "
                                                 "but port_in_spn: HttpClient is told no more here")


def _check_curl(when: Request, scope: Scope, where: str) -> None:
    """Refuse what curl is not for: it sends its ticket unasked and cannot tell that there was no use for it."""
    if when.client.program is not Program.CURL:
        return
    if when.after:
        raise InputError(f"{where}.when.after", "unexpected with curl, which sends its ticket unasked")
    url = url_of(when, scope)
    place = World(scope).place(url) if World(scope).resolves(url) else None
    if (place is None or place.anonymous.enabled or not place.windows.enabled
            or set(place.windows.providers) <= {Provider.NTLM}):
        raise InputError(f"{where}.when.get", "expected of curl a site that takes Negotiate and nobody anonymous, to "
                                              "which the ticket is sent unasked")


def _resolved_owner(scope: Scope, label: str, where: str) -> None:
    """An account that a scenario may speak of: its own, or a member's."""
    resolved(scope.account, label, where, "account")
    if label.rstrip("$") in scope.topology.machines.keys() - set(scope.topology.members):
        raise InputError(where, f"{label!r} is no member of the domain with an account to change")


def _check_expect(scenario: Scenario, scope: Scope, where: str) -> None:
    when, expect = scenario.when, scenario.expect
    if isinstance(when, Registration):
        if not expect.directory:
            raise InputError(f"{where}.expect.directory", "expected the LDAP result of the registration")
        return
    if expect.unasked:
        if replace(expect, unasked="") != Expect():
            raise InputError(f"{where}.expect.unasked", "expected alone: whoever does not ask sees nothing else")
        return
    resolved(scope.fill, expect.spn, f"{where}.expect.spn", "name")
    for scheme, willing in ((Scheme.NTLM, when.client.ntlm), (Scheme.BASIC, when.client.basic)):
        if expect.scheme == scheme and not willing:
            raise InputError(f"{where}.expect.scheme", f"unexpected of a client without `{scheme.lower()}`")
    if when.client.program is not Program.BROWSER and (expect.offers, expect.handshakes) != (None, None):
        raise InputError(f"{where}.expect", f"expected neither offers nor handshakes of {when.client.program}, "
                                            "which does not count them")
    if not expect.status:
        raise InputError(f"{where}.expect.status", "expected the HTTP status the client ends with")
    if expect.refused:
        raise InputError(f"{where}.expect.refused", "expected none: `fails` has Kerberos's error")
    told = [*expect.sees, *expect.fails]
    if sorted(told) != (sorted(reached(when.back_ends, expect.fails)) if expect.status == 200 else []):
        raise InputError(f"{where}.expect", "expected `sees` or `fails` for each back end that is asked, and no other")


def reached(asked: Iterable[str], fails: Iterable[str]) -> set[str]:
    """Every link of the chains that are asked, but for those behind a link that fails."""
    def links(chain: str) -> Iterator[str]:
        parts = chain.split(".")
        for number in range(1, len(parts) + 1):
            yield ".".join(parts[:number])
            if ".".join(parts[:number]) in fails:
                return

    return {link for chain in asked for link in links(chain)}
