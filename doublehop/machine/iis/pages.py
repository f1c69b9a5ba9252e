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
from doublehop.machine.iis.backends import NOBODY, BackEnd, Outgoing
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
        """The process itself on the network; LocalService has no identity there (row B-09)."""
        if self.account is None:
            return NOBODY
        self.account.initiator().inquire(lifetime=True)  # makes the library fetch the account's TGT
        return Outgoing(ccache=self.account.ccache, account=self.account.name)


@dataclass(frozen=True, slots=True)
class Page:
    """One application's page, ready to answer."""

    application: Application
    worker: Worker
    back_ends: Mapping[str, BackEnd]
    fixed: Mapping[str, Outgoing]

    def whoami(self, caller: Caller | None, *, asked: list[str], act_as: str) -> dict[str, Any]:
        """Answer one request; `caller` is None for an anonymous one."""
        own = self.worker.account.name if self.worker.account else ""
        token = _token(caller)
        forwarded = _has_tgt(token)
        try:
            thread, outgoing = self._thread(own, caller, token, act_as)
            seen = {each: backends.ask(self.back_ends[each], outgoing) for each in asked}
            if act_as:
                keys.forget(outgoing.ccache)
        except NoTicketToItself as failure:
            thread, outgoing = act_as, NOBODY
            seen = {each: backends.refused(failure.refusal) for each in asked}
        finally:
            keys.forget(token.ccache)
        left = outgoing is token and any("identity" in each for each in seen.values())
        return {
            "scheme": "Kerberos" if caller else "Anonymous",
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

    def _protocol_transition(self, upn: str) -> Outgoing:
        """S4U2Self by the pool's account for a user it names (MS-SFU 3.1.5.1.1)."""
        if self.worker.account is None:
            return NOBODY
        name = gssapi.Name(upn, gssapi.NameType.kerberos_principal)
        try:
            ticket = self.worker.account.initiator().impersonate(name)
        except gssapi.exceptions.GSSError as failure:
            raise NoTicketToItself(failure) from failure
        return _stored(ticket, upn)


def _token(caller: Caller | None) -> Outgoing:
    """The caller's token as this machine could use it on the network."""
    if caller is None or caller.credentials is None:
        return NOBODY
    return _stored(caller.credentials, caller.principal)


def _stored(credentials: gssapi.Credentials, principal: str) -> Outgoing:
    ccache = keys.new_ccache()
    credentials.store(store={"ccache": ccache}, usage="initiate", overwrite=True)
    return Outgoing(ccache=ccache, account=principal.partition("@")[0])


def _has_tgt(token: Outgoing) -> bool:
    """Whether a TGT was forwarded; MIT marks a cache that can only ask for proxy tickets (KRB5_CC_CONF_...)."""
    return token is not NOBODY and b"proxy_impersonator" not in keys.content(token.ccache)
