"""What a scenario needs of a lab, as far as its configuration says so by itself; the rest stands in its `needs`."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from doublehop.frontend import Application, FrontEnd, HttpSys, Provider, Site, served
from doublehop.model import (
    Domain,
    Encryption,
    Expect,
    Given,
    Need,
    Program,
    Registration,
    Request,
    RestrictNtlm,
    Role,
    Trust,
    When,
)
from doublehop.topology import Topology
from doublehop.verdict import BEYOND


def implied(given: Given, when: When, expect: Expect, topology: Topology) -> Iterator[Need]:
    """Every need that follows from what is given, asked and expected."""
    principals = [*given.users.values(), *given.accounts.values(), *given.computers.values()]
    if any(each.principals_allowed_to_delegate_to_account for each in principals):
        yield Need.RBCD
    if set(topology.of(Role.FRONT_END)[1:]) & {*given.front_ends, *given.proxies}:
        yield Need.TWO_FRONT_ENDS
    if expect.ntlm or given.restrict_ntlm_in_this_domain is not RestrictNtlm.DISABLE:
        yield Need.NTLM
    if given.duplicate_spns or not all(each.aes_keys for each in principals):
        yield Need.OFFLINE_DIRECTORY
    if any(each.managed for each in principals):
        yield Need.GMSA
    if any(Encryption.RESOURCE_SID_COMPRESSION_DISABLED in each.supported_encryption_types for each in principals):
        yield Need.RESOURCE_SIDS
    cut_off = set(given.dc_unreachable_from)
    if given.client_hosts or topology.only(Role.CLIENT) in cut_off:
        yield Need.CLIENT_NETWORK
    if cut_off - {topology.only(Role.CLIENT)}:
        yield Need.NETWORK
    if given.clocks:
        yield Need.CLOCKS
    if given.credential_guard_on:
        yield Need.WINDOWS
    of_the_partner = (any(each.domain is Domain.PARTNER for each in given.users.values())
                      or bool(given.computers.keys() & topology.partner.machines.keys()))
    if of_the_partner or given.trust != Trust() or (isinstance(when, Request) and BEYOND & {*when.back_ends}):
        yield Need.TRUST
    yield from _needs_of_machines_of_our_own(given, when, topology)
    if isinstance(when, Request):
        yield from _needs_of_front_ends(given, when, topology)


def _needs_of_machines_of_our_own(given: Given, when: When, topology: Topology) -> Iterator[Need]:
    """What machines have whose programs and passwords are the lab's; Windows has its own."""
    if given.proxies:
        yield Need.REVERSE_PROXY
    if any(each.httpSys != HttpSys() for each in given.front_ends.values()):
        yield Need.REQUEST_LIMITS
    if isinstance(when, Request) and _is_another_client(when):
        yield Need.OTHER_CLIENTS
    if given.after_sign_in:
        yield Need.STANDING_SIGN_INS
    computers = {*topology.members, *topology.partner.machines}
    if computers & {*given.after_sign_in} or (isinstance(when, Registration) and when.by.rstrip("$") in computers):
        yield Need.COMPUTER_PASSWORDS


def _is_another_client(request: Request) -> bool:
    """Whether what asks is not the browser that comes with Windows, under its own policies."""
    asks = request.client
    return (asks.basic or asks.program is not Program.BROWSER or bool(asks.encryption_types)
            or not (asks.honour_ok_as_delegate and asks.channel_binding and asks.ntlm))


def _needs_of_front_ends(given: Given, when: Request, topology: Topology) -> Iterator[Need]:
    """What not every kind of front end is able to do."""
    front_ends = [given.front_ends.get(each, FrontEnd()) for each in topology.of(Role.FRONT_END)]
    sites = [site for each in front_ends for site in each.sites.values()]
    applications = [each for site in sites for each in site.applications.values()]
    windows = [each.windowsAuthentication for each in sites]
    windows += [each.windowsAuthentication for each in applications if each.windowsAuthentication]
    basic = [each.basicAuthentication for each in sites]
    basic += [each.basicAuthentication for each in applications if each.basicAuthentication]
    if any(each.enabled for each in basic):
        yield Need.BASIC
    if any(each.enabled and set(each.providers) <= {Provider.NTLM} for each in windows):
        yield Need.NTLM
    if any(_shares_ports(each) for each in front_ends):
        yield Need.PORT_SHARING
    if any(_is_identity_of_asp(one, site) for site in sites for one in site.applications.values()):
        yield Need.ASP_IDENTITY
    if any(max(_pools(each).values(), default=0) > 1 for each in front_ends):
        yield Need.SHARED_POOL
    if when.act_as:
        yield Need.ACT_AS
    if when.client.program is Program.DOTNET:
        yield Need.DOTNET


def _is_identity_of_asp(application: Application, site: Site) -> bool:
    """Whether a thread is somebody whom only ASP.NET's own impersonation makes it."""
    anonymous = application.anonymousAuthentication or site.anonymousAuthentication
    return not isinstance(application.impersonate, bool) or (application.impersonate and anonymous.enabled)


def _pools(front_end: FrontEnd) -> Counter[str]:
    """How many applications each pool has."""
    return Counter(one.applicationPool for site in front_end.sites.values() for one in site.applications.values())


def _shares_ports(front_end: FrontEnd) -> bool:
    """Whether sites on one port are served by processes of different accounts, or with different keys."""
    by_port: dict[int, set[tuple[str, str]]] = {}
    with suppress(KeyError, ValueError):  # a pool or a binding that is none, which `check` refuses by its name
        for each in served(front_end):
            by_port.setdefault(each.binding.port, set()).add((each.opens_as, each.runs_as))
    return any(len(each) > 1 for each in by_port.values())
