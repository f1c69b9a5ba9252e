"""What a scenario says of web servers, reverse proxies and pages among the back ends: whether it fits. Pure."""

from urllib.parse import urlsplit

from doublehop.errors import InputError
from doublehop.frontend import HTTPS, FrontEnd, ImpersonateAs, PoolIdentity, Site, TokenChecking, parse_binding
from doublehop.model import Given, Principal, Role
from doublehop.rules.reach import unreachable
from doublehop.rules.world import World, url_at
from doublehop.sanity_directory import LABEL, resolved
from doublehop.scope import Scope
from doublehop.verdict import BACK_END_SERVICES

LARGEST_PORT = 65536
HTTP_SYS = {"MaxFieldLength": range(64, 65535), "MaxRequestBytes": range(256, 16777217)}
"""What HTTP.sys takes (KB 820129)."""


def check(given: Given, scope: Scope, where: str) -> None:
    """Refuse web servers, proxies and pages that no lab could be given."""
    for name, front_end in given.front_ends.items():
        if name not in scope.topology.of(Role.FRONT_END):
            raise InputError(f"{where}.front_ends", f"no front end is called {name!r}")
        _check_front_end(front_end, scope, f"{where}.front_ends.{name}")
        _check_retrieval(name, front_end, scope, f"{where}.front_ends.{name}")
    _check_back_ends(given, scope, f"{where}.back_ends")
    _check_proxies(given, scope, f"{where}.proxies")


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
                parse_binding(resolved(scope.fill, text, f"{where}.sites.{name}.bindings", "name"))
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


def _check_retrieval(name: str, front_end: FrontEnd, scope: Scope, where: str) -> None:
    """A pool whose password its server may not have does not start, and nothing could be seen of it."""
    for pool, each in front_end.applicationPools.items():
        facts = scope.given.accounts.get(each.userName, Principal())
        if facts.managed and name not in facts.principals_allowed_to_retrieve_managed_password:
            raise InputError(f"{where}.applicationPools.{pool}.userName",
                             f"{name} may not retrieve the managed password of {each.userName!r}")


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


def _check_back_ends(given: Given, scope: Scope, where: str) -> None:
    for name, text in given.back_ends.items():
        if not LABEL.fullmatch(name) or name in BACK_END_SERVICES:
            raise InputError(f"{where}.{name}", "expected a label of lower-case letters, digits and dashes of its own")
        url = urlsplit(resolved(scope.fill, text, f"{where}.{name}", "name or machine"))
        if url.scheme != "http" or not url.hostname or not url.path or url.query:
            raise InputError(f"{where}.{name}", f"expected a page such as 'http://{{api}}/whoami', not {text!r}")
        problem = unreachable(World(scope), url_at(scope.page(name)), from_client=False)
        if problem:
            raise InputError(f"{where}.{name}", f"{scope.page(name)}: {problem}")


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
