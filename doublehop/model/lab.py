"""What machines are for, and what a lab has that a scenario may need."""

from enum import StrEnum


class Role(StrEnum):
    """What a machine is for in a topology."""

    DOMAIN_CONTROLLER = "domain-controller"
    FRONT_END = "front-end"
    BACK_END = "back-end"
    CLIENT = "client"


class Need(StrEnum):
    """Something a scenario requires of a lab; a lab lists what it has."""

    KERBEROS = "kerberos"
    """A KDC whose tickets the front end and the back end can open."""
    RBCD = "rbcd"
    """A KDC that reads msDS-AllowedToActOnBehalfOfOtherIdentity (Samba from 4.19; row C-13)."""
    WINDOWS = "windows"
    """Windows itself: HTTP.sys, IIS's own accounts, Credential Guard (rows B-01, B-09, C-26)."""
    TWO_FRONT_ENDS = "two-front-ends"
    """A second web server in the same domain."""
    OFFLINE_DIRECTORY = "offline-directory"
    """Write access to the directory below its own checks, to plant what it would refuse (row A-10)."""
    NTLM = "ntlm"
    """Front ends that have NTLM checked by the domain controller (rows A-01, S-06)."""
    CLIENT_NETWORK = "client-network"
    """The client's routes and hosts file are the lab's to change (rows A-02, A-28)."""
    NETWORK = "network"
    """The routes of servers are the lab's to change."""
    GMSA = "gmsa"
    """A directory that hands out managed passwords (Samba from 4.21; row A-30)."""
    CLOCKS = "clocks"
    """The clocks of clients and front ends are the lab's to set wrong (row E-20)."""
    RESOURCE_SIDS = "resource-sids"
    """A KDC that writes local groups into tickets as Windows does, short or in full (Samba from 4.19; row B-27)."""
    TRUST = "trust"
    """A second domain in a forest of its own, and a two-way forest trust (rows C-23, C-24)."""
    REVERSE_PROXY = "reverse-proxy"
    """Web servers that run the lab's own reverse proxy."""
    OTHER_CLIENTS = "other-clients"
    """A client that can be other programs than its system's own, and have other policies (rows E-15, B-30)."""
    STANDING_SIGN_INS = "standing-sign-ins"
    """Users and services that stay signed in while the directory changes around them."""
    COMPUTER_PASSWORDS = "computer-passwords"
    """The lab knows, and may set, the passwords of its computers' accounts."""
    REQUEST_LIMITS = "request-limits"
    """Web servers whose limits of a request can be changed without a restart of the machine (rows B-26, B-27)."""
    BASIC = "basic"
    """Front ends that take a name and a password (row C-31)."""
    ACT_AS = "act-as"
    """Pages that make the identity of a user by themselves, `new WindowsIdentity(upn)` (MS-SFU 3.1.5.1.1)."""
    PORT_SHARING = "port-sharing"
    """Sites of several accounts behind one port, as HTTP.sys has them (row B-03)."""
    ASP_IDENTITY = "asp-identity"
    """ASP.NET's `<identity>` for more than a caller who said who it is: its own user, or IUSR (rows B-13, B-14)."""
    SHARED_POOL = "shared-pool"
    """Several applications in one pool, and so in one process."""
    DOTNET = "dotnet"
    """A host with .NET, which the machines are given a copy of."""


OF_FRONT_ENDS = frozenset({Need.BASIC, Need.ACT_AS, Need.PORT_SHARING, Need.ASP_IDENTITY, Need.SHARED_POOL})
"""What is a matter of the front end alone, whoever brings its machine up."""
