"""Reads an inventory from TOML, strictly: whatever is wrong names the file, the key and what helps.

Nothing is asked of anybody before all of it is read.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from doublehop.errors import InputError
from doublehop.frontend import FrontEnd, ImpersonateAs, parse_binding
from doublehop.inventory import FROM_ENVIRONMENT, AccountRole, Inventory
from doublehop.model import Role
from doublehop.scope import PLACEHOLDER
from doublehop.topology import Topology

Problem = tuple[str, str]
"""A key, and what is wrong with it."""

READ = TypeAdapter(Inventory)
SECRET_WORDS = ("password", "passwd", "secret")
PAGE = "docs/existing.md shows a whole inventory"
WORDS = {"unexpected_keyword_argument": "unexpected key", "extra_forbidden": "unexpected key",
         "missing": "this key is missing", "missing_argument": "this key is missing"}
"""What pydantic's errors are called here; others say it themselves."""


def load(path: Path, lab: Topology) -> Inventory:
    """Read an inventory; `lab` has the machines that scenarios know.

    Raises InputError with file and key when it cannot be used.
    """
    where = str(path)
    try:
        tree = tomllib.loads(path.read_text())
    except OSError as failure:
        raise InputError(where, f"cannot be read ({failure.strerror}): --lab-inventory names a TOML file") from failure
    except ValueError as failure:  # not text, or not TOML, which says the line
        raise InputError(where, f"not TOML: {failure}") from failure
    for key in _secrets(tree):
        raise InputError(f"{where}: {key}", "a password is never read from a file: take it out, and name the "
                                            f"environment variable that holds it in `{FROM_ENVIRONMENT}`")
    try:
        inventory = READ.validate_json(json.dumps(tree, default=str), strict=True)
    except ValidationError as failure:
        first = failure.errors()[0]
        problem = WORDS.get(first["type"], f"{first['msg']}, not {first.get('input')!r}")
        key = ".".join(str(each) for each in first["loc"])
        raise InputError(f"{where}: {key}", f"{problem} ({PAGE})") from failure
    for key, problem in _problems(inventory, lab, path.parent):
        raise InputError(f"{where}: {key}", problem)
    return inventory


def _secrets(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Keys that look as if they held a password."""
    for key, value in tree.items():
        if key != FROM_ENVIRONMENT and any(word in key.lower() for word in SECRET_WORDS) and isinstance(value, str):
            yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _secrets(value, f"{prefix}{key}.")


def _problems(inventory: Inventory, lab: Topology, folder: Path) -> Iterator[Problem]:
    """What a record alone cannot say: whether the parts fit each other and the machines of the scenarios."""
    yield from _of_domain(inventory, folder)
    for name in inventory.machines:
        if name not in lab.machines:
            yield f"machines.{name}", f"scenarios know the machines {', '.join(lab.members)}"
    yield from _of_accounts(inventory)
    for name, config in inventory.front_ends.items():
        if name not in lab.of(Role.FRONT_END):
            yield f"front_ends.{name}", f"scenarios know the front ends {', '.join(lab.of(Role.FRONT_END))}"
        if name not in inventory.machines:
            yield f"machines.{name}", f"this table is missing: the host and account of front_ends.{name}"
        yield from _of_front_end(f"front_ends.{name}", config, inventory)
    yield from _of_back_ends(inventory, lab)


def _of_domain(inventory: Inventory, folder: Path) -> Iterator[Problem]:
    domain = inventory.domain
    if domain.ldap and not domain.ldap_ca:
        yield "domain.ldap_ca", ("this key is missing: the PEM file of whoever signed the directory's certificate, "
                                 "since a password is sent there")
    if domain.ldap and inventory.reader is None:
        yield "reader", f"this table is missing: the account that reads the directory of {domain.ldap}"
    files = {"ldap_ca": domain.ldap_ca, "kdc_log": domain.kdc_log, "front_end_ca": domain.front_end_ca}
    for key, file in files.items():
        if file and not folder.joinpath(file).is_file():
            yield f"domain.{key}", f"no file {folder / file}"


def _of_accounts(inventory: Inventory) -> Iterator[Problem]:
    for name, account in inventory.accounts.items():
        if inventory.domain.ldap and account.stated is not None:
            yield f"accounts.{name}.stated", ("the directory is read, so nothing of it is stated: take this out, or "
                                              "take out domain.ldap")
        if account.role is AccountRole.SERVICE and account.password_env:
            yield f"accounts.{name}.{FROM_ENVIRONMENT}", "nobody signs in as a service account: take this out"


def _of_front_end(where: str, config: FrontEnd, inventory: Inventory) -> Iterator[Problem]:
    """Every name, account and pool that a configuration speaks of has to be named elsewhere."""
    for label, pool in config.applicationPools.items():
        if pool.userName and pool.userName not in inventory.accounts:
            yield f"{where}.applicationPools.{label}.userName", f"{pool.userName} is not in accounts"
    for label, site in config.sites.items():
        own = f"{where}.sites.{label}"
        for text in site.bindings:
            yield from _of_names(f"{own}.bindings", text, inventory)
            try:
                parse_binding(PLACEHOLDER.sub("name", text))
            except ValueError as failure:
                yield f"{own}.bindings", str(failure)
        for path, each in site.applications.items():
            if each.applicationPool not in config.applicationPools:
                yield (f"{own}.applications.{path}.applicationPool", f"{each.applicationPool} is not in "
                       f"{where}.applicationPools")
            fixed = each.impersonate.userName if isinstance(each.impersonate, ImpersonateAs) else ""
            if fixed and fixed not in inventory.accounts:
                yield f"{own}.applications.{path}.impersonate.userName", f"{fixed} is not in accounts"


def _of_back_ends(inventory: Inventory, lab: Topology) -> Iterator[Problem]:
    for name, back_end in inventory.back_ends.items():
        if bool(back_end.page) == bool(back_end.machine):
            yield f"back_ends.{name}", "expected either `machine` and `spns`, or `page`"
        if back_end.machine and back_end.machine not in inventory.machines:
            yield f"back_ends.{name}.machine", f"{back_end.machine} is not in machines"
        if back_end.machine and not back_end.spns:
            yield f"back_ends.{name}.spns", "this key is missing: the SPNs that the back end is known by"
        yield from _of_names(f"back_ends.{name}.page", back_end.page, inventory)
        for label in back_end.logins:
            if label not in inventory.accounts and label not in lab.machines:
                yield f"back_ends.{name}.logins", f"{label} is not in accounts or machines"


def _of_names(key: str, text: str, inventory: Inventory) -> Iterator[Problem]:
    for label in PLACEHOLDER.findall(text):
        if label not in inventory.names and label not in inventory.machines:
            yield key, f"{{{label}}} is not in names or machines"
