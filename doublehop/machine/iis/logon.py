"""Who reads which token: the schemes a site takes, and what they leave on a connection.

A reader says who the caller is or why it is nobody; this module only hands tokens out, by the site's own
configuration and by the form of the token.
"""

from dataclasses import dataclass

import gssapi

from doublehop.frontend import BasicAuthentication, Provider, WindowsAuthentication
from doublehop.machine.iis import basic, keys, ntlmssp
from doublehop.machine.iis.negotiate import BAD_BINDINGS, Caller, Channel, Exchange, Leg, Refusal, write_token
from doublehop.machine.iis.ntlm import Helpers, NtlmExchange


@dataclass(slots=True)
class Connection:
    """What one TCP connection has proven so far; this is state of the connection, as in IIS."""

    exchange: Exchange | NtlmExchange | None = None
    caller: Caller | None = None
    proven_for: str = ""
    ended: bool = False

    def forget_exchange(self) -> None:
        """Give up an exchange that is in progress, with what it holds."""
        if self.exchange is not None:
            self.exchange.close()
        self.exchange = None


@dataclass(frozen=True, slots=True)
class Logon:
    """How one application lets callers in."""

    windows: WindowsAuthentication
    basic: BasicAuthentication
    opens_with: keys.Account | None
    helpers: Helpers

    def prove(self, connection: Connection, read: tuple[str, bytes] | None, channel: Channel | None) -> Leg:
        """Hand a token to whoever reads its kind, if the site takes that kind.

        `channel` is what a token has to be bound to. The helper that checks NTLM cannot tell whether a message is
        bound, so where a binding is required NTLM is refused.
        """
        scheme, token = (read[0].lower(), read[1]) if read else ("", b"")
        if scheme == "basic" and self.basic.enabled:
            return basic.log_on(token, self.basic.logonMethod)
        if scheme not in self._schemes():
            return Leg(refusal=Refusal("SEC_E_INVALID_TOKEN", "no token of a kind that this site takes"))
        if ntlmssp.protocol_of(token) or isinstance(connection.exchange, NtlmExchange) or scheme == "ntlm":
            if channel is not None and channel.required:
                return Leg(refusal=Refusal(BAD_BINDINGS, "an NTLM message, whose binding cannot be told"))
            return self._ntlm(connection, scheme, token)
        return self._kerberos(connection, token, channel)

    def _ntlm(self, connection: Connection, scheme: str, token: bytes) -> Leg:
        if scheme == "negotiate" and Provider.Negotiate not in self.windows.providers:
            return Leg(refusal=Refusal("SEC_E_UNSUPPORTED_FUNCTION", "an NTLM message where Kerberos was needed"))
        if not isinstance(connection.exchange, NtlmExchange) or ntlmssp.is_first(token):
            connection.forget_exchange()
            protocol = ntlmssp.protocol_of(token)
            if not protocol or (scheme == "ntlm" and protocol != ntlmssp.RAW):
                return Leg(refusal=Refusal("SEC_E_INVALID_TOKEN", "no NTLM message"))
            connection.exchange = NtlmExchange(self.helpers, protocol)
        return connection.exchange.step(token)

    def _kerberos(self, connection: Connection, token: bytes, channel: Channel | None) -> Leg:
        if self.opens_with is None:
            return Leg(refusal=Refusal("SEC_E_NO_CREDENTIALS", "the worker process has no account in the domain"))
        try:
            connection.exchange = connection.exchange or Exchange(
                _accepting(self.opens_with), self.opens_with.examiner, channel)
        except gssapi.exceptions.GSSError as failure:
            return Leg(refusal=Refusal("SEC_E_NO_CREDENTIALS", str(failure)))
        return connection.exchange.step(token)

    def offers(self, host: str) -> list[str]:
        """What a 401 offers, in IIS's order."""
        windows = [_header_of(each) for each in self.windows.providers] if self.windows.enabled else []
        return [*windows, *([f'Basic realm="{host}"'] if self.basic.enabled else [])]

    def next_leg(self, authorization: str, answer: bytes) -> str:
        """The front end's own leg, in the scheme that the caller speaks."""
        return write_token("NTLM" if authorization.lower().startswith("ntlm ") else "Negotiate", answer)

    def kept(self, caller: Caller | None) -> bool:
        """Whether a connection stays authenticated after a request (rows B-23, B-24).

        NTLM proves a connection, whatever is said of the others; Basic is sent with each request.
        """
        if caller is None or caller.scheme == "Basic" or self.windows.authPersistSingleRequest:
            return False
        return caller.scheme == "NTLM" or self.windows.authPersistNonNTLM

    def _schemes(self) -> set[str]:
        return {_header_of(each).lower() for each in self.windows.providers} if self.windows.enabled else set()


def _header_of(provider: Provider) -> str:
    return "NTLM" if provider is Provider.NTLM else "Negotiate"


def _accepting(account: keys.Account) -> gssapi.Credentials:
    """The account's credentials; a ticket needs no KDC to be opened, so an account that cannot sign in accepts."""
    try:
        return account.credentials()
    except gssapi.exceptions.GSSError:
        return account.acceptor()
