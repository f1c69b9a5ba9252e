"""Makes a domain: Samba's provisioning, with every member joined; what it leaves is the snapshot that labs start from.

This happens once for an image, in a machine of its own, and whatever it leaves depends on this module (`snapshot_key`).
"""

import base64
import json
import logging
from pathlib import Path
from typing import Any

from doublehop.machine.agent import run

STATE = Path("/state")
TLS = STATE / "private" / "tls"
ABOUT = STATE / "about.json"
"""What the snapshot says of itself: the domain's SID, and the key versions of accounts that get new passwords."""


def provision(*, realm: str, domain: str, host: str, address: str, computers: list[dict[str, Any]],
              records: list[dict[str, Any]], smb_conf: str, password: str, functional_level: str,
              base_schema: str) -> None:
    """Make the domain in the state folder, with every member joined (row A-16: HOST names come first)."""
    from samba import dsdb
    from samba.auth import system_session
    from samba.provision import provision as samba_provision

    (STATE / "smb.conf").write_text(smb_conf)
    logger = logging.getLogger("provision")
    logger.setLevel(logging.ERROR)
    result = samba_provision(
        logger, system_session(), smbconf=str(STATE / "smb.conf"), realm=realm, domain=domain, hostname=host,
        hostip=address, adminpass=password, serverrole="active directory domain controller",
        dns_backend="SAMBA_INTERNAL", dom_for_fun_level=getattr(dsdb, f"DS_DOMAIN_FUNCTION_{functional_level}"),
        base_schema=base_schema,
        skip_sysvolacl=True,  # without root the file system takes no such ACL
    )
    _name_group()
    _let_administrators_write(result.samdb, "ms-DS-Allowed-To-Act-On-Behalf-Of-Other-Identity")
    for each in computers:
        _join(result.samdb, each, realm=realm, password=password)
    for each in records:
        (data,) = each["attributes"]["dnsRecord"]
        result.samdb.add({"dn": each["dn"], "objectClass": "dnsNode", "dnsRecord": base64.b64decode(data["base64"])})
    names = ["Administrator", *(f"{each['name'].upper()}$" for each in computers)]
    ABOUT.write_text(json.dumps({"sid": str(result.samdb.get_domain_sid()),
                                 "versions": {each: _key_version(result.samdb, each) for each in names}}))


def _name_group() -> None:
    """Have LDAPS use a published Diffie-Hellman group (RFC 7919 appendix A.1).

    Samba would look for a prime of its own at each start, which takes from a tenth of a second to a whole one.
    """
    TLS.mkdir(parents=True, exist_ok=True)
    run("openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048",
        "-out", str(TLS / "group.pem"))


def _let_administrators_write(samdb: Any, attribute: str) -> None:
    """Take `systemOnly` off an attribute in the schema.

    Windows lets whoever may write an account write its RBCD descriptor over LDAP (row C-13). Samba follows the
    published schema to the letter and refuses that to all but itself.
    """
    samdb.modify_ldif(
        f"dn: CN={attribute},{samdb.get_schema_basedn()}\nchangetype: modify\n"
        "replace: systemOnly\nsystemOnly: FALSE\n", ["relax:0"],
    )
    samdb.set_schema_update_now()


def _join(samdb: Any, computer: dict[str, Any], *, realm: str, password: str) -> None:
    name, fqdn = computer["name"], f"{computer['name']}.{realm.lower()}"
    samdb.newcomputer(name.upper(), prepare_oldjoin=False)
    spns = [f"HOST/{name.upper()}", f"HOST/{fqdn}", *computer["spns"]]
    values = "".join(f"servicePrincipalName: {each}\n" for each in spns)
    samdb.modify_ldif(
        f"dn: CN={name.upper()},CN=Computers,{samdb.domain_dn()}\nchangetype: modify\n"
        f"replace: dNSHostName\ndNSHostName: {fqdn}\n-\n"
        f"replace: msDS-SupportedEncryptionTypes\nmsDS-SupportedEncryptionTypes: 24\n-\n"
        f"replace: servicePrincipalName\n{values}"
    )
    samdb.setpassword(f"(sAMAccountName={name.upper()}$)", password)


def _key_version(samdb: Any, account: str) -> int:
    attribute = "msDS-KeyVersionNumber"
    (found,) = samdb.search(samdb.domain_dn(), expression=f"(sAMAccountName={account})", attrs=[attribute])
    return int(str(found[attribute]))
