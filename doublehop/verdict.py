"""Compares what every hop saw with what should have been seen. Pure.

Each field is compared on its own, so that one fault shows at every hop it reaches. A back end's answer
counts only together with the KDC's own line for its ticket: a 200 is no proof of a second hop.
"""

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from doublehop.kdclog import UNNAMED
from doublehop.model import (
    BackEndSaw,
    ClientSaw,
    Difference,
    Expect,
    FrontEndSaw,
    KdcLine,
    Observation,
    Role,
    Scheme,
    Verdict,
    VerdictKind,
)
from doublehop.scope import Scope, referral_to

BACK_END_SERVICES = {"sql": "MSSQLSvc/", "partner-sql": "MSSQLSvc/"}
"""The service class of each database; a page among the back ends has the SPN of the host in its URL."""
BEYOND = {"partner-sql"}
"""Those of the partner's domain: who has no ticket of that domain's KDC asks the own KDC for one to it first."""
ANONYMOUS = "ANONYMOUS"
"""Whom a page among the back ends saw that was asked in nobody's name."""
NOTHING = "nothing"
TOKENS = {Scheme.KERBEROS: ("YII", range(1000, 1 << 20)), Scheme.NTLM: ("TlRM", range(1400))}
"""How a token begins in the header, and its sizes there: how to tell the two without opening it (row E-23)."""


def judge(expect: Expect, observation: Observation, scope: Scope) -> Verdict:
    """Agreed when nothing differs, disagreed with every difference otherwise."""
    differences = tuple(_differences(expect, observation, scope))
    kind = VerdictKind.DISAGREED if differences else VerdictKind.AGREED
    return Verdict(kind=kind, differences=differences)


def _differences(expect: Expect, observation: Observation, scope: Scope) -> Iterator[Difference]:
    yield from _compare("directory", "result", expect.directory, observation.directory)
    if expect.directory:
        return
    yield from _compare("client", "asks", expect.unasked, observation.client.unasked)
    if expect.unasked:
        return
    yield from _client(expect, observation, scope)
    yield from _front_end(expect, observation.front_end or FrontEndSaw(), scope)
    for name in sorted({*expect.sees, *expect.fails, *observation.back_ends}):
        yield from _back_end(name, expect, observation, scope)


def _compare(hop: str, field: str, expected: object, observed: object) -> Iterator[Difference]:
    if expected != observed:
        yield Difference(hop=hop, field=field, expected=_shown(expected), observed=_shown(observed))


def _shown(value: object) -> str:
    return NOTHING if value in ("", (), None) else ", ".join(value) if isinstance(value, tuple) else str(value)


def _client(expect: Expect, observation: Observation, scope: Scope) -> Iterator[Difference]:
    saw = observation.client
    spn = scope.fill(expect.spn)
    yield from _compare("client", "spn", spn.lower(), saw.spn.lower())
    yield from _compare("client", "error", expect.kdc, saw.error)
    yield from _compare("client", "status", expect.status, saw.status)
    if expect.offers is not None:
        yield from _compare("client", "offers", tuple(map(scope.fill, expect.offers)), saw.offers)
    if expect.handshakes is not None:
        yield from _compare("client", "handshakes", expect.handshakes, saw.handshakes)
    if expect.http is not None:
        yield from _compare("client", "http", expect.http, saw.http)
    if expect.session_key is not None:
        yield from _compare("client", "session key", expect.session_key, saw.session_key)
    if expect.ticket_flags is not None:
        yield from _compare("client", "ticket flags", expect.ticket_flags, saw.ticket_flags)
    if expect.scheme in TOKENS and saw.token:
        yield from _compare("client", "token", expect.scheme, told_by_its_token(saw))
    if spn and scope.client_reaches_dc:
        refused = _refused_referral(scope.topology.realm, observation.kdc)
        line = _line_for(spn, expect.kdc, observation.kdc) or refused or _unread(observation.kdc)
        answer = _answer(line)
        yield from _compare("KDC", f"answer for {spn}", expect.kdc or "issued",
                            saw.error if answer == UNNAMED and saw.error else answer)
        if expect.encryption is not None:
            yield from _compare("KDC", f"encryption of the ticket for {spn}", expect.encryption,
                                line.encryption if line else "")


def told_by_its_token(saw: ClientSaw) -> str:
    """The scheme that the client's token looks like on the wire, whatever the front end made of it."""
    found = [scheme for scheme, (start, sizes) in TOKENS.items()
             if saw.token.startswith(start) and saw.token_size in sizes]
    return found[0] if found else f"{saw.token}... of {saw.token_size} letters"


def _front_end(expect: Expect, saw: FrontEndSaw, scope: Scope) -> Iterator[Difference]:
    yield from _compare("front end", "error", expect.error, saw.error)
    yield from _compare("front end", "scheme", expect.scheme, saw.scheme)
    yield from _compare("front end", "user", expect.user, scope.label(saw.user))
    yield from _compare("front end", "level", expect.level, saw.level)
    if expect.thread is not None:
        yield from _compare("front end", "thread", expect.thread, scope.label(saw.thread))


def _back_end(name: str, expect: Expect, observation: Observation, scope: Scope) -> Iterator[Difference]:
    hop = f"back end {name}"
    saw = observation.back_ends.get(name, BackEndSaw())
    yield from _compare(hop, "identity", expect.sees.get(name, ""), scope.label(saw.identity))
    yield from _compare(hop, "error", expect.fails.get(name, ""), saw.error)
    service, error = service_of(name, scope), expect.refused.get(name) or expect.fails.get(name, "")
    if expect.sees.get(name) == ANONYMOUS:
        yield from _compare(hop, "scheme", "OTHER", saw.scheme)
    elif name in expect.sees:
        yield from _compare(hop, "scheme", "KERBEROS", saw.scheme)
        issued = [each for each in _tickets(service, observation.kdc) if not each.error]
        identities = {scope.label(each.impersonated or each.client) for each in issued}
        if expect.sees[name] not in identities:
            yield Difference(hop="KDC", field=f"ticket for {service}", expected=f"issued for {expect.sees[name]}",
                             observed=_shown(tuple(sorted(identities))))
    elif error.startswith("KDC_ERR_"):
        across = name.rpartition(".")[2] in BEYOND
        beyond = _refused_referral(scope.topology.partner.realm, observation.kdc) if across else None
        lines = [_line_for(service, error, observation.kdc), beyond, _ticket_to_itself(observation.kdc),
                 _refused_sign_in(error, observation.kdc, scope)]
        yield from _compare("KDC", f"answer for {service}", error, _answer(_told(error, lines)))


def service_of(name: str, scope: Scope) -> str:
    """What the KDC is asked for when a back end is: an SPN, or its class when it ends with a slash.

    Of a chain such as `api.sql` it is the last link's; each link before it is a back end of its own.
    """
    last = name.rpartition(".")[2]
    if last in scope.given.back_ends:
        return f"HTTP/{urlsplit(scope.page(last)).hostname}"
    across = scope.topology.across
    return BACK_END_SERVICES[last] + (across.fqdn(across.only(Role.BACK_END)) if last in BEYOND else "")


def _line_for(service: str, error: str, lines: tuple[KdcLine, ...]) -> KdcLine | None:
    """A ticket request for a service, the one that was answered so if there is one.

    Several may ask for one service: the links of a chain, and whoever asked just before. Of each the last word counts.
    """
    last = {(each.client, each.impersonated): each for each in _tickets(service, lines)}
    matching = [each for each in last.values() if each.error == error] or list(last.values())
    return matching[-1] if matching else None


def _told(error: str, lines: Sequence[KdcLine | None]) -> KdcLine | None:
    """The first of these answers that was so, or else the first that there is."""
    given = [each for each in lines if each is not None]
    return next((each for each in given if each.error == error), given[0] if given else None)


def _refused_referral(realm: str, lines: tuple[KdcLine, ...]) -> KdcLine | None:
    """The last refusal of a ticket that leads to another realm's KDC."""
    refused = [each for each in lines if each.kind == "TGS" and each.service == referral_to(realm) and each.error]
    return refused[-1] if refused else None


def _unread(lines: tuple[KdcLine, ...]) -> KdcLine | None:
    """The last ticket request that the KDC refused before it came to the service's name."""
    return next((each for each in reversed(lines) if each.kind == "TGS" and not each.service), None)


def _ticket_to_itself(lines: tuple[KdcLine, ...]) -> KdcLine | None:
    """The last request of an account for a ticket to itself (S4U2Self), which comes before any to a back end."""
    return next((each for each in reversed(lines) if each.kind == "TGS" and each.service == each.client), None)


def _refused_sign_in(error: str, lines: tuple[KdcLine, ...], scope: Scope) -> KdcLine | None:
    """The refusal of a service account's TGT that was just so: without a TGT it asks for nothing else."""
    return next((each for each in lines if each.kind == "AS" and each.error == error
                 and scope.label(each.client) in scope.given.accounts), None)


def _tickets(service: str, lines: tuple[KdcLine, ...]) -> list[KdcLine]:
    """The TGS requests for a service, or for any whose name starts so when it ends with a slash."""
    wanted = service.lower()
    return [each for each in lines if each.kind == "TGS" and (
        each.service.lower() == wanted or (wanted.endswith("/") and each.service.lower().startswith(wanted)))]


def _answer(line: KdcLine | None) -> str:
    return "never asked" if line is None else line.error or "issued"
