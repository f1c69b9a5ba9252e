"""Attempts to write into the directory: who may write which SPN and which right to delegate, on which account."""

from doublehop.model import Expect, Registration
from doublehop.rules.asked import Asked, Prediction
from doublehop.rules.table import SAMBA, Rule, Table
from doublehop.rules.world import HOST_STANDS_FOR, World

REGISTER = Table(
    name="register", question="What does the directory answer to a registration?",
    facts={
        "writer": "`administrator`, `itself` (a computer on its own account), `full control` or `another`",
        "own name": "the SPN's host is the computer's own full or short name: `yes`, `with a port` or `no`",
        "held": "who has the SPN already: `nobody`, `it` (the account), `it, spelled otherwise` or `another`",
        "HOST elsewhere": "another account holds HOST for that host, and HOST stands for the class",
        "special elsewhere": "it is a HOST name, and another account holds a class that HOST stands for",
    },
    rules=(
        Rule(id="register.no-right", when={"writer": "another"}, then="insufficientAccessRights",
             why="Users and foreign accounts have no right to write an account's SPNs; a user not even its own.",
             sources=("A-21",)),
        Rule(id="register.not-derivable", when={"writer": "itself", "own name": "no"}, then="constraintViolation",
             why="The validated write covers a computer's own names only.", sources=("A-21", "S-12")),
        Rule(id="register.with-port", platform=SAMBA, when={"writer": "itself", "own name": "with a port"},
             then="constraintViolation",
             why="This directory takes the port for a part of the host's name.", sources=("A-21", "A-22")),
        Rule(id="register.already-there", when={"held": "it"}, then="attributeOrValueExists",
             why="The account has the value already.", sources=("A-11",)),
        Rule(id="register.spelled-otherwise", platform=SAMBA, when={"held": "it, spelled otherwise"}, then="success",
             why="This directory compares an account's own values letter by letter.", sources=("A-20",)),
        Rule(id="register.already-there-in-other-case", when={"held": "it, spelled otherwise"},
             then="attributeOrValueExists",
             why="SPNs are compared without regard to case.", sources=("A-20", "A-11")),
        Rule(id="register.duplicate", when={"held": "another"}, then="constraintViolation",
             why="An SPN belongs to one account.", sources=("A-11", "A-13", "S-26")),
        Rule(id="register.host-elsewhere", when={"writer": "itself", "HOST elsewhere": True},
             then="insufficientAccessRights",
             why="Since CVE-2021-42282: a name that another account's HOST answers for needs the right to write that.",
             sources=("A-15",)),
        Rule(id="register.host-elsewhere-with-full-control", when={"writer": "full control", "HOST elsewhere": True},
             then="insufficientAccessRights",
             why="The same of somebody who may write the one account and not the other.", sources=("A-15",)),
        Rule(id="register.host-too-late", when={"special elsewhere": True}, then="constraintViolation",
             why="HOST would claim a name that is taken for a special class already.", sources=("A-16",)),
        Rule(id="register.taken", then="success",
             why="Nobody has it, and the writer may.", sources=("A-21", "A-15", "S-17")),
    ),
)

GRANT = Table(
    name="grant", question="What does the directory answer to an attempt to give an account a right to delegate?",
    facts={
        "writer": "`administrator`, `itself`, `full control` or `another`",
        "right": "`RBCD`, written on the target, or `flag or list`, written on the account that delegates",
    },
    rules=(
        Rule(id="grant.administrator", when={"writer": "administrator"}, then="success",
             why="Administrators may write every account and hold the privilege for delegation.", sources=("C-36",)),
        Rule(id="grant.privilege", when={"right": "flag or list"}, then="insufficientAccessRights",
             why="Flags and lists need the privilege to enable accounts to be trusted for delegation, whoever may "
                 "write the account.", sources=("C-36",)),
        Rule(id="grant.no-right", when={"writer": "another"}, then="insufficientAccessRights",
             why="RBCD needs the right to write the target.", sources=("C-36", "C-13")),
        Rule(id="grant.target", then="success",
             why="RBCD needs nothing else; every account has that right on itself.", sources=("C-36", "C-13")),
    ),
)

TABLES = (REGISTER, GRANT)


def predict(when: Registration, asked: Asked) -> Prediction:
    """What the directory answers to an attempt to write into it."""
    return asked.ends(Expect(directory=_register(when, asked) if when.register else _grant(when, asked)))


def _grant(when: Registration, asked: Asked) -> str:
    return asked.decide(GRANT, {
        "writer": _writer(when, asked.world),
        "right": "RBCD" if when.grant.principals_allowed_to_delegate_to_account else "flag or list",
    })


def _writer(when: Registration, world: World) -> str:
    if when.by == "administrator":
        return "administrator"
    if world.same(when.by, when.on):
        return "itself"
    trusted = world.facts(when.on).full_control
    return "full control" if any(world.same(each, when.by) for each in trusted) else "another"


def _register(when: Registration, asked: Asked) -> str:
    world, scope = asked.world, asked.world.scope
    spn = scope.fill(when.register)
    service, _, rest = spn.lower().partition("/")
    on, topology = when.on.rstrip("$"), scope.topology
    host, _, port = rest.partition(":")
    own = host in {on, topology.fqdn(on)} and on in topology.machines
    holders, writer = world.holders(spn), _writer(when, world)
    special = {each for name in HOST_STANDS_FOR for each in world.holders(f"{name}/{rest}")}
    return asked.decide(REGISTER, {
        "writer": "another" if writer == "itself" and on not in topology.machines else writer,
        "own name": "no" if not own else "with a port" if port else "yes",
        "held": _held(world, holders, on, spn),
        "HOST elsewhere": service in HOST_STANDS_FOR and bool(set(world.holders(f"host/{rest}")) - {on}),
        "special elsewhere": service == "host" and bool(special - {on}),
    })


def _held(world: World, holders: list[str], on: str, spn: str) -> str:
    if on in holders:
        return "it" if world.spelled(on, spn) else "it, spelled otherwise"
    return "another" if holders else "nobody"
