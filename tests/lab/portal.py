"""The configuration that most lab tests start from: one site whose pool runs as a domain account."""

from doublehop.frontend import Application, FrontEnd, HttpSys, Pool, PoolIdentity, Site, WindowsAuthentication

POOLS_KEY = WindowsAuthentication(useKernelMode=False)
"""The pool's account opens the tickets, and not the computer."""
DEFAULT_LIMITS = HttpSys()


def portal_site(*, windows: WindowsAuthentication = POOLS_KEY, impersonate: bool = False,
                binding: str = "*:80:{portal}", limits: HttpSys = DEFAULT_LIMITS) -> FrontEnd:
    """The site `Portal`, served by the pool of the account `pool`."""
    return FrontEnd(
        applicationPools={"Portal": Pool(identityType=PoolIdentity.SpecificUser, userName="pool")},
        sites={"Portal": Site(
            bindings=(binding,), windowsAuthentication=windows,
            applications={"/": Application(applicationPool="Portal", impersonate=impersonate)},
        )},
        httpSys=limits,
    )
