"""What a scenario has the lab be: accounts, names, front ends, and what happens to them before the request."""

from dataclasses import dataclass, field
from enum import StrEnum

from doublehop.frontend import STRICT, FrontEnd


class Encryption(StrEnum):
    """A Kerberos encryption type, or another bit of msDS-SupportedEncryptionTypes (MS-KILE 2.2.7, row G-09)."""

    DES = "DES"
    RC4 = "RC4"
    AES128 = "AES128"
    AES256 = "AES256"
    AES256_SK = "AES256-SK"
    RESOURCE_SID_COMPRESSION_DISABLED = "resource-SID-compression-disabled"


class Domain(StrEnum):
    """One of the lab's two domains, each the root of its own forest."""

    OWN = "own"
    """The domain of the front ends and of everything that is said to be nowhere else."""
    PARTNER = "partner"
    """The other side of the trust."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Facts the directory holds about one account, by the names the AD cmdlets give them.

    For an account that the scenario owns these are all its facts; for a machine's own account they come
    on top of what the machine was joined with, and are taken back afterwards.

    `supported_encryption_types` is msDS-SupportedEncryptionTypes, unset when empty; `keytab_encryption_types`
    are the keys that the front end was given of a pool's account. Without `aes_keys` the account's password
    is older than the domain's AES keys (row G-02). `groups` are global, `domain_local_groups` local groups.
    An account is a gMSA when it says who may retrieve its password. `full_control` names those whom the account's
    access control list gives every right to it. A user may be of the partner's `domain`.
    """

    __pydantic_config__ = STRICT

    spns: tuple[str, ...] = ()
    without_spns: tuple[str, ...] = ()
    trusted_for_delegation: bool = False
    trusted_to_auth_for_delegation: bool = False
    account_not_delegated: bool = False
    allowed_to_delegate_to: tuple[str, ...] = ()
    principals_allowed_to_delegate_to_account: tuple[str, ...] = ()
    protected_user: bool = False
    groups: int = 0
    domain_local_groups: int = 0
    supported_encryption_types: tuple[Encryption, ...] = (Encryption.AES128, Encryption.AES256)
    keytab_encryption_types: tuple[Encryption, ...] = (Encryption.AES256, Encryption.AES128)
    aes_keys: bool = True
    principals_allowed_to_retrieve_managed_password: tuple[str, ...] = ()
    full_control: tuple[str, ...] = ()
    sql_login: bool = True
    domain: Domain = Domain.OWN

    @property
    def managed(self) -> bool:
        """Whether it is a group managed service account, whose password only the directory knows."""
        return bool(self.principals_allowed_to_retrieve_managed_password)


@dataclass(frozen=True, kw_only=True, slots=True)
class AfterSignIn:
    """What an administrator does to an account once users have their TGT and servers their keys.

    `password_reset` gives it a new password, which no keytab follows; `enabled = false` disables it;
    `change_password_at_logon` lets its password expire at once.
    """

    __pydantic_config__ = STRICT

    password_reset: bool = False
    enabled: bool = True
    change_password_at_logon: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxy:
    """A reverse proxy on a port of a web server's machine, to another one: `to` is `http://web1` or `https://web1`.

    It speaks on both sides what it speaks to the server; with TLS it has a certificate of its own. With
    `connection_affinity` each client's connection has its own to the server; without, all share one.
    """

    __pydantic_config__ = STRICT

    to: str
    port: int = 8080
    connection_affinity: bool = True


class RestrictNtlm(StrEnum):
    """The policy *Network security: Restrict NTLM: NTLM authentication in this domain*; its two ends."""

    DISABLE = "Disable"
    DENY_ALL = "Deny all"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """The two-way forest trust with the partner's domain; its encryption types are those of both trust objects."""

    __pydantic_config__ = STRICT

    supported_encryption_types: tuple[Encryption, ...] = (Encryption.AES128, Encryption.AES256)


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """One configuration of the whole lab.

    `names` maps a label to a record in zone-file words, `A web1` or `CNAME web1`, or to `none`; the label lives
    in a DNS subdomain that belongs to the scenario alone. `duplicate_spns` are planted below the directory's
    own uniqueness check.

    `back_ends` are pages that every front end can ask as it asks the database, a name
    and a URL each; a request for `api.sql` asks the page `api`, and has it ask `sql` in turn (row C-27).
    `proxies` are reverse proxies by the machine they run on.

    `dc_unreachable_from` names machines that cannot reach the domain controller when
    the request is made, and `clocks` says how far a machine's clock is off then, such as `+10m`; users have
    signed in and services have started before. `after_sign_in` is what happens to accounts in between.
    `credential_guard_on` names machines that run Credential Guard, which gives nobody's TGT away (row C-26).
    `trust` is the one with the partner's domain, which is there whenever something is of that domain.
    `restrict_ntlm_in_this_domain = "Deny all"` makes the domain controller refuse every NTLM logon (row E-26).
    """

    __pydantic_config__ = STRICT

    names: dict[str, str] = field(default_factory=dict)
    users: dict[str, Principal] = field(default_factory=lambda: {"alice": Principal()})
    accounts: dict[str, Principal] = field(default_factory=dict)
    computers: dict[str, Principal] = field(default_factory=dict)
    front_ends: dict[str, FrontEnd] = field(default_factory=lambda: {"web1": FrontEnd()})
    duplicate_spns: dict[str, str] = field(default_factory=dict)
    client_hosts: dict[str, str] = field(default_factory=dict)
    back_ends: dict[str, str] = field(default_factory=dict)
    proxies: dict[str, Proxy] = field(default_factory=dict)
    dc_unreachable_from: tuple[str, ...] = ()
    clocks: dict[str, str] = field(default_factory=dict)
    after_sign_in: dict[str, AfterSignIn] = field(default_factory=dict)
    credential_guard_on: tuple[str, ...] = ()
    trust: Trust = Trust()
    restrict_ntlm_in_this_domain: RestrictNtlm = RestrictNtlm.DISABLE
