"""Hop 2 and those behind it: somebody goes out and asks back ends, of which a page asks its own in turn."""

from collections.abc import Iterable

from doublehop.model import Role
from doublehop.rules import hop2, page, server
from doublehop.rules.asked import Asked
from doublehop.rules.carried import Caller, Leaving, Told
from doublehop.rules.world import Place, Url, url_at
from doublehop.verdict import BACK_END_SERVICES

ANONYMOUS = "ANONYMOUS"


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
    machine = scope.topology.only(Role.BACK_END)
    problem, owner = _ticket(asked, f"{BACK_END_SERVICES[name]}{scope.topology.fqdn(machine)}", leaving)
    if problem:
        return {"": Told(problem=problem)}
    entered = asked.decide(hop2.LOGIN, {
        "same account": asked.world.same(owner, machine),
        "login": asked.world.facts(leaving.account).sql_login})
    return {"": Told(account=leaving.account) if entered == "let in" else Told(problem=entered)}


def _ticket(asked: Asked, spn: str, leaving: Leaving) -> tuple[str, str]:
    """Why there is no ticket for a back end, and whose key it is sealed with when there is one."""
    world = asked.world
    where, owner = world.found(spn)
    listed = world.facts(leaving.asking).allowed_to_delegate_to if leaving.asking else ()
    named = world.facts(owner).principals_allowed_to_delegate_to_account if owner and leaving.asking else ()
    answer = asked.decide(hop2.SERVICE, {
        "credentials": leaving.credentials, "found": where, "evidence": leaving.evidence,
        "listed": spn.lower() in [world.scope.fill(each).lower() for each in listed],
        "named": any(world.same(each, leaving.asking) for each in named),
    })
    return ("" if answer == "issued" else answer), owner


def _page(asked: Asked, url: Url, behind: list[str], leaving: Leaving) -> dict[str, Told]:
    """Ask a page with a ticket that goes along at once, then have it ask whatever is behind it."""
    place = asked.world.place(url, from_client=False)
    if asked.decide(hop2.CALLING, {"anonymous": place is not None and place.anonymous.enabled}) == "no":
        return _served(asked, place, Caller(), behind)
    problem, owner = _ticket(asked, f"HTTP/{url.host}", leaving)
    if not problem and not server.is_served(asked, place):
        problem = "HTTP_404"
    if problem or place is None:
        return {"": Told(problem=problem)}
    problem = server.takes(asked, place)
    if not problem:
        key, opener = server.key_of(asked, place)
        problem = server.opens(asked, key, opener, owner)
    if problem:
        return {"": Told(problem=problem)}
    has_tgt = server.forwarded(asked, leaving.account, owner, has_tgt=leaving.credentials == "TGT", looks=True)
    return _served(asked, place, Caller(leaving.account, has_tgt, opener), behind)


def _served(asked: Asked, place: Place | None, caller: Caller, behind: list[str]) -> dict[str, Told]:
    """What a page says that was reached: whom it saw, and what its own back ends saw."""
    onward = page.leaving(asked, place, caller) if behind and place else Leaving("")
    return {"": Told(account=caller.user or ANONYMOUS)} | {
        f".{name}": told for name, told in ask_all(asked, behind, onward).items()}
