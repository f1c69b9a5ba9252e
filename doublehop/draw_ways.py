"""Draws what lies on a request's way: pages among the back ends, reverse proxies, TLS, passwords, another user before.

Each part changes a drawn tree in place, seldom, so that most drawn configurations stay without it.
"""

from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import urlsplit

Tree = dict[str, Any]

PAGES = ("{api}", "{api}", "{api}", "{web2}", "{web1}", "{portal}", "web2")
ASKED = (["api.sql"], ["api.sql"], ["api.sql"], ["api"], ["sql", "api.sql"], ["api.sql", "sql"], ["api.api.sql"])
CHECKING = ("None", "Allow", "Require")


def add_ways(random: Random, given: Tree, when: Tree, front_end: Callable[[Tree], Tree]) -> None:
    """Perhaps put something on the way of a drawn request; `front_end` draws another web server."""
    if random.random() < 0.12:
        _proxy(random, given, when)
    if random.random() < 0.12:
        _tls(random, given, when)
    if random.random() < 0.12:
        _basic(random, given, when)
    chained = random.random() < 0.3
    if chained and random.random() < 0.6:
        given["front_ends"]["web2"] = front_end(given)
        if random.random() < 0.15:
            given["front_ends"]["web2"]["sites"]["Portal"]["windowsAuthentication"]["providers"] = ["NTLM"]
    if (chained or "proxies" in given) and random.random() < 0.6:
        _plain(given, when)
    if chained:
        _pages(random, given, when)
    if random.random() < (0.5 if "proxies" in given else 0.04):
        given["users"].setdefault("bob", {})
        when["after"] = "bob"


def _pages(random: Random, given: Tree, when: Tree) -> None:
    host = random.choice(PAGES)
    if host == "{api}":
        given["names"]["api"] = random.choice(("A web2", "A web2", "A web1"))
    given["back_ends"] = {"api": f"http://{host}/{random.choice(('whoami', 'whoami', 'app'))}"}
    when["back_ends"] = random.choice(ASKED)
    if random.random() < 0.15:
        given["back_ends"]["books"] = f"http://{random.choice(PAGES[3:])}/whoami"
        when["back_ends"] = [*when["back_ends"], random.choice(("books", "books.sql", "books.api", "api.books"))]
    if random.random() < 0.08:
        given["computers"].setdefault("web2", {})["without_spns"] = ["HOST/{web2}"]
        if given["accounts"] and random.random() < 0.6:
            given["accounts"]["pool"].setdefault("spns", []).append("HOST/{web2}")
    spn, accounts = f"HTTP/{host}", list(given["accounts"])
    if random.random() < 0.7:
        pool = given["front_ends"].get("web2", {}).get("applicationPools", {}).get("First", {})
        right = ("accounts", pool["userName"]) if "userName" in pool else ("computers", "web2")
        owner = random.choice([right] * 4 + [("accounts", each) for each in accounts] + [("computers", "web2")])
        given[owner[0]].setdefault(owner[1], {}).setdefault("spns", []).append(spn)
    for kind, label in [("accounts", each) for each in accounts] + [("computers", "web1"), ("computers", "web2")]:
        if random.random() < 0.6:
            facts = given[kind].setdefault(label, {})
            facts["allowed_to_delegate_to"] = [*facts.get("allowed_to_delegate_to", []), spn]
        if random.random() < 0.15:
            named = [random.choice([*accounts, "web1", "web2"])]
            given[kind].setdefault(label, {})["principals_allowed_to_delegate_to_account"] = named
        if random.random() < 0.2:
            given[kind].setdefault(label, {})["trusted_for_delegation"] = True


def _plain(given: Tree, when: Tree) -> None:
    """Sites and pools that pass their callers on if they may: otherwise few get anywhere on a long way."""
    spn = f"HTTP/{_host(when)}"
    held = [each for kind in ("accounts", "computers", "users") for facts in given[kind].values()
            for each in facts.get("spns", ())]
    if "pool" in given["accounts"] and spn not in held and not _host(when).startswith("{web"):
        given["accounts"]["pool"].setdefault("spns", []).append(spn)
    for front_end, label in zip(given["front_ends"].values(), ("pool", "other"), strict=False):
        if label in given["accounts"]:
            front_end["applicationPools"]["First"] = {"identityType": "SpecificUser", "userName": label}
            front_end["sites"]["Portal"]["windowsAuthentication"]["useKernelMode"] = False
        front_end["sites"]["Portal"]["applications"]["/"]["impersonate"] = True


def _proxy(random: Random, given: Tree, when: Tree) -> None:
    given["names"]["portal"] = "A web2"
    given["proxies"] = {"web2": {"to": "http://web1", "port": 8088, "connection_affinity": random.random() < 0.4}}
    when["get"] = f"http://{{portal}}:8088{random.choice(('/whoami', '/app/whoami'))}"


def _tls(random: Random, given: Tree, when: Tree) -> None:
    """All that is asked for by name, over TLS; the sites of web1 have the names of the certificates."""
    host = _host(when)
    for site in given["front_ends"]["web1"]["sites"].values():
        site["bindings"] = sorted({_secure(text, host) for text in site["bindings"]})
        if random.random() < 0.7:
            protection = {"tokenChecking": random.choice(CHECKING)}
            for each in (site, *site["applications"].values()):
                if each is site or ("windowsAuthentication" in each and random.random() < 0.5):
                    each["windowsAuthentication"]["extendedProtection"] = protection
    for proxy in given.get("proxies", {}).values():
        proxy["to"] = "https://web1"
    when["get"] = when["get"].replace("http://", "https://").replace(":80/", ":443/")
    if random.random() < 0.4:
        when.setdefault("client", {})["channel_binding"] = False


def _host(when: Tree) -> str:
    """The host in the request's URL, as it is written."""
    return urlsplit(when["get"]).netloc.partition(":")[0]


def _secure(text: str, name: str) -> str:
    address, port, host = text.split(":")
    return f"https/{address}:{'443' if port == '80' else port}:{host or name}"


def _basic(random: Random, given: Tree, when: Tree) -> None:
    for front_end in given["front_ends"].values():
        for site in front_end["sites"].values():
            for each in (site, *site["applications"].values()):
                if random.random() < (0.8 if each is site else 0.15):
                    each["basicAuthentication"] = {
                        "enabled": random.random() < 0.9, "logonMethod": random.choice(("ClearText", "Network"))}
            if random.random() < 0.4:
                site["windowsAuthentication"]["enabled"] = False
    if random.random() < 0.8:
        when.setdefault("client", {})["basic"] = True
