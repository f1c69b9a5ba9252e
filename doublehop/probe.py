"""Makes a scenario's request as the client and gathers what every hop saw; it judges nothing."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from doublehop import directory
from doublehop.errors import LabError
from doublehop.kdclog import RESULT, by_account, of_a_service, parse
from doublehop.lab import Agent, Lab, Pending
from doublehop.model import (
    BackEndSaw,
    ClientSaw,
    FrontEndSaw,
    KdcLine,
    Logged,
    Observation,
    Registration,
    Request,
)
from doublehop.rules.world import World, url_at
from doublehop.scope import Scope, referral_to, web_servers
from doublehop.wait import until

Refusal = Mapping[str, Any]

LOG_SECONDS = 5
INTERNAL_ERROR = 500
NO_LOGON_SERVERS = "STATUS_NO_LOGON_SERVERS"


def observe(request: Request, scope: Scope, passwords: Mapping[str, str], lab: Lab) -> Observation:
    """Ask for the page once (or as often as it says) and read every server's own account of it.

    The user's password goes along: NTLM and Basic are made from it, as from what Windows keeps of a sign-in.
    """
    servers = [lab.front_end(each) for each in web_servers(scope.given, request, scope.topology)]
    controllers = [*([lab.partner] if lab.partner is not None else []), lab.dc]
    marks = [(each, each.ask("log_mark")) for each in controllers]  # before anybody asks: a pool keeps its tickets
    if request.after:
        before = ask_for(request.after, request, scope, passwords, lab.client)
        if before.status != 200:
            raise LabError(f"{request.after} was to have the page before {request.user}, but got {before.status}")
        for each in servers:  # who was refused on the way of that request does not matter
            each.ask("forget_log")
    client = ask_for(request.user, request, scope, passwords, lab.client)
    if client.unasked:
        return Observation(client=client)
    page = page_of(client)
    refusals = _refusals(servers)
    _refuse_a_failing_lab(client, page, scope, servers, refusals)
    return Observation(
        client=client,
        front_end=front_end_saw(page, refusals),
        back_ends=back_ends_saw(page, scope, refusals),
        kdc=_kdc_lines(client, scope, marks),
    )


def ask_for(user: str, request: Request, scope: Scope, passwords: Mapping[str, str], client: Agent) -> ClientSaw:
    """Have one user ask for the page, and read what came of it on the client's side."""
    saw = client.ask(
        "probe", url=url_of(request, scope), principal=scope.principal(user),
        profile=dataclasses.asdict(request.client), times=request.times,
        hosts=[scope.fill(each) for each in scope.given.client_hosts], logon=logon_of(user, scope, passwords),
    )
    return ClientSaw(**{**saw, **{name: tuple(saw.get(name, ())) for name in ("offers", "ticket_flags")}})


def logon_of(user: str, scope: Scope, passwords: Mapping[str, str]) -> dict[str, str]:
    """What Windows knows of a user who signed in: domain, name and password."""
    return {"domain": scope.domain_of(user).domain, "user": scope.account(user), "password": passwords[user]}


def url_of(request: Request, scope: Scope) -> str:
    """The request's URL with the page's own parameters."""
    query = f"back_ends={','.join(request.back_ends)}"
    if request.act_as:
        query += f"&act_as={scope.principal(request.act_as)}"
    return f"{scope.fill(request.get)}?{query}"


def page_of(client: ClientSaw) -> dict[str, Any]:
    """The page as JSON, empty when there was none."""
    if client.status != 200:
        return {}
    page: dict[str, Any] = json.loads(client.body)
    return page


def _refuse_a_failing_lab(client: ClientSaw, page: dict[str, Any], scope: Scope, servers: Sequence[Agent],
                          refusals: Sequence[Refusal]) -> None:
    """A front end that stumbles, or a database that is not there, says nothing about delegation."""
    if client.status >= INTERNAL_ERROR:
        lines = [line for each in servers for line in each.log()]
        raise LabError("the front end failed with HTTP 500; its last log lines:\n" + "\n".join(lines))
    refusal = refusals[-1] if refusals else None
    if refusal and refusal["error"] == NO_LOGON_SERVERS and refusal["server"] not in scope.given.dc_unreachable_from:
        raise LabError(f"{refusal['server']} found no domain controller to check NTLM: {refusal['native']}")
    for name, saw in page.get("back_ends", {}).items():
        if saw.get("error") == "BACK_END_UNREACHABLE":
            raise LabError(f"back end {name} is not there: {saw['native']}")


def front_end_saw(page: dict[str, Any], refusals: Sequence[Refusal]) -> FrontEndSaw | None:
    """The front end's view: the page it served, or its log's last word on a request it refused."""
    if page:
        return FrontEndSaw(**{key: page[key] for key in ("scheme", "user", "level", "thread", "pool")})
    return FrontEndSaw(error=refusals[-1]["error"], native=refusals[-1]["native"]) if refusals else None


def back_ends_saw(page: dict[str, Any], scope: Scope, refusals: Sequence[Refusal]) -> dict[str, BackEndSaw]:
    """What the page says of each back end that it asked."""
    return {name: _back_end(name, each, scope, refusals) for name, each in page.get("back_ends", {}).items()}


def _back_end(name: str, told: Mapping[str, Any], scope: Scope, refusals: Sequence[Refusal]) -> BackEndSaw:
    """What the page says of a back end; of a page that refused, the reason is in that server's own log."""
    saw = BackEndSaw(**{key: value for key, value in told.items() if key != "login"})
    own = _by_server_of(name, scope, refusals) if saw.error == "HTTP_401" else ()
    return dataclasses.replace(saw, error=own[-1]["error"], native=own[-1]["native"]) if own else saw


def _by_server_of(name: str, scope: Scope, refusals: Sequence[Refusal]) -> Sequence[Refusal]:
    """Those of the web server that a page among the back ends is on; of a chain such as `api.books` the last link's."""
    place = World(scope).place(url_at(scope.page(name.rpartition(".")[2])), from_client=False)
    return [each for each in refusals if each["server"] == place.machine] if place else refusals


def _refusals(servers: Sequence[Agent]) -> list[Refusal]:
    """Every token that these web servers took for nobody's, with the server and its reason, each server's in order."""
    pending = [(each.machine.name, each.send("log")) for each in servers]
    logs = [{"server": name, **each} for name, log in pending for each in log.result()]
    return [each for each in logs if each["error"]]


def _kdc_lines(client: ClientSaw, scope: Scope, marks: Sequence[tuple[Agent, Any]]) -> tuple[KdcLine, ...]:
    """Every KDC's log of this request; the line for hop 1's ticket is waited for, since the client saw its result.

    The servers' own KDC comes last, as it does for a user of another domain. Whom the first KDC refers to nobody
    leaves a line of that refusal and no other.
    """

    def lines() -> tuple[KdcLine, ...] | None:
        told = (line for dc, mark in marks for line in parse(dc.ask("log_since", mark=mark, matching=RESULT)))
        found = tuple(each for line in told for each in _by_spn(line, client.spn, scope))
        asked = any(of_a_service(each, client.spn) or (each.error and each.service == referral_to(scope.topology.realm))
                    for each in found)
        return found if asked or not client.spn or not scope.client_reaches_dc else None

    return until(f"the KDC's log line for {client.spn}", LOG_SECONDS, lines)


def _by_spn(line: KdcLine, asked: str, scope: Scope) -> Iterator[KdcLine]:
    """A record as the KDC of the lab's make would leave it: one that names an account is of each SPN found there."""
    account, world = line.service.lower(), World(scope)
    names = dict.fromkeys(each for each in (asked, *(spn for _, spn in world.written())) if each)
    held = [each for each in names if by_account(line) and (label := world.found(each)[1])
            and scope.account(label).lower() == account]
    yield from (dataclasses.replace(line, service=each) for each in held) if held else (line,)


def logged(request: Request, scope: Scope, lab: Lab) -> tuple[Logged, ...]:
    """What the machines of a request noted in logs of their own, where they keep any; they tell it side by side.

    It never fails: how the scenario ended is known, and one machine's silence is no reason to lose what others say.
    """
    if not lab.keeps_logs:
        return ()
    servers = [lab.front_end(each) for each in web_servers(scope.given, request, scope.topology)]
    pending = [(each.machine.name, each.send("logged")) for each in (lab.dc, *servers, *lab.databases, lab.client)]
    return tuple(each for name, answer in pending for each in _told(name, answer))


def _told(machine: str, answer: Pending) -> list[Logged]:
    try:
        return [Logged(machine=machine, **each) for each in answer.result()]
    except LabError as failure:
        return [Logged(machine=machine, log="logs", text=f"not told: {failure}")]


def register(registration: Registration, scope: Scope, passwords: Mapping[str, str], lab: Lab) -> Observation:
    """Try to write an SPN or a right to delegate, and read the directory's answer.

    `passwords` are those of the scenario's own accounts, by label; machines' are the lab's.
    """
    change = directory.written(registration, scope)
    arguments: dict[str, Any] = {"change": change}
    writer = registration.by
    if writer != "administrator":
        password = passwords[writer] if writer in passwords else lab.secrets[scope.account(writer)].password
        arguments |= {"user": scope.principal(writer), "password": password}
    return Observation(directory=lab.client.ask("attempt", **arguments))
