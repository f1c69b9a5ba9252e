"""Refuses scenarios that no lab could be given: what they name has to exist, and their parts to fit. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import Any
from urllib.parse import urlsplit

from doublehop.directory import NO_RECORD
from doublehop.errors import InputError
from doublehop.frontend import HTTPS, FrontEnd, ImpersonateAs, PoolIdentity, Site, TokenChecking, parse_binding
from doublehop.model import (
    Domain,
    Encryption,
    Expect,
    Given,
    Principal,
    Program,
    Registration,
    Request,
    RestrictNtlm,
    Right,
    Role,
    Scenario,
    Scheme,
    Zone,
)
from doublehop.rules.reach import unreachable
from doublehop.rules.world import World, url_at, url_of
from doublehop.scope import Scope, scope_of
from doublehop.topology import Topology
from doublehop.verdict import BACK_END_SERVICES

LONGEST_ACCOUNT = 20
LARGEST_PORT = 65536
LONGEST_MANAGED = 16
"""A gMSA's name is a computer's, 15 letters and the dollar sign."""
MOST_GROUPS = 1010
"""More memberships do not fit into a Windows access token (row B-29)."""
HTTP_SYS = {"MaxFieldLength": range(64, 65535), "MaxRequestBytes": range(256, 16777217)}
"""What HTTP.sys takes (KB 820129)."""
KEYTAB_TYPES = {Encryption.RC4, Encryption.AES128, Encryption.AES256}
RIGHTS = [each.name for each in fields(Right)]
MANAGED = "principals_allowed_to_retrieve_managed_password"
FURTHEST_CLOCK = 3 * 3600
"""A protected user's TGT ends after four hours (row C-20); a clock further off would tell of that."""
CLOCK = re.compile(r"[+-][1-9][0-9]*[smhd]")
LABEL = re.compile(r"[a-z][a-z0-9-]*")


def check(scenario: Scenario, topology: Topology, where: str) -> None:
    """Refuse what no lab could be given: unknown machines, accounts, names and pools, and senseless outcomes."""
    check_question(scenario, topology, where)
    _check_expect(scenario, scope_of(scenario.id, scenario.given, topology), where)


def check_question(scenario: Scenario, topology: Topology, where: str) -> None:
    """Refuse what could not be given or asked, whatever is expected of it."""
    given, scope = scenario.given, scope_of(scenario.id, scenario.given, topology)
    _check_names(given, scope, f"{where}.given")
    _check_principals(given, scope, f"{where}.given")
    _check_keys(given, scope, f"{where}.given")
    _check_machines(given, scope, f"{where}.given")
    _check_domains(given, topology, f"{where}.given")
    for name, front_end in given.front_ends.items():
        if name not in topology.of(Role.FRONT_END):
            raise InputError(f"{where}.given.front_ends", f"no front end is called {name!r}")
        _check_front_end(front_end, scope, f"{where}.given.front_ends.{name}")
        _check_retrieval(name, front_end, scope, f"{where}.given.front_ends.{name}")
    _check_back_ends(given, scope, f"{where}.given.back_ends")
    _check_proxies(given, scope, f"{where}.given.proxies")
    _check_when(scenario, scope, where)


def _check_names(given: Given, scope: Scope, where: str) -> None:
    machines = scope.topology.machines
    for label, text in given.names.items():
        kind, _, target = text.partition(" ")
        if text == NO_RECORD:
            continue
        if kind not in {"A", "CNAME"} or not target:
            raise InputError(f"{where}.names.{label}", f"expected 'A MACHINE' or 'CNAME NAME', not {text!r}")
        if kind == "A" and target not in machines:
            raise InputError(f"{where}.names.{label}", f"no machine is called {target!r}")
        if kind == "CNAME":
            _resolved(scope.host, target, f"{where}.names.{label}", "name or machine")
    for text, machine in given.client_hosts.items():
        _resolved(scope.fill, text, f"{where}.client_hosts", "name")
        if machine not in machines:
            raise InputError(f"{where}.client_hosts", f"no machine is called {machine!r}")


def _check_principals(given: Given, scope: Scope, where: str) -> None:
    owned = {**given.users, **given.accounts}
    _check_labels(given, scope, where)
    for label, facts in given.computers.items():
        if label not in {*scope.topology.members, *scope.topology.across.members}:
            raise InputError(f"{where}.computers", f"no member of the domain is called {label!r}")
        _refuse(f"{where}.computers.{label}", facts, "protected_user", "groups", "domain_local_groups",
                "keytab_encryption_types", "aes_keys", "full_control", MANAGED)
    for label, facts in owned.items():
        _refuse(f"{where}: {label}", facts, "without_spns")
    for label, facts in given.users.items():
        _refuse(f"{where}.users.{label}", facts, "keytab_encryption_types", "aes_keys", MANAGED)
    for label, facts in {**owned, **given.computers}.items():
        for text in (*facts.spns, *facts.without_spns, *facts.allowed_to_delegate_to):
            _resolved(scope.fill, text, f"{where}: {label}", "name")
        for each in (*facts.principals_allowed_to_delegate_to_account, *facts.full_control):
            _resolved(scope.account, each, f"{where}: {label}", "account")
    for label, text in given.duplicate_spns.items():
        if label not in owned:
            raise InputError(f"{where}.duplicate_spns", f"no user or account is called {label!r}")
        _resolved(scope.fill, text, f"{where}.duplicate_spns.{label}", "name")


def _check_keys(given: Given, scope: Scope, where: str) -> None:
    for label, facts in {**given.users, **given.accounts}.items():
        if facts.groups + facts.domain_local_groups > MOST_GROUPS:
            raise InputError(f"{where}: {label}.groups", f"expected at most {MOST_GROUPS} groups in all")
        if not facts.keytab_encryption_types or not KEYTAB_TYPES.issuperset(facts.keytab_encryption_types):
            raise InputError(f"{where}: {label}.keytab_encryption_types",
                             f"expected some of {', '.join(sorted(KEYTAB_TYPES))}")
    for label, facts in given.accounts.items():
        if facts.managed:
            _check_managed(label, facts, given, scope, f"{where}.accounts.{label}")
    for label, what in given.after_sign_in.items():
        _resolved(scope.account, label, f"{where}.after_sign_in", "account")
        is_machine = label not in {*given.users, *given.accounts}
        if is_machine and label not in scope.topology.members:
            raise InputError(f"{where}.after_sign_in", f"no member of the domain is called {label!r}")
        if is_machine and (not what.enabled or what.change_password_at_logon):
            raise InputError(f"{where}.after_sign_in.{label}", "expected password_reset only for a machine's account")


def _check_managed(label: str, facts: Principal, given: Given, scope: Scope, where: str) -> None:
    """A gMSA's password is the directory's: nobody types it, sets it or keeps an old one."""
    for each in facts.principals_allowed_to_retrieve_managed_password:
        if each not in scope.topology.of(Role.FRONT_END):
            raise InputError(f"{where}.principals_allowed_to_retrieve_managed_password",
                             f"no front end is called {each!r}")
    _refuse(where, facts, "keytab_encryption_types", "aes_keys", "protected_user", "groups", "domain_local_groups")
    if label in given.after_sign_in:
        raise InputError(where, "expected nothing to happen to a gMSA after sign-in")
    if len(scope.account(label)) > LONGEST_MANAGED:
        raise InputError(where, f"{label!r} is too long for the name of a gMSA")


def _check_machines(given: Given, scope: Scope, where: str) -> None:
    """The domain controller reaches itself, and what keeps the lab's time is not set wrong."""
    topology = scope.topology
    for name in given.dc_unreachable_from:
        if name not in {*topology.members, topology.only(Role.CLIENT)}:
            raise InputError(f"{where}.dc_unreachable_from", f"no client, front end or back end is called {name!r}")
    if given.restrict_ntlm_in_this_domain is not RestrictNtlm.DISABLE and topology.only(Role.CLIENT) in given.clocks:
        raise InputError(f"{where}.restrict_ntlm_in_this_domain", "expected not together with a clock of the client, "
                                                                  "where the administrator could not sign in again")
    for name, by in given.clocks.items():
        if name not in topology.of(Role.FRONT_END) and name != topology.only(Role.CLIENT):
            raise InputError(f"{where}.clocks", f"no client or front end is called {name!r}")
        if not CLOCK.fullmatch(by):
            raise InputError(f"{where}.clocks.{name}", f"expected an offset such as '+10m', not {by!r}")
        if abs(World(scope).clock(name)) > FURTHEST_CLOCK:
            raise InputError(f"{where}.clocks.{name}", f"expected at most three hours, so that no TGT ends, not {by!r}")


def _check_domains(given: Given, topology: Topology, where: str) -> None:
    """Users alone are of the partner's domain, with facts about themselves; its clocks are those of the lab."""
    beyond = {label: each for label, each in given.users.items() if each.domain is Domain.PARTNER}
    for label, facts in {**given.accounts, **given.computers}.items():
        _refuse(f"{where}: {label}", facts, "domain")
    for label in given.computers.keys() & topology.partner.machines.keys():
        granted = Principal(principals_allowed_to_delegate_to_account=
                            given.computers[label].principals_allowed_to_delegate_to_account)
        if given.computers[label] != granted:
            raise InputError(f"{where}.computers.{label}", "expected principals_allowed_to_delegate_to_account alone")
    for label, facts in beyond.items():
        _refuse(f"{where}.users.{label}", facts, "spns", "allowed_to_delegate_to", "protected_user", "groups",
                "domain_local_groups", "principals_allowed_to_delegate_to_account")
        if label in given.after_sign_in:
            raise InputError(f"{where}.after_sign_in.{label}", "unexpected for a user of the partner's domain")
    if beyond and topology.only(Role.CLIENT) in given.clocks:
        raise InputError(f"{where}.clocks", "unexpected of the client with users of the partner's domain")
    types = given.trust.supported_encryption_types
    if not types or not KEYTAB_TYPES.issuperset(types):
        raise InputError(f"{where}.trust.supported_encryption_types",
                         f"expected some of {', '.join(sorted(KEYTAB_TYPES))}")


def _check_labels(given: Given, scope: Scope, where: str) -> None:
    for label in given.accounts:
        if label in given.users:
            raise InputError(f"{where}.accounts", f"{label!r} is a user already")
    for label in [*given.names, *given.users, *given.accounts]:
        if not LABEL.fullmatch(label):
            raise InputError(where, f"expected a label of lower-case letters, digits and dashes, not {label!r}")
    for label in [*given.users, *given.accounts]:
        if label in {*scope.topology.machines, *scope.topology.partner.machines}:
            raise InputError(where, f"{label!r} is a machine already")
        if len(scope.account(label)) > LONGEST_ACCOUNT:
            raise InputError(where, f"{label!r} is too long for an account name")


def _refuse(where: str, facts: Principal, *names: str) -> None:
    """Facts that make no sense for this kind of account would be passed over in silence."""
    for name in names:
        if getattr(facts, name) != getattr(Principal(), name):
            raise InputError(f"{where}.{name}", "unexpected for this kind of account")


def _check_retrieval(name: str, front_end: FrontEnd, scope: Scope, where: str) -> None:
    """A pool whose password its server may not have does not start, and nothing could be seen of it."""
    for pool, each in front_end.applicationPools.items():
        facts = scope.given.accounts.get(each.userName, Principal())
        if facts.managed and name not in facts.principals_allowed_to_retrieve_managed_password:
            raise InputError(f"{where}.applicationPools.{pool}.userName",
                             f"{name} may not retrieve the managed password of {each.userName!r}")


def _check_front_end(front_end: FrontEnd, scope: Scope, where: str) -> None:
    for name, values in HTTP_SYS.items():
        if getattr(front_end.httpSys, name) not in values:
            raise InputError(f"{where}.httpSys.{name}", f"expected {values.start} to {values.stop - 1}")
    for name, pool in front_end.applicationPools.items():
        if (pool.identityType is PoolIdentity.SpecificUser) != bool(pool.userName):
            raise InputError(f"{where}.applicationPools.{name}", "expected userName with SpecificUser, and only then")
        if pool.userName and pool.userName not in scope.given.accounts:
            raise InputError(f"{where}.applicationPools.{name}.userName", f"no account is called {pool.userName!r}")
    for name, site in front_end.sites.items():
        for text in site.bindings:
            try:
                parse_binding(_resolved(scope.fill, text, f"{where}.sites.{name}.bindings", "name"))
            except ValueError as failure:
                raise InputError(f"{where}.sites.{name}.bindings", str(failure)) from failure
        _check_protection(site, f"{where}.sites.{name}")
        for path, application in site.applications.items():
            if application.applicationPool not in front_end.applicationPools:
                raise InputError(f"{where}.sites.{name}.applications.{path}.applicationPool",
                                 f"no pool is called {application.applicationPool!r}")
            impersonate = application.impersonate
            owned = {*scope.given.users, *(label for label, each in scope.given.accounts.items() if not each.managed)}
            if isinstance(impersonate, ImpersonateAs) and impersonate.userName not in owned:
                raise InputError(f"{where}.sites.{name}.applications.{path}.impersonate.userName",
                                 f"no user or account is called {impersonate.userName!r}")


    _check_protocols(front_end, scope, where)


def _check_protection(site: Site, where: str) -> None:
    """Without TLS there is no channel to bind to, and the setting would be passed over in silence."""
    applied = [site.windowsAuthentication, *(each.windowsAuthentication for each in site.applications.values())]
    checked = any(each and each.extendedProtection.tokenChecking is not TokenChecking.NONE for each in applied)
    if checked and not all(each.startswith(f"{HTTPS}/") for each in site.bindings):
        raise InputError(f"{where}.bindings", "expected https bindings alone where extendedProtection checks tokens")


def _check_protocols(front_end: FrontEnd, scope: Scope, where: str) -> None:
    protocols: dict[int, str] = {}
    for site in front_end.sites.values():
        for each in (parse_binding(scope.fill(text)) for text in site.bindings):
            if protocols.setdefault(each.port, each.protocol) != each.protocol:
                raise InputError(f"{where}.sites", f"port {each.port} is bound to both http and https")


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
        _resolved(scope.fill, text, f"{where}.when.{given[0]}", "name")
    for each in when.grant.principals_allowed_to_delegate_to_account:
        _resolved(scope.account, each, f"{where}.when.grant.{given[0]}", "account")
    _resolved_owner(scope, when.on, f"{where}.when.on")
    if given[0] in RIGHTS and getattr(World(scope).facts(when.on), given[0]):
        raise InputError(f"{where}.when.grant.{given[0]}", f"expected a right that {when.on} does not have already")
    if when.by != "administrator":
        _resolved_owner(scope, when.by, f"{where}.when.by")


def _check_request(when: Request, scope: Scope, where: str) -> None:
    _resolved(scope.fill, when.get, f"{where}.when.get", "name or machine")
    if when.http2 and when.get.startswith(f"{HTTPS}:"):
        raise InputError(f"{where}.when.http2", "expected only with http: over TLS this lab's client speaks HTTP/1.1")
    client = when.client
    if client.program is Program.CURL and (client.canonicalise or client.ntlm or client.basic or client.port_in_spn
                                           or client.zone is not Zone.INTRANET or not client.integrated):
        raise InputError(f"{where}.when.client", "expected of curl canonicalise = false, ntlm = false and nothing of a "
                                                 "browser's: it asks for the name in the URL, with a ticket or not")
    if when.user not in scope.given.users:
        raise InputError(f"{where}.when.user", f"no user is called {when.user!r}")
    if when.after and (when.after not in scope.given.users or when.after == when.user):
        raise InputError(f"{where}.when.after", f"expected another user, not {when.after!r}")
    beyond = [each for each in (when.user, when.after) if each and scope.domain_of(each) is not scope.topology]
    if beyond and (when.client.ntlm or when.client.basic):
        raise InputError(f"{where}.when.client", "expected neither ntlm nor basic with a user of the partner's domain: "
                                                 "the lab's trust carries Kerberos alone")
    if not KEYTAB_TYPES.issuperset(when.client.encryption_types):
        raise InputError(f"{where}.when.client.encryption_types", f"expected some of {', '.join(sorted(KEYTAB_TYPES))}")
    if when.act_as:
        _resolved_owner(scope, when.act_as, f"{where}.when.act_as")
    pages, known = scope.given.back_ends, {**BACK_END_SERVICES, **scope.given.back_ends}
    for each in when.back_ends:
        *way, last = each.split(".")
        if last not in known or not pages.keys() >= set(way):
            raise InputError(f"{where}.when.back_ends", f"expected {', '.join(known)}, not {each!r}")
    if when.http2 and when.after:
        raise InputError(f"{where}.when.after", "unexpected with http2, whose client sends its ticket unasked")
    world, url = World(scope), url_of(when, scope)
    problem = unreachable(world, url) if world.resolves(url) else ""
    if problem:
        raise InputError(f"{where}.when.get", f"{scope.fill(when.get)}: {problem}")


def _resolved_owner(scope: Scope, label: str, where: str) -> None:
    """An account that a scenario may speak of: its own, or a member's."""
    _resolved(scope.account, label, where, "account")
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
    _resolved(scope.fill, expect.spn, f"{where}.expect.spn", "name")
    for scheme, willing in ((Scheme.NTLM, when.client.ntlm), (Scheme.BASIC, when.client.basic)):
        if expect.scheme == scheme and not willing:
            raise InputError(f"{where}.expect.scheme", f"unexpected of a client without `{scheme.lower()}`")
    if when.client.program is Program.CURL and (expect.offers, expect.handshakes) != (None, None):
        raise InputError(f"{where}.expect", "expected neither offers nor handshakes of curl, which does not count them")
    if not expect.status:
        raise InputError(f"{where}.expect.status", "expected the HTTP status the client ends with")
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


def _check_back_ends(given: Given, scope: Scope, where: str) -> None:
    for name, text in given.back_ends.items():
        if not LABEL.fullmatch(name) or name in BACK_END_SERVICES:
            raise InputError(f"{where}.{name}", "expected a label of lower-case letters, digits and dashes of its own")
        url = urlsplit(_resolved(scope.fill, text, f"{where}.{name}", "name or machine"))
        if url.scheme != "http" or not url.hostname or not url.path or url.query:
            raise InputError(f"{where}.{name}", f"expected a page such as 'http://{{api}}/whoami', not {text!r}")
        problem = unreachable(World(scope), url_at(scope.page(name)), from_client=False)
        if problem:
            raise InputError(f"{where}.{name}", f"{scope.page(name)}: {problem}")


def _resolved(resolve: Any, text: str, where: str, kind: str) -> str:
    try:
        return str(resolve(text))
    except KeyError as failure:
        raise InputError(where, f"no {kind} is called {failure}") from failure


def _check_proxies(given: Given, scope: Scope, where: str) -> None:
    machines = scope.topology.of(Role.FRONT_END)
    for name, proxy in given.proxies.items():
        if name not in machines:
            raise InputError(where, f"no front end is called {name!r}")
        scheme, _, target = proxy.to.partition("://")
        if scheme not in {"http", HTTPS} or target not in machines or target == name:
            raise InputError(f"{where}.{name}.to",
                             f"expected another front end such as 'http://{machines[0]}', not {proxy.to!r}")
        sites = given.front_ends.get(name, FrontEnd()).sites.values()
        taken = {parse_binding(scope.fill(text)).port for site in sites for text in site.bindings}
        if proxy.port in taken or not 0 < proxy.port < LARGEST_PORT:
            raise InputError(f"{where}.{name}.port", f"expected a port that no site of {name} is bound to")
