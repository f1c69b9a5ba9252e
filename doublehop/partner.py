"""The second domain of a lab: started, with the trust made, when the first scenario needs it.

Most runs never do, and cost as much as if it did not exist. Once there it stays as long as the lab.
"""

from doublehop.directory import encryption_bits
from doublehop.lab import ADMINISTRATOR, Agent, Lab, computer_secret, new_password
from doublehop.model import Role, Trust


def bring_up(lab: Lab) -> None:
    """Start the second domain and its database, and have both domains trust each other; once for a lab.

    Every secret is new, that of the trust too, as in the first domain.
    """
    if lab.partner is not None:
        return
    across = lab.topology.across
    dc, sql = across.only(Role.DOMAIN_CONTROLLER), across.only(Role.BACK_END)
    machines = lab.add(across)
    lab.machines.update(machines)
    agents = {name: Agent(machine) for name, machine in machines.items()}
    lab.agents.update(agents)

    account = f"{sql.upper()}$"
    passwords = {ADMINISTRATOR: new_password(), account: new_password()}
    about = agents[dc].ask("prepare", **across.place(dc), host=dc, realm=across.realm, domain=across.domain,
                           passwords=passwords)
    secret = new_password() + new_password()
    own = {"dns": lab.topology.dns, "netbios": lab.topology.domain, "sid": lab.dc.ask("domain_sid")}
    other = {"dns": across.dns, "netbios": across.domain, "sid": about["sid"]}
    for pending in (lab.dc.send("make_trust", **other, secret=secret), agents[dc].send("make_trust", **own,
                                                                                       secret=secret)):
        pending.result()
    key = computer_secret(across, sql, about["versions"][account], passwords[account]).as_key()
    del key["name"]
    started = [
        agents[dc].send("start", address=str(across.machines[dc].address)),
        agents[sql].send("start", **across.place(sql), realm=lab.topology.realm, others=[across.realm], **key,
                         logins=[f"{each.upper()}$" for each in lab.topology.members]),
    ]
    for pending in started:
        pending.result()
    lab.client.ask("administer", base_dn=across.base_dn, dc=str(across.machines[dc].address),
                   administrator=f"{ADMINISTRATOR}@{across.dns}", password=passwords[ADMINISTRATOR])


def set_trust(lab: Lab, trust: Trust) -> None:
    """Let both sides' objects for each other say what this scenario's trust supports."""
    bits = encryption_bits(trust.supported_encryption_types)
    across = lab.topology.across
    sides = [(lab.dc, across.dns), *([(lab.partner, lab.topology.dns)] if lab.partner is not None else [])]
    for pending in [dc.send("set_trust_encryption_types", dns=dns, bits=bits) for dc, dns in sides]:
        pending.result()
