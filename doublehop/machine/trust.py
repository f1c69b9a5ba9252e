"""Makes one side of a forest trust: the trusted domain object that a KDC reads (MS-ADTS 6.1.6).

`samba-tool domain trust create` writes the same object through LSA, for which both domain controllers have to
speak SMB to each other. The KDC needs none of that: the object is all it looks at, anew for each request. LDAP takes no
such object, so all this goes to the directory's own files.
"""

import time
from pathlib import Path
from typing import Any

CONFIGURATION = Path("/state/smb.conf")

UPLEVEL, BOTH_WAYS, FOREST_TRANSITIVE, AES = "2", "3", "8", "24"


def _directory() -> Any:
    from samba.auth import system_session
    from samba.param import LoadParm
    from samba.samdb import SamDB

    parameters = LoadParm()
    parameters.load(str(CONFIGURATION))
    return SamDB(session_info=system_session(), lp=parameters)


def own_sid() -> str:
    """What the domain's own accounts have in front of their numbers."""
    return str(_directory().get_domain_sid())


def make(*, dns: str, netbios: str, sid: str, secret: str) -> None:
    """Trust another forest's only domain and be trusted by it, with one secret for both directions."""
    import ldb
    from samba.dcerpc import security
    from samba.ndr import ndr_pack

    samdb = _directory()
    values: dict[str, Any] = {
        "objectClass": "trustedDomain", "trustType": UPLEVEL, "trustDirection": BOTH_WAYS,
        "trustAttributes": FOREST_TRANSITIVE, "trustPartner": dns, "flatName": netbios,
        "securityIdentifier": ndr_pack(security.dom_sid(sid)), "msDS-SupportedEncryptionTypes": AES,
        "trustAuthIncoming": _authentication(secret), "trustAuthOutgoing": _authentication(secret),
        "msDS-TrustForestTrustInfo": _names(dns, netbios, sid),
    }
    message = ldb.Message(ldb.Dn(samdb, f"CN={dns},CN=System,{samdb.domain_dn()}"))
    for name, value in values.items():
        message[name] = ldb.MessageElement(value, ldb.FLAG_MOD_ADD, name)
    samdb.add(message, ["relax:0"])


def set_encryption_types(*, dns: str, bits: int) -> None:
    """What the KDC may encrypt a ticket for the other side with."""
    import ldb

    samdb = _directory()
    message = ldb.Message(ldb.Dn(samdb, f"CN={dns},CN=System,{samdb.domain_dn()}"))
    name = "msDS-SupportedEncryptionTypes"
    message[name] = ldb.MessageElement(str(bits), ldb.FLAG_MOD_REPLACE, name)
    samdb.modify(message, ["relax:0"])


def _now() -> int:
    import samba

    return int(samba.unix2nttime(int(time.time())))


def _authentication(secret: str) -> Any:
    """The secret as trustAuthIncoming and trustAuthOutgoing hold it (MS-ADTS 6.1.6.9.1)."""
    from samba.dcerpc import drsblobs, lsa
    from samba.ndr import ndr_pack

    password = secret.encode("utf-16-le")
    clear = drsblobs.AuthInfoClear()
    clear.size, clear.password = len(password), list(password)
    information = drsblobs.AuthenticationInformation()
    information.LastUpdateTime, information.AuthType, information.AuthInfo = _now(), lsa.TRUST_AUTH_TYPE_CLEAR, clear
    current = drsblobs.AuthenticationInformationArray()
    current.count, current.array = 1, [information]
    blob = drsblobs.trustAuthInOutBlob()
    blob.count, blob.current = 1, current
    return ndr_pack(blob)


def _names(dns: str, netbios: str, sid: str) -> Any:
    """Which names lead there: the forest's top level name, and its one domain (MS-ADTS 6.1.6.9.3)."""
    from samba.dcerpc import drsblobs, security
    from samba.ndr import ndr_pack

    name = drsblobs.ForestTrustString()
    name.string = dns
    domain = drsblobs.ForestTrustDataDomainInfo()
    domain.sid, domain.dns_name.string, domain.netbios_name.string = security.dom_sid(sid), dns, netbios
    information = drsblobs.ForestTrustInfo()
    information.version, information.count = 1, 2
    information.records = [_record(drsblobs.FOREST_TRUST_TOP_LEVEL_NAME, name),
                           _record(drsblobs.FOREST_TRUST_DOMAIN_INFO, domain)]
    return ndr_pack(information)


def _record(kind: int, data: Any) -> Any:
    from samba.dcerpc import drsblobs

    record = drsblobs.ForestTrustInfoRecord()
    record.flags, record.timestamp, record.type, record.data = 0, _now(), kind, data
    armor = drsblobs.ForestTrustInfoRecordArmor()
    armor.record = record
    return armor
