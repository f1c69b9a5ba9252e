"""Hop 2 and those behind it: somebody goes out and asks back ends, of which a page asks its own in turn."""

from collections.abc import Iterable

from doublehop.model import Role
from doublehop.rules import hop2, kdc, page, server
from doublehop.rules.asked import Asked
from doublehop.rules.carried import Caller, Leaving, Ticket, Told
from doublehop.rules.world import Place, Url, url_at
from doublehop.verdict import ANONYMOUS, BACK_END_SERVICES, BEYOND


def ask_all(asked: Asked, names: Iterable[str], leaving: Leaving) -> dict[str, Told]:
    """What comes of each back end that is asked; `api.sql` is the page `api` and its own back end `sql`."""
    behind: dict[str, list[str]] = {}
    for each in names:
        first, _, rest = each.partition(".")
        behind.setdefault(first, []).extend([rest] if rest else [])
    if leaving.refused:
        return {name: Told(problem=leaving.refused) for name in behind}
    return {f"{name}{link}": told for name, rest in behind.items()
            for link, told in _ask(asked, name, rest, leaving).items()}


def _ask(asked: Asked, name: str, behind: list[str], leaving: Leaving) -> dict[str, Told]:
    scope = asked.world.scope
    if name in scope.given.back_ends:
        return _page(asked, url_at(scope.page(name)), behind, leaving)
    domain = scope.topology.across if name in BEYOND else scope.topology
    machine = domain.only(Role.BACK_END)
    problem, ticket = _ticket(asked, f"{BACK_END_SERVICES[name]}{domain.fqdn(machine)}", leaving,
                              beyond=machine if name in BEYOND else "")
    if ticket is None:
        return {"": Told(problem=problem)}
    entered = asked.decide(hop2.LOGIN, {
        "same account": asked.world.same(ticket.owner, machine),
        "type held": kdc.holds_key(asked.world, machine, ticket.sealed), "old": asked.world.old_key(ticket.owner),
        "login": asked.world.facts(leaving.account).sql_login})
    return {"": Told(account=leaving.account) if entered == "let in" else Told(problem=entered)}


def _ticket(asked: Asked, spn: str, leaving: Leaving, *, beyond: str = "") -> tuple[str, Ticket | None]:
    """Why there is no ticket for a back end, or the ticket; `beyond` is the machine if it is of the other domain."""
    where, owner = ("exact", beyond) if beyond else asked.world.found(spn)
    at_home = bool(beyond) and leaving.credentials == "TGT" and asked.world.beyond(leaving.account)
    problem = (kdc.unheard(asked, leaving.machine, beyond=at_home) if leaving.credentials != "none" else "") or _unless(
        "found", asked.decide(hop2.SERVICE, {"credentials": leaving.credentials, "found": where}))
    if problem:
        return problem, None
    problem, sealed = kdc.seal(asked, owner)
    holder = leaving.asking or leaving.account
    problem = problem or kdc.problem_of_holder(asked, holder, s4u=bool(leaving.asking)) or _delegate(
        asked, spn, owner, leaving, across=bool(beyond))
    if not problem and leaving.asking:
        problem = kdc.problem_of_subject(asked, leaving.account, to_itself=False)
    return problem, None if problem else Ticket(owner, sealed)


def _delegate(asked: Asked, spn: str, owner: str, leaving: Leaving, *, across: bool) -> str:
    """Why the KDC does not grant a back end's ticket, or nothing when it does."""
    world = asked.world
    listed = world.facts(leaving.asking).allowed_to_delegate_to if leaving.asking else ()
    named = world.facts(owner).principals_allowed_to_delegate_to_account if leaving.asking else ()
    return _unless("issued", asked.decide(hop2.DELEGATE, {
        "credentials": leaving.credentials, "evidence": leaving.evidence,
        "listed": spn.lower() in [world.scope.fill(each).lower() for each in listed],
        "named": any(world.same(each, leaving.asking) for each in named),
        "across": across,
    }))


def _unless(well: str, answer: str) -> str:
    return "" if answer == well else answer


def _page(asked: Asked, url: Url, behind: list[str], leaving: Leaving) -> dict[str, Told]:
    """Ask a page with a ticket that goes along at once, then have it ask whatever is behind it."""
    place = asked.world.place(url, from_client=False)
    if asked.decide(hop2.CALLING, {"anonymous": place is not None and place.anonymous.enabled}) == "no":
        return _served(asked, place, Caller(), behind)
    problem, ticket = _ticket(asked, f"HTTP/{url.host}", leaving)
    if ticket is None:
        return {"": Told(problem=problem)}
    has_tgt = server.forwarded(asked, leaving.account, ticket.owner, machine=leaving.machine,
                               has_tgt=leaving.credentials == "TGT", looks=True,
                               asks=asked.decide(hop2.HANDED, {}) == "yes")
    problem, opener = _problem_of_page(asked, place, ticket, leaving, forwarded=has_tgt)
    if problem:
        return {"": Told(problem=problem)}
    return _served(asked, place, Caller(leaving.account, has_tgt, opener), behind)


def _served(asked: Asked, place: Place | None, caller: Caller, behind: list[str]) -> dict[str, Told]:
    """What a page says that was reached: whom it saw, and what its own back ends saw."""
    onward = page.leaving(asked, place, caller) if behind and place else Leaving("", "")
    return {"": Told(account=caller.user or ANONYMOUS)} | {
        f".{name}": told for name, told in ask_all(asked, behind, onward).items()}


def _problem_of_page(asked: Asked, place: Place | None, ticket: Ticket, leaving: Leaving, *,
                     forwarded: bool) -> tuple[str, str]:
    """Why a page does not take a caller's ticket, or nothing, and which account opens it."""
    if place is not None and server.is_too_long(asked, place, leaving.account, ticket.owner, forwarded=forwarded):
        return "HTTP_400", ""
    if not server.is_served(asked, place) or place is None:
        return "HTTP_404", ""
    problem = server.takes(asked, place)
    if problem:
        return problem, ""
    key, opener = server.key_of(asked, place)
    return server.opens(asked, key, opener, ticket) or kdc.untimely(asked, leaving.machine, place.machine), opener
