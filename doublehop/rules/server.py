"""What a web server makes of a ticket, whoever sends it: a browser on hop 1, or another server behind it."""

from doublehop.frontend import Provider
from doublehop.rules import hop1, hop2
from doublehop.rules.asked import Asked
from doublehop.rules.carried import identity_of, pool_account
from doublehop.rules.world import Place


def is_served(asked: Asked, place: Place | None) -> bool:
    """Whether there is a site for the URL that led to this place."""
    return asked.decide(hop1.SITE, {"application": place is not None}) == "served"


def key_of(asked: Asked, place: Place) -> tuple[str, str]:
    """Whose logon session takes callers in: of the computer, the pool or nobody, and that account's label."""
    key = asked.decide(hop1.KEY, {
        "identity": identity_of(place.pool), "kernel mode": place.windows.useKernelMode,
        "app pool credentials": place.windows.useAppPoolCredentials,
    })
    return key, {"computer": place.machine, "pool": pool_account(place), "nobody": ""}[key]


def opens(asked: Asked, key: str, opener: str, owner: str) -> str:
    """Why a ticket for an SPN of `owner` does not open, or nothing when it does."""
    answer = asked.decide(hop1.OPEN, {"key": key, "same account": bool(opener) and asked.world.same(opener, owner)})
    return "" if answer == "opened" else answer


def forwarded(asked: Asked, user: str, owner: str, *, has_tgt: bool, looks: bool) -> bool:
    """Whether the TGT of whoever asks comes along; `looks` says that they honour ok-as-delegate."""
    whose = asked.world.facts(user)
    return asked.decide(hop1.FORWARD, {
        "has TGT": has_tgt, "sensitive": whose.account_not_delegated, "protected": whose.protected_user,
        "owner trusted": asked.world.facts(owner).trusted_for_delegation, "client looks": looks,
    }) == "forwarded"


def takes(asked: Asked, place: Place) -> str:
    """Why a page does not look at a ticket that another server sends it, or nothing when it does."""
    answer = asked.decide(hop2.TOKEN, {
        "windows": place.windows.enabled,
        "negotiate": any(each is not Provider.NTLM for each in place.windows.providers),
    })
    return "" if answer == "taken" else answer
