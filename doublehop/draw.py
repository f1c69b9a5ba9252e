"""Draws configurations that nobody wrote. Pure: chance comes from the generator it is given.

A drawn configuration is a tree as a scenario file would hold it, with the leaves that are not the default. Choices
lean towards what can work, since a name that nobody registered ends most stories on hop 1.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from doublehop import aside
from doublehop.draw_ways import add_ways

Tree = dict[str, Any]

NAMES = ("A web1", "A web1", "A web1", "A web2")
ALIASES = ("CNAME portal", "CNAME web1", "CNAME web2", "A web1", "none")
IDENTITIES = ("ApplicationPoolIdentity", "NetworkService", "LocalSystem", "LocalService")
PROVIDERS = (["NTLM"], ["Negotiate:Kerberos"], ["NTLM", "Negotiate"], ["Negotiate"])
BACK_END_SPNS = ("MSSQLSvc/{sql1}", "MSSQLSvc/{sql1}:1433")
LISTS = (["MSSQLSvc/{sql1}"], ["MSSQLSvc/{sql1}"], ["mssqlsvc/{sql1}"], ["MSSQLSvc/{sql1}:1433"], ["cifs/{sql1}"],
         ["MSSQLSvc/{sql1.netbios}"], ["cifs/{sql1}", "MSSQLSvc/{sql1}"])
GRANTS = ({"trusted_for_delegation": True}, {"trusted_to_auth_for_delegation": True},
          {"allowed_to_delegate_to": ["MSSQLSvc/{sql1}"]}, {"principals_allowed_to_delegate_to_account": ["web1"]},
          {"principals_allowed_to_delegate_to_account": ["other"]})
OUT_OF_THE_ORDINARY = 0.55
"""How often chains, proxies, TLS, other domains, keys, clocks and later changes are thought of; they take longer."""
ACCOUNTS = ("pool", "other")
COMPUTERS = ("web1", "web2", "sql1")


def draw(random: Random) -> Tree:
    """One configuration with its request, or one with its registration; it may be none that a lab could be given."""
    return _Hand(random).registration() if random.random() < 0.14 else _Hand(random).request()


class _Hand:
    """Picks each part of a configuration."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def likely(self, chance: float) -> bool:
        return self.random.random() < chance

    def one(self, choices: Sequence[Any]) -> Any:
        return self.random.choice(choices)

    def request(self) -> Tree:
        given: Tree = {"names": {"portal": self.one(NAMES)}}
        if self.likely(0.35):
            given["names"]["www"] = self.one(ALIASES)
        accounts = ACCOUNTS[: self.one((0, 1, 1, 1, 1, 1, 2))] if self.likely(0.7) else ()
        given["accounts"] = {each: self.rights() for each in accounts}
        given["users"] = {"alice": self.flags(0.08)}
        if self.likely(0.07):
            given["users"]["bob"] = self.flags(0.2)
        given["computers"] = {each: self.computer(each, given) for each in COMPUTERS if self.likely(0.4)}
        given["front_ends"] = {each: self.front_end(given) for each in ("web1", "web2")
                               if each == "web1" or self.likely(0.15)}
        host = self.one([f"{{{each}}}" for each in given["names"]] * 3 + ["{web1}", "{web1}", "web1", "{web2}",
                                                                      "{web1.address}"])
        self.client_side(given, host)
        self.register_names(given, host)
        when = self.when(host, given)
        if self.likely(OUT_OF_THE_ORDINARY):
            add_ways(self.random, given, when, self.front_end)
            self.other_domain(given, when)
            aside.add_to(given, when, self.random)
        return _without_empty({"given": given, "when": when})

    def other_domain(self, given: Tree, when: Tree) -> None:
        """Sometimes the user or the back end is of the partner's domain."""
        if self.likely(0.06):
            given["users"]["alice"]["domain"] = "partner"
            when.setdefault("client", {})["ntlm"] = False
        if self.likely(0.06):
            when["back_ends"] = self.one((["partner-sql"], ["partner-sql"], ["sql", "partner-sql"]))
            for lists in given["accounts"].values():
                if self.likely(0.5):
                    lists["allowed_to_delegate_to"] = ["MSSQLSvc/{sql2}"]
            if given["accounts"] and self.likely(0.5):
                given["computers"]["sql2"] = {"principals_allowed_to_delegate_to_account": [*given["accounts"]]}

    def flags(self, chance: float) -> Tree:
        """What keeps an account from being delegated, or from the database."""
        facts: Tree = {}
        if self.likely(chance):
            facts["account_not_delegated"] = True
        if self.likely(chance):
            facts["protected_user"] = True
        if self.likely(chance):
            facts["sql_login"] = False
        return facts

    def rights(self) -> Tree:
        """What lets an account delegate."""
        facts = {"account_not_delegated": True} if self.likely(0.04) else {}
        if self.likely(0.3):
            facts["trusted_for_delegation"] = True
        if self.likely(0.3):
            facts["trusted_to_auth_for_delegation"] = True
        if self.likely(0.5):
            facts["allowed_to_delegate_to"] = self.one(LISTS)
        if self.likely(0.08):
            facts["sql_login"] = False
        return facts

    def computer(self, name: str, given: Tree) -> Tree:
        facts: Tree = self.rights()
        if name == "sql1" and self.likely(0.5):
            known = [*given["accounts"], "web1", "web2"]
            facts["principals_allowed_to_delegate_to_account"] = sorted({self.one(known) for _ in range(2)})
        if name == "sql1" and self.likely(0.2):
            facts["without_spns"] = self.one((list(BACK_END_SPNS), [BACK_END_SPNS[0]], [BACK_END_SPNS[1]]))
        if name == "web1" and self.likely(0.06):
            facts["without_spns"] = [self.one(("HOST/{web1}", "HOST/{web1.netbios}"))]
        return facts

    def front_end(self, given: Tree) -> Tree:
        pools = {"First": self.pool(given), "Second": self.pool(given)}
        sites = {"Portal": self.site(given["names"], [80])}
        if self.likely(0.25):
            sites["Other"] = self.site(given["names"], [8080])
        return {"applicationPools": pools, "sites": sites}

    def pool(self, given: Tree) -> Tree:
        if given["accounts"] and self.likely(0.7):
            return {"identityType": "SpecificUser", "userName": self.one(list(given["accounts"]))}
        return {"identityType": self.one(IDENTITIES)}

    def site(self, names: Mapping[str, str], ports: list[int]) -> Tree:
        hosts = self.one(([""], [""], [""], [f"{{{each}}}" for each in names], ["{portal}"]))
        if self.likely(0.15):
            ports = [*ports, 5000 + ports[0]]
        site: Tree = {"bindings": [f"*:{port}:{host}" for port in ports for host in hosts]}
        site["windowsAuthentication"] = self.windows(0.04)
        if self.likely(0.12):
            site["anonymousAuthentication"] = {"enabled": True}
        site["applications"] = {"/": self.application("First")}
        if self.likely(0.3):
            site["applications"]["/app"] = self.application("Second")
        return site

    def windows(self, chance: float) -> Tree:
        windows: Tree = {"useKernelMode": self.likely(0.45)}
        if self.likely(0.25):
            windows["useAppPoolCredentials"] = True
        if self.likely(chance):
            windows["enabled"] = False
        if self.likely(3 * chance):
            windows["providers"] = self.one(PROVIDERS)
        if self.likely(3 * chance):
            windows["authPersistNonNTLM"] = False
        if self.likely(2 * chance):
            windows["authPersistSingleRequest"] = True
        return windows

    def application(self, pool: str) -> Tree:
        application: Tree = {"applicationPool": pool}
        impersonate = self.one((True, True, True, False, "fixed"))
        application["impersonate"] = {"userName": "alice"} if impersonate == "fixed" else impersonate
        if self.likely(0.1):
            application["windowsAuthentication"] = self.windows(0.1)
        if self.likely(0.06):
            application["anonymousAuthentication"] = {"enabled": self.likely(0.5)}
        return application

    def client_side(self, given: Tree, host: str) -> None:
        if self.likely(0.1):
            given["client_hosts"] = {host: self.one(("web1", "web1", "web2"))}
            if self.likely(0.3):
                given["dc_unreachable_from"] = ["client1"]

    def register_names(self, given: Tree, host: str) -> None:
        """Put SPNs of the asked name and of others on accounts, mostly once, sometimes twice."""
        forms = [f"HTTP/{host}", f"HTTP/{host}", f"HTTP/{host}", f"http/{host}", f"HTTP/{host}:8080", "HTTP/{portal}",
                 "HTTP/{web1}", f"HTTPS/{host}", "HTTP/{web1.netbios}", f"HOST/{host}"]
        owners = [("accounts", each) for each in given["accounts"]] * 3
        owners += [("computers", "web1"), ("computers", "web1"), ("computers", "web2"), ("users", "alice")]
        taken: set[str] = set()
        for _ in range(self.one((0, 1, 1, 1, 2, 3))):
            kind, owner = self.one(owners)
            spn = self.one(forms)
            if spn.lower() not in taken:
                taken.add(spn.lower())
                given[kind].setdefault(owner, {}).setdefault("spns", []).append(spn)
        moved = given["computers"].get("sql1", {}).get("without_spns", ())
        for spn in moved:
            if given["accounts"] and self.likely(0.5):
                given["accounts"][self.one(list(given["accounts"]))].setdefault("spns", []).append(spn)
        if given["accounts"] and self.likely(0.1):
            given["duplicate_spns"] = {self.one(list(given["accounts"])): self.one((f"HTTP/{host}", BACK_END_SPNS[0]))}

    def when(self, host: str, given: Tree) -> Tree:
        port = self.one(("", "", "", "", ":80", ":8080", ":5080"))
        path = self.one(("/whoami", "/whoami", "/app/whoami", "/apple"))
        when: Tree = {"get": f"http://{host}{port}{path}"}
        client: Tree = {}
        if self.likely(0.05):
            client["zone"] = self.one(("trusted", "internet"))
        if self.likely(0.05):
            client["integrated"] = False
        if self.likely(0.25):
            client["ntlm"] = False
        if self.likely(0.2):
            client["canonicalise"] = False
        if self.likely(0.25):
            client["port_in_spn"] = True
        if self.likely(0.1):
            client["honour_ok_as_delegate"] = False
        if client:
            when["client"] = client
        if self.likely(0.15):
            when["act_as"] = self.one([*given["users"], *given["accounts"], "alice", "web2"])
        if self.likely(0.08):
            when["back_ends"] = []
        if self.likely(0.08):
            when["times"] = 2
        if self.likely(0.08):
            when["client"] = {**client, "delegate": False}
        return when

    def registration(self) -> Tree:
        given: Tree = {"names": {"portal": "A web1"}, "accounts": {each: {} for each in ACCOUNTS}, "computers": {}}
        spns = ("HTTP/{portal}", "HOST/{portal}", "HTTP/{web1}", "HOST/{web1}", "HTTP/{web1.netbios}",
                "HTTP/{web1}:8080", "http/{portal}", "MSSQLSvc/{portal}", "MSSQLSvc/{web1}", "HTTP/{web2}")
        for _ in range(self.one((0, 1, 1, 2))):
            kind, owner = self.one((("accounts", "pool"), ("accounts", "other"), ("computers", "web1"),
                                    ("computers", "web2"), ("computers", "sql1")))
            given[kind].setdefault(owner, {}).setdefault("spns", []).append(self.one(spns))
        if self.likely(0.2):
            given["computers"].setdefault("web1", {})["without_spns"] = ["HOST/{web1}"]
        on = self.one(("web1", "web1", "web2", "pool", "alice"))
        by = self.one((on, on, "administrator", "administrator", "pool", "web1", "other"))
        if self.likely(0.3):
            given["accounts"]["pool"]["full_control"] = ["other"]
        what = {"grant": self.one(GRANTS)} if self.likely(0.2) else {"register": self.one(spns)}
        when = what | {"on": on} | ({} if by == "administrator" else {"by": by})
        return _without_empty({"given": given, "when": when})


def _without_empty(tree: Tree) -> Tree:
    """The tree without tables of tables that hold nothing; an account with nothing said of it stays."""
    given = {name: each for name, each in tree["given"].items() if each not in ({}, [])}
    return {"given": given, "when": tree["when"]}
