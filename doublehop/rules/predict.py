"""From a configuration and a request to what every hop should see, with the row of each table that decided.

Total: whatever the catalogue's reader admits has a prediction. It reads a scenario's given and when, never what the
scenario expects. The way of a request: `arrive` (hop 1), `page` (who goes out), `leave` (hop 2, and on from there).
"""

from dataclasses import replace

from doublehop.model import Expect, Level, Program, Registration, Request, Scenario
from doublehop.rules import channel, hop1, leave, page, registration, server
from doublehop.rules.arrive import Arrival, Browser
from doublehop.rules.asked import Asked, Prediction
from doublehop.rules.carried import Caller
from doublehop.rules.table import SAMBA
from doublehop.rules.world import Place, Url, World, url_of
from doublehop.scope import scope_of
from doublehop.topology import Topology


def predict(scenario: Scenario, topology: Topology, platform: str = SAMBA, *others: str) -> Prediction:
    """What a scenario's configuration and request come to on a platform; `others` are programs whose rows count too."""
    asked = Asked(World(scope_of(scenario.id, scenario.given, topology)), (platform, *others))
    match scenario.when:
        case Registration() as registering:
            return registration.predict(registering, asked)
        case Request() as request:
            expect = _asked_for(asked, request)
            if request.client.program is not Program.BROWSER:
                expect = replace(expect, handshakes=None, offers=None)
            # HTTP/2 is answered in HTTP/1.1 (row B-30); others are not asked about it.
            return asked.ends(replace(expect, http="1.1" if request.client.http2 else None))


def _asked_for(asked: Asked, request: Request) -> Expect:
    """Hop by hop, until one ends it."""
    url = url_of(request, asked.world.scope)
    found = asked.decide(hop1.FIND, {"record": asked.world.resolves(url)})
    if found != "found":
        return Expect(unasked=found)
    place = asked.world.place(url)
    if not server.is_served(asked, place) or place is None:
        return Expect(status=404, offers=(), handshakes=0)
    arrival = _on_anothers_connection(asked, request, url, place) or Browser(asked, request, url, place).arrives()
    return arrival.expect if arrival.caller is None else _told(asked, request, place, arrival.caller, arrival.expect)


def _on_anothers_connection(asked: Asked, request: Request, url: Url, place: Place) -> Arrival | None:
    """What comes of a request on a connection that a proxy shares, if the server takes it for the one before's."""
    if not request.after:
        return None
    before = Browser(Asked(asked.world, asked.platforms), replace(request, user=request.after), url, place)
    arrival = before.arrives()
    kept = arrival.caller is not None and bool(arrival.caller.user) and before.is_kept(arrival.expect.scheme)
    shared = place.proxy is not None and not place.proxy.connection_affinity
    whose = asked.decide(channel.CONNECTION, {"shared": shared, "kept": kept})
    if whose != "the one before's":
        return None
    return replace(arrival, expect=replace(arrival.expect, spn="", kdc="", offers=(), handshakes=0, encryption=None,
                                           session_key=None, ticket_flags=None))


def _told(asked: Asked, request: Request, place: Place, caller: Caller, expect: Expect) -> Expect:
    """What the page says of itself and of each back end it asks."""
    leaving = page.leaving(asked, place, caller, request.act_as)
    told = leave.ask_all(asked, request.back_ends, leaving)
    left = leaving.thread == caller.user and leaving.asking == caller.opened_by and not request.act_as
    seen = any(not each.problem for each in told.values())
    level = Level.DELEGATE if caller.has_tgt or (left and seen and bool(leaving.asking)) else Level.IMPERSONATE
    return replace(
        expect, level=level if caller.user else "", thread=_label(asked, leaving.thread),
        sees={name: _label(asked, each.account) for name, each in told.items() if not each.problem},
        fails={name: each.problem for name, each in told.items() if each.problem},
    )


def _label(asked: Asked, account: str) -> str:
    """An account as the catalogue writes it: machines with their `$`."""
    plain = account.rstrip("$")
    return f"{plain}$" if plain in asked.world.scope.topology.machines else account
