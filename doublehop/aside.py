"""Facts beside the configuration that a drawn one may have: keys, gMSAs, groups, time, programs, later changes. Pure.

Each is rare, so that most stories go on to delegation; those that are slow to set up are rarer still.
"""

from random import Random
from typing import Any

Tree = dict[str, Any]

TYPES: tuple[list[str], ...] = (
    ["RC4"], ["AES128"], ["AES256"], ["RC4", "AES128", "AES256"], ["AES128", "RC4"], ["DES"], ["DES", "AES256"], [], [],
    ["RC4", "AES256-SK"], ["AES128", "AES256-SK"], ["resource-SID-compression-disabled"],
    ["AES256", "resource-SID-compression-disabled"],
)
KEYTABS = (["RC4"], ["AES128"], ["AES256"], ["RC4", "AES128", "AES256"], ["RC4", "AES128", "AES256"], ["AES128", "RC4"])
ALLOWED = (["AES128", "AES256"], ["AES256"], ["RC4", "AES256"], ["RC4", "AES128", "AES256"])
OF_CURL = ("delegate", "honour_ok_as_delegate", "encryption_types")
"""What curl is told of what a browser is; of .NET's HttpClient that is the port in the SPN alone."""
CLOCKS = ("+2m", "-2m", "+4m", "-4m", "+10m", "-10m", "+2h", "-3h", "+290s")
MANY = 250
"""Groups of one kind: with a forwarded TGT, or written in full, they are too many for SMALL and few enough without."""
SMALL, LARGE = 8000, {"MaxFieldLength": 65534, "MaxRequestBytes": 16777216}


def add_to(given: Tree, when: Tree, random: Random) -> None:
    """Add some of these facts to a configuration, mostly none."""
    for chance, add in ((0.16, _keys), (0.05, _managed), (0.06, _later), (0.05, _cut_off), (0.02, _clocks),
                        (0.01, _groups), (0.06, _policies), (0.01, _ntlm_denied), (0.12, _program)):
        if random.random() < chance:
            add(given, when, random)


def _keys(given: Tree, _: Tree, random: Random) -> None:
    accounts = list(given["accounts"].values())
    computers = [given["computers"].setdefault(each, {}) for each in ("web1", "sql1")]
    for facts in accounts:
        if random.random() < 0.5:
            facts["supported_encryption_types"] = random.choice(TYPES)
        if random.random() < 0.6:
            facts["keytab_encryption_types"] = random.choice(KEYTABS)
        if random.random() < 0.15:
            facts["aes_keys"] = False
    if random.random() < 0.35:
        random.choice(computers)["supported_encryption_types"] = random.choice(TYPES)


def _managed(given: Tree, _: Tree, random: Random) -> None:
    for facts in given["accounts"].values():
        if not facts.keys() & {"keytab_encryption_types", "aes_keys"}:
            facts["principals_allowed_to_retrieve_managed_password"] = random.choice((["web1", "web2"], ["web1"]))


def _later(given: Tree, _: Tree, random: Random) -> None:
    people = [*given["users"], *(label for label, each in given["accounts"].items()
                                 if "principals_allowed_to_retrieve_managed_password" not in each)]
    for label in random.sample([*people, "web1", "sql1"], random.choice((1, 1, 2))):
        what = random.choice(({"password_reset": True}, {"enabled": False}, {"change_password_at_logon": True},
                              {"enabled": False, "change_password_at_logon": True}))
        given.setdefault("after_sign_in", {})[label] = what if label in people else {"password_reset": True}


def _cut_off(given: Tree, _: Tree, random: Random) -> None:
    cut = given.get("dc_unreachable_from", [])
    given["dc_unreachable_from"] = cut + random.choice((["web1"], ["web1"], ["web1", "web2"], ["sql1"], ["web2"]))


def _clocks(given: Tree, _: Tree, random: Random) -> None:
    for machine in random.choice((["web1"], ["client1"], ["client1", "web1"], ["web2"], ["web1", "web2"])):
        given.setdefault("clocks", {})[machine] = random.choice(CLOCKS)


def _policies(given: Tree, when: Tree, random: Random) -> None:
    """What the client's policy allows, and of a user of the partner's domain perhaps what the trust does."""
    if random.random() < 0.8:
        when.setdefault("client", {})["encryption_types"] = random.choice(ALLOWED)
    if given["users"]["alice"].get("domain") and random.random() < 0.6:
        given["trust"] = {"supported_encryption_types": random.choice((["RC4"], ["AES128"], ["AES128", "AES256"]))}


def _groups(given: Tree, _: Tree, random: Random) -> None:
    facts = given["users"]["alice"]
    facts[random.choice(("groups", "domain_local_groups"))] = MANY
    limits = random.choice(({"MaxFieldLength": SMALL}, {"MaxRequestBytes": SMALL}, LARGE))
    for each in given["front_ends"].values():
        each["httpSys"] = dict(limits)


def _ntlm_denied(given: Tree, when: Tree, random: Random) -> None:
    """The domain takes no NTLM, which is seen where somebody tries it: most often at a site with nothing else."""
    given["restrict_ntlm_in_this_domain"] = "Deny all"
    if random.random() < 0.7:
        when.setdefault("client", {}).pop("ntlm", None)
        for front_end in given["front_ends"].values():
            for site in front_end["sites"].values():
                site["windowsAuthentication"]["providers"] = ["NTLM"]


def _program(_: Tree, when: Tree, random: Random) -> None:
    """Something else than a browser asks; what it is not told of a browser goes."""
    client = when.pop("client", {})
    match random.choice(("curl", "curl", "dotnet")):
        case "curl":
            kept = {name: client[name] for name in OF_CURL if name in client}
            kept |= {"http2": True} if random.random() < 0.3 else {}
            when["client"] = {"program": "curl", "canonicalise": False, "ntlm": False, **kept}
        case "dotnet":
            kept = {"port_in_spn": True} if client.get("port_in_spn") else {}
            when["client"] = {"program": "dotnet", "ntlm": False, "delegate": False, **kept}
