"""What the page `/whoami` knows: who asked, who the thread and the pool are, and whom each back end saw.

The token's level follows from what it could really do: *Delegate* when a TGT came along or the KDC let the
caller's identity leave the machine; *Impersonate* when it cannot (rows C-01, C-02).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gssapi

from doublehop.frontend import Application, ImpersonateAs, PoolIdentity
from doublehop.machine.iis import backends, keys
from doublehop.machine.iis.backends import NOBODY, BackEnd, Outgoing, login_of
from doublehop.machine.iis.chain import PageBackEnd, ask_all
from doublehop.machine.iis.negotiate import Caller


class NoTicketToItself(Exception):
    """The KDC gave the pool's account no ticket to itself in a user's name (S4U2Self)."""

    def __init__(self, refusal: gssapi.exceptions.GSSError) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Worker:
    """The process that serves an application: its pool's name and identity, and that identity's account."""

    pool: str
    identity: PoolIdentity
    account: keys.Account | None

    def going_out(self) -> Outgoing:
        """The process itself on the network, where LocalService is nobody (row B-09), as is who cannot sign in."""
        if self.account is None:
            return NOBODY
        try:
            self.account.sign_in()
        except gssapi.exceptions.GSSError:
            return NOBODY
        return Outgoing(ccache=self.account.ccache, account=self.account.name)


@dataclass(frozen=True, slots=True)
class Page:
    """One application's page, ready to answer."""

    application: Application
    worker: Worker
    back_ends: Mapping[str, BackEnd | PageBackEnd]
    fixed: Mapping[str, Outgoing]
    accepts_as: keys.Account | None
    """Whose logon session takes callers in: it opens their tickets, and asks in the name of those without one."""

    def whoami(self, caller: Caller | None, *, asked: list[str], act_as: str) -> dict[str, Any]:
        """Answer one request; `caller` is None for an anonymous one."""
        own = self.worker.account.name if self.worker.account else ""
        token = self._token(caller, goes_out=bool(asked) and not act_as)
        forwarded = _has_tgt(token)
        try:
            thread, outgoing = self._thread(own, caller, token, act_as)
            seen = ask_all(self.back_ends, asked, outgoing)
            if act_as:
                keys.forget(outgoing.ccache)
        except NoTicketToItself as failure:
            thread, outgoing = act_as, NOBODY
            seen = {each.partition(".")[0]: backends.refused(failure.refusal) for each in asked}
        finally:
            keys.forget(token.ccache)
        left = outgoing is token and any("identity" in each for each in seen.values())
        return {
            "scheme": caller.scheme if caller else "Anonymous",
            "mechanism": caller.mechanism if caller else "",
            "user": caller.principal if caller else "",
            "level": "" if caller is None else "Delegate" if left or forwarded else "Impersonate",
            "thread": thread,
            "pool": own,
            "back_ends": seen,
        }

    def _thread(self, own: str, caller: Caller | None, token: Outgoing, act_as: str) -> tuple[str, Outgoing]:
        """Who the thread is, and who it is to the network."""
        impersonate = self.application.impersonate
        if act_as:
            return act_as, self._protocol_transition(act_as)
        if isinstance(impersonate, ImpersonateAs):
            return impersonate.userName, self.fixed[impersonate.userName]
        if impersonate:
            return (caller.principal if caller else "IUSR"), token  # anonymous: row B-13
        return own, self.worker.going_out()

    def _token(self, caller: Caller | None, *, goes_out: bool) -> Outgoing:
        """The caller's token as this machine could use it on the network.

        Who came without Kerberos left no ticket to show. Windows then asks for one in their name if the page
        is to go out as them, and the KDC decides what it is worth (rows C-07, C-08).
        """
        if caller is None:
            return NOBODY
        if caller.credentials is not None:
            return _stored(caller.credentials, caller.principal)
        if caller.scheme == "Kerberos" or self.application.impersonate is not True or not goes_out:
            return NOBODY
        try:
            return _transition(self.accepts_as, caller.principal)
        except gssapi.exceptions.GSSError:
            return NOBODY  # no ticket, no identity; why is in the KDC's log

    def _protocol_transition(self, upn: str) -> Outgoing:
        """S4U2Self by the pool's account for a user it names (MS-SFU 3.1.5.1.1)."""
        try:
            return _transition(self.worker.account, upn)
        except gssapi.exceptions.GSSError as failure:
            raise NoTicketToItself(failure) from failure


def _transition(account: keys.Account | None, upn: str) -> Outgoing:
    """A ticket to an account itself in a user's name."""
    if account is None:
        return NOBODY
    name = gssapi.Name(upn, gssapi.NameType.kerberos_principal)
    return _stored(account.initiator().impersonate(name), upn)


def _stored(credentials: gssapi.Credentials, principal: str) -> Outgoing:
    ccache = keys.new_ccache()
    credentials.store(store={"ccache": ccache}, usage="initiate", overwrite=True)
    return Outgoing(ccache=ccache, account=login_of(principal))


def _has_tgt(token: Outgoing) -> bool:
    """Whether a TGT was forwarded; MIT marks a cache that can only ask for proxy tickets (KRB5_CC_CONF_...)."""
    return token is not NOBODY and b"proxy_impersonator" not in keys.content(token.ccache)
