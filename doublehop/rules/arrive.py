"""Hop 1: a browser asks for a page, and what the server takes its user for."""

from dataclasses import dataclass, replace

from doublehop.frontend import Provider
from doublehop.model import Expect, Request, RestrictNtlm, Scheme
from doublehop.rules import channel, hop1, kdc, server
from doublehop.rules.asked import Asked
from doublehop.rules.carried import Caller, Ticket
from doublehop.rules.world import PORTS, Place, Url

HTTP_CLASS = "HTTP"
UNAUTHORIZED = 401
NO_KDC = "NO_KDC_REACHABLE"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What hop 1 came to, and for a page that is served, who it is served to."""

    expect: Expect
    caller: Caller | None = None


@dataclass(frozen=True, slots=True)
class Browser:
    """One user's browser at one URL that a site serves."""

    asked: Asked
    request: Request
    url: Url
    place: Place

    def arrives(self) -> Arrival:
        """Hop 1, until something ends it or the user is known."""
        arrival = self._unprompted()
        if arrival.expect.status != UNAUTHORIZED or not self.place.basic.enabled:
            return arrival
        return self._by_password(arrival.expect)

    def _unprompted(self) -> Arrival:
        """What the browser does without asking anybody."""
        spn = self._spn()
        answer = self._challenge(spn)
        if answer == "anonymous":
            return Arrival(Expect(status=200, scheme=Scheme.ANONYMOUS, offers=(), handshakes=0), Caller())
        refused = Expect(status=401, offers=self._offers())
        if answer == "refused":
            return Arrival(replace(refused, handshakes=0))
        if answer == "no ticket":
            return self._without_ticket("not asked", replace(refused, handshakes=0))
        return self._with_ticket(spn, replace(refused, spn=spn))

    def _spn(self) -> str:
        """What the browser would ask for; nothing when it has no name for it."""
        client, world, host = self.request.client, self.asked.world, self.url.host
        name = self.asked.decide(hop1.NAME, {
            "kind": world.kind_of(host), "in hosts file": world.in_hosts_file(host),
            "canonicalise": client.canonicalise,
        })
        if name == "none":
            return ""
        host = world.canonical(host) if name == "canonical" else host
        port = self.asked.decide(hop1.PORT, {
            "default port": self.url.port in {80, 443}, "port in SPN": client.port_in_spn,
        })
        return f"{HTTP_CLASS}/{host}" + (f":{self.url.port}" if port == "with" else "")

    def _challenge(self, spn: str) -> str:
        client, windows = self.request.client, self.place.windows
        return self.asked.decide(hop1.CHALLENGE, {
            "anonymous": self.place.anonymous.enabled, "windows": windows.enabled,
            "negotiate": any(each is not Provider.NTLM for each in windows.providers),
            "integrated": client.integrated, "silent zone": client.zone != "internet", "SPN": bool(spn),
        })

    def _with_ticket(self, spn: str, refused: Expect) -> Arrival:
        user = self.request.user
        problem, why, ticket = self._ticket(spn)
        if ticket is None:
            return self._without_ticket(why, replace(refused, kdc=problem, handshakes=0))
        refused = replace(refused, encryption=ticket.sealed, session_key=ticket.session,
                          ticket_flags=self._flags(ticket.owner))
        has_tgt = server.forwarded(self.asked, user, ticket.owner, machine=kdc.client(self.asked.world), has_tgt=True,
                                   looks=self.request.client.honour_ok_as_delegate, asks=self.request.client.delegate)
        if server.is_too_long(self.asked, self.place, user, ticket.owner, forwarded=has_tgt):
            return Arrival(replace(refused, status=400))
        key, opener = server.key_of(self.asked, self.place)
        problem = server.opens(self.asked, key, opener, ticket) or kdc.untimely(
            self.asked, kdc.client(self.asked.world), self.place.machine) or self._unbound()
        if problem:
            return Arrival(replace(refused, error=problem))
        return self._in(Caller(user, has_tgt, opener), Scheme.KERBEROS, refused)

    def _ticket(self, spn: str) -> tuple[str, str, Ticket | None]:
        """The KDC's error with what the browser takes it for, or the ticket."""
        asked, user = self.asked, self.request.user
        problem = kdc.not_referred(asked, user, self.request.client)
        if problem:
            return problem, "another error", None
        unheard = kdc.unheard(asked, kdc.client(asked.world))
        if unheard:
            return unheard, "no KDC" if unheard == NO_KDC else "another error", None
        where, owner = asked.world.found(spn)
        answer = asked.decide(hop1.TICKET, {"found": where})
        if answer != "issued":
            return answer, "unknown SPN", None
        problem, sealed = kdc.seal(asked, owner)
        session = None
        if not problem:
            problem, session = kdc.session_key(asked, owner, self.request.client)
        problem = problem or kdc.problem_of_holder(asked, user, s4u=False)
        return problem, "another error", None if problem else Ticket(owner, sealed, session)

    def _flags(self, owner: str) -> tuple[str, ...]:
        """What klist shows of the ticket."""
        world, user = self.asked.world, self.request.user
        facts, service = world.facts(user), world.facts(owner)
        return tuple(self.asked.decide(hop1.KLIST, {
            "kept back": facts.account_not_delegated or facts.protected_user or service.account_not_delegated,
            "owner trusted": service.trusted_for_delegation, "trusted forest": world.beyond(user),
        }).split())

    def _without_ticket(self, why: str, refused: Expect) -> Arrival:
        """What NTLM comes to where it is tried; `refused` is the end where it is not."""
        client, providers, user = self.request.client, self.place.windows.providers, self.request.user
        answer = self.asked.decide(hop1.NTLM, {
            "client": client.ntlm, "ticket": why,
            "inside Negotiate": client.integrated and any(each is not Provider.NTLM for each in providers),
            "Negotiate": Provider.Negotiate in providers, "NTLM": Provider.NTLM in providers,
            "DC reachable": kdc.reaches(self.asked.world, self.place.machine),
            "protected": self.asked.world.facts(user).protected_user, "state": self.asked.world.state(user),
            "bound": not self._unbound(ntlm=True),
            "domain": self.asked.world.given.restrict_ntlm_in_this_domain is RestrictNtlm.DISABLE,
        })
        if answer == "refused":
            return Arrival(refused)
        if answer != "NTLM":
            return Arrival(replace(refused, error=answer, handshakes=None))
        _, opener = server.key_of(self.asked, self.place)
        return self._in(Caller(user, opened_by=opener, ticketless=True), Scheme.NTLM, refused)

    def _in(self, caller: Caller, scheme: Scheme, refused: Expect) -> Arrival:
        times = self.request.times
        return Arrival(replace(refused, status=200, scheme=scheme, user=caller.user,
                               handshakes=1 if self.is_kept(scheme) else times,
                               offers=refused.offers if times == 1 else None), caller)

    def is_kept(self, scheme: str) -> bool:
        """Whether the connection stays this user's after a request; a password goes with each of them."""
        if scheme == Scheme.BASIC:
            return False
        return self.asked.decide(hop1.PERSIST, {
            "single request": self.place.windows.authPersistSingleRequest, "NTLM": scheme == Scheme.NTLM,
            "persist": self.place.windows.authPersistNonNTLM}) == "once"

    def _by_password(self, refused: Expect) -> Arrival:
        """What Basic comes to where all else was refused."""
        user, world = self.request.user, self.asked.world
        answer = self.asked.decide(channel.BASIC, {
            "typed": self.request.client.basic, "KDC": kdc.hears(world, self.place.machine),
            "state": world.state(user), "old": world.old_key(user)})
        if answer == "refused":
            return Arrival(refused)
        if answer != "Basic":
            return Arrival(replace(refused, error=answer, handshakes=None))
        kept = self.asked.decide(channel.LOGON, {"logonMethod": str(self.place.basic.logonMethod)})
        ticketless = kept == "a name"
        opener = server.key_of(self.asked, self.place)[1] if ticketless else ""
        handshakes = None if refused.handshakes is None else refused.handshakes + self.request.times
        return Arrival(replace(refused, status=200, scheme=Scheme.BASIC, user=user, error="", handshakes=handshakes),
                       Caller(user, not ticketless, opener, ticketless=ticketless))

    def _unbound(self, *, ntlm: bool = False) -> str:
        """Why the site takes no token with the binding that this browser's would have, or nothing."""
        if not self.place.secure:
            return ""
        bound = self.asked.decide(channel.BIND, {
            "NTLM": ntlm, "client binds": self.request.client.channel_binding, "proxy": self.place.proxy is not None})
        answer = self.asked.decide(channel.PROTECTION, {
            "tokenChecking": str(self.place.windows.extendedProtection.tokenChecking), "bound": bound})
        return "" if answer == "taken" else answer

    def _offers(self) -> tuple[str, ...]:
        place, url = self.place, self.url
        windows = ["NTLM" if each is Provider.NTLM else "Negotiate" for each in place.windows.providers]
        port = "" if url.port == PORTS.get(url.scheme) else f":{url.port}"
        return (*(windows if place.windows.enabled else ()),
                *([f'Basic realm="{url.host}{port}"'] if place.basic.enabled else ()))
