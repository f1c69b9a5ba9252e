"""From a configuration and a request to what every hop should see, with the row of each table that decided.

Total over what `not_ruled_yet` has nothing against: there, whatever the catalogue's reader admits has a prediction.
It reads a scenario's given and when, never what the scenario expects.
"""

from dataclasses import dataclass, replace

from doublehop.frontend import ImpersonateAs, Pool, PoolIdentity, Provider
from doublehop.model import Expect, Level, Program, Registration, Request, RestrictNtlm, Role, Scenario, Scheme
from doublehop.rules import hop1, hop2, registration
from doublehop.rules.asked import Asked, Prediction
from doublehop.rules.table import SAMBA
from doublehop.rules.world import Place, Url, World, url_of
from doublehop.scope import Scope, scope_of
from doublehop.topology import Topology
from doublehop.verdict import BACK_END_SERVICES, BEYOND

HTTP_CLASS = "HTTP"
NO_KDC = "NO_KDC_REACHABLE"


def predict(scenario: Scenario, topology: Topology, platform: str = SAMBA) -> Prediction:
    """What a scenario's configuration and request come to on a platform."""
    scope = scope_of(scenario.id, scenario.given, topology)
    match scenario.when:
        case Registration() as registering:
            return registration.predict(registering, Asked(World(scope), platform))
        case Request() as request:
            return _Prophet(request, scope, Asked(World(scope), platform)).predict()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who was authenticated on hop 1: with their TGT or not, by which account. `user` is empty for nobody."""

    user: str = ""
    forwarded: bool = False
    opened_by: str = ""
    by_ntlm: bool = False


@dataclass(frozen=True, slots=True)
class Leaving:
    """Who goes out on hop 2: as whom, on which credentials, and which account asks the KDC for them.

    `refused` is why nobody could go out at all.
    """

    thread: str
    account: str = ""
    credentials: str = "none"
    asking: str = ""
    evidence: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class _Prophet:
    """One request on its way through both hops."""

    request: Request
    scope: Scope
    asked: Asked

    @property
    def world(self) -> World:
        return self.asked.world

    def predict(self) -> Prediction:
        """Hop by hop, until one ends it."""
        url = url_of(self.request, self.scope)
        found = self.asked.decide(hop1.FIND, {"record": self.world.resolves(url)})
        if found != "found":
            return self.asked.ends(Expect(unasked=found))
        place = self.world.place(url)
        if self.asked.decide(hop1.SITE, {"application": place is not None}) != "served" or place is None:
            return self.asked.ends(Expect(status=404, offers=(), handshakes=0, http=self._http))
        spn = self._spn(url)
        answer = self._challenge(place, spn)
        if answer == "anonymous":
            return self.asked.ends(self._page(place, Caller(), Expect(
                status=200, scheme=Scheme.ANONYMOUS, offers=(), handshakes=0, http=self._http)))
        refused = Expect(status=401, offers=_offers(place), http=self._http)
        if answer == "refused":
            return self.asked.ends(replace(refused, handshakes=0))
        if answer == "no ticket":
            return self.asked.ends(self._without_ticket("not asked", place, replace(refused, handshakes=0)))
        return self.asked.ends(self._with_ticket(spn, place, replace(refused, spn=spn)))

    @property
    def _http(self) -> str | None:
        """HTTP/2 is answered in HTTP/1.1 (row B-30); others are not asked about it."""
        return "1.1" if self.request.http2 else None

    def _spn(self, url: Url) -> str:
        """What the browser would ask for; nothing when it has no name for it."""
        client = self.request.client
        name = self.asked.decide(hop1.NAME, {
            "kind": self.world.kind_of(url.host), "in hosts file": self.world.in_hosts_file(url.host),
            "canonicalise": client.canonicalise,
        })
        if name == "none":
            return ""
        host = self.world.canonical(url.host) if name == "canonical" else url.host
        port = self.asked.decide(hop1.PORT, {
            "default port": url.port in {80, 443}, "port in SPN": client.port_in_spn,
        })
        return f"{HTTP_CLASS}/{host}" + (f":{url.port}" if port == "with" else "")

    def _challenge(self, place: Place, spn: str) -> str:
        client, windows = self.request.client, place.windows
        return self.asked.decide(hop1.CHALLENGE, {
            "anonymous": place.anonymous.enabled, "windows": windows.enabled,
            "negotiate": any(each is not Provider.NTLM for each in windows.providers),
            "integrated": client.integrated, "silent zone": client.zone != "internet", "SPN": bool(spn),
        })

    def _with_ticket(self, spn: str, place: Place, refused: Expect) -> Expect:
        where, owner = self.world.found(spn)
        answer = self.asked.decide(hop1.TICKET, {
            "KDC reachable": self.scope.client_reaches_dc, "found": where})
        if answer != "issued":
            why = "no KDC" if answer == NO_KDC else "refused"
            return self._without_ticket(why, place, replace(refused, kdc=answer, handshakes=0))
        refused = replace(refused, ticket_flags=self._flags(owner))
        key, opener = self._key(place)
        opened = self.asked.decide(hop1.OPEN, {
            "key": key, "same account": bool(opener) and self.world.same(opener, owner)})
        if opened != "opened":
            return replace(refused, error=opened)
        user = self.request.user
        forwarded = self.asked.decide(hop1.FORWARD, {
            "sensitive": self.world.facts(user).account_not_delegated,
            "protected": self.world.facts(user).protected_user,
            "owner trusted": self.world.facts(owner).trusted_for_delegation,
            "client looks": self.request.client.honour_ok_as_delegate, "asks": self.request.client.delegate,
            "trusted forest": self.world.beyond(user),
        }) == "forwarded"
        return self._page(place, Caller(user, forwarded, opener), replace(
            refused, status=200, scheme=Scheme.KERBEROS, user=user, handshakes=self._handshakes(place),
            offers=refused.offers if self.request.times == 1 else None))

    def _flags(self, owner: str) -> tuple[str, ...]:
        user = self.world.facts(self.request.user)
        return tuple(self.asked.decide(hop1.KLIST, {
            "kept back": user.account_not_delegated or user.protected_user,
            "owner trusted": self.world.facts(owner).trusted_for_delegation,
        }).split())

    def _key(self, place: Place) -> tuple[str, str]:
        """Whose logon session takes callers in: of the computer, the pool or nobody, and that account's label."""
        key = self.asked.decide(hop1.KEY, {
            "identity": _identity(place.pool), "kernel mode": place.windows.useKernelMode,
            "app pool credentials": place.windows.useAppPoolCredentials,
        })
        return key, {"computer": place.machine, "pool": _pool_account(place), "nobody": ""}[key]

    def _without_ticket(self, why: str, place: Place, refused: Expect) -> Expect:
        """What NTLM comes to where it is tried; `refused` is the end where it is not."""
        client, providers, user = self.request.client, place.windows.providers, self.request.user
        answer = self.asked.decide(hop1.NTLM, {
            "client": client.ntlm, "ticket": why,
            "inside Negotiate": client.integrated and any(each is not Provider.NTLM for each in providers),
            "Negotiate": Provider.Negotiate in providers, "NTLM": Provider.NTLM in providers,
            "protected": self.world.facts(user).protected_user,
            "domain": self.scope.given.restrict_ntlm_in_this_domain is RestrictNtlm.DISABLE,
        })
        if answer == "refused":
            return refused
        if answer != "NTLM":
            return replace(refused, error=answer, handshakes=None)
        _, opener = self._key(place)
        return self._page(place, Caller(user, opened_by=opener, by_ntlm=True), replace(
            refused, status=200, scheme=Scheme.NTLM, user=user, handshakes=self._handshakes(place, by_ntlm=True),
            offers=refused.offers if self.request.times == 1 else None))

    def _handshakes(self, place: Place, *, by_ntlm: bool = False) -> int:
        kept = self.asked.decide(hop1.PERSIST, {
            "single request": place.windows.authPersistSingleRequest, "NTLM": by_ntlm,
            "persist": place.windows.authPersistNonNTLM})
        return 1 if kept == "once" else self.request.times

    def _page(self, place: Place, caller: Caller, expect: Expect) -> Expect:
        """What the page says of itself and of each back end it asks; curl's probe counts neither legs nor offers."""
        leaving = self._leaving(place, caller)
        told = {each: self._back_end(each, leaving) for each in self.request.back_ends}
        left = leaving.thread == caller.user and leaving.asking == caller.opened_by and not self.request.act_as
        seen = any(problem == "" for problem in told.values())
        level = Level.DELEGATE if caller.forwarded or (left and seen and bool(leaving.asking)) else Level.IMPERSONATE
        by_curl = self.request.http2 or self.request.client.program is Program.CURL
        counted = replace(expect, handshakes=None, offers=None) if by_curl else expect
        return replace(
            counted, level=level if caller.user else "", thread=self._label(leaving.thread),
            sees={name: self._label(leaving.account) for name, problem in told.items() if not problem},
            fails={name: problem for name, problem in told.items() if problem},
        )

    def _leaving(self, place: Place, caller: Caller) -> Leaving:
        impersonate, act_as, pool = place.application.impersonate, self.request.act_as, _pool_account(place)
        fixed = impersonate.userName if isinstance(impersonate, ImpersonateAs) else ""
        who = self.asked.decide(hop2.THREAD, {
            "acts as": bool(act_as), "impersonate": "fixed" if fixed else "caller" if impersonate else "no",
            "anonymous": not caller.user, "TGT": caller.forwarded, "NTLM": caller.by_ntlm,
            "identity": _identity(place.pool),
        })
        signed_in = {"the fixed account": fixed, "the caller": caller.user, "the pool's identity": pool}
        if who in signed_in:
            return Leaving(signed_in[who], signed_in[who], "TGT")
        match who:
            case "the named user, by S4U2Self":
                return self._transition(act_as, pool)
            case "the caller, by S4U2Self":
                made = self._transition(caller.user, caller.opened_by)
                return Leaving(caller.user, caller.user) if made.refused else made  # the page goes on without
            case "the caller, by S4U2Proxy":
                asking = caller.opened_by
                return Leaving(caller.user, caller.user, "proxy", asking, self._evidence(caller.user, asking))
        return Leaving(act_as or ("IUSR" if impersonate else ""))

    def _transition(self, user: str, pool: str) -> Leaving:
        answer = self.asked.decide(hop2.SELF, {
            "has an SPN": bool(pool) and any(self.world.same(label, pool) for label, _ in self.world.registered()),
            "itself": bool(pool) and self.world.same(user, pool), "trusted forest": self.world.beyond(user),
        })
        if answer != "issued":
            return Leaving(user, user, refused=answer)
        return Leaving(user, user, "proxy", pool, self._evidence(user, pool, made=True))

    def _evidence(self, user: str, asking: str, *, made: bool = False) -> str:
        whose, asker = self.world.facts(user), self.world.facts(asking)
        return self.asked.decide(hop2.EVIDENCE, {
            "sensitive": whose.account_not_delegated, "protected": whose.protected_user, "S4U2Self": made,
            "trusted to authenticate": asker.trusted_to_auth_for_delegation,
            "empty list": not asker.allowed_to_delegate_to,
        })

    def _back_end(self, name: str, leaving: Leaving) -> str:
        """Why a back end does not see whoever goes out, or nothing when it does."""
        if leaving.refused:
            return leaving.refused
        domain = self.scope.topology.across if name in BEYOND else self.scope.topology
        machine = domain.only(Role.BACK_END)
        spn = f"{BACK_END_SERVICES[name]}{domain.fqdn(machine)}"
        where, owner = ("exact", machine) if name in BEYOND else self.world.found(spn)
        listed = self.world.facts(leaving.asking).allowed_to_delegate_to if leaving.asking else ()
        named = self.world.facts(owner).principals_allowed_to_delegate_to_account if owner and leaving.asking else ()
        answer = self.asked.decide(hop2.SERVICE, {
            "credentials": leaving.credentials, "found": where, "evidence": leaving.evidence,
            "listed": spn.lower() in [self.scope.fill(each).lower() for each in listed],
            "named": any(self.world.same(each, leaving.asking) for each in named), "across": name in BEYOND,
        })
        if answer != "issued":
            return answer
        entered = self.asked.decide(hop2.LOGIN, {
            "same account": self.world.same(owner, machine), "login": self.world.facts(leaving.account).sql_login})
        return "" if entered == "let in" else entered

    def _label(self, account: str) -> str:
        """An account as the catalogue writes it: machines with their `$`."""
        plain = account.rstrip("$")
        return f"{plain}$" if plain in self.scope.topology.machines else account


def _offers(place: Place) -> tuple[str, ...]:
    if not place.windows.enabled:
        return ()
    return tuple("NTLM" if each is Provider.NTLM else "Negotiate" for each in place.windows.providers)


def _identity(pool: Pool) -> str:
    if pool.identityType.is_machine:
        return "machine"
    return "domain account" if pool.identityType is PoolIdentity.SpecificUser else "LocalService"


def _pool_account(place: Place) -> str:
    """The label of whoever a worker process is on the network; nothing for LocalService."""
    return {"machine": place.machine, "domain account": place.pool.userName, "LocalService": ""}[_identity(place.pool)]
