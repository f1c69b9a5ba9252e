"""Results for a person to read, as plain lines; colour is added only where a terminal shows it. Pure."""

from collections.abc import Sequence

from doublehop.model import Observation, Registration, Request, Result, Scenario, VerdictKind
from doublehop.scope import Scope, scope_of
from doublehop.topology import Topology

COLOURS = {
    VerdictKind.AGREED: "green",
    VerdictKind.DISAGREED: "red",
    VerdictKind.BROKEN: "magenta",
    VerdictKind.NOT_RUN: "yellow",
}
VERDICT_WIDTH = max(len(kind) for kind in VerdictKind)


def result_line(result: Result, topology: Topology, id_width: int) -> str:
    """One scenario on one line: verdict, id, what each hop saw, wall time."""
    seen = "" if result.observation is None else hops(
        result.scenario, result.observation, scope_of(result.scenario.id, result.scenario.given, topology)
    )
    time = f"{result.seconds:5.2f} s" if result.seconds else ""
    return f"{result.verdict.kind:{VERDICT_WIDTH}}  {result.scenario.id:{id_width}}  {seen:60}  {time}".rstrip()


def hops(scenario: Scenario, observation: Observation, scope: Scope) -> str:
    """What was seen at hop 1 and hop 2, short."""
    match scenario.when:
        case Registration():
            return f"directory: {observation.directory}"
        case Request() as request:
            return " | ".join([_hop1(request.user, observation), *_hop2(observation, scope)])


def _hop1(user: str, observation: Observation) -> str:
    client, front_end = observation.client, observation.front_end
    if client.unasked:
        return f"{user}: {client.unasked}"
    if client.status == 200 and front_end:
        level = f" {front_end.level}" if front_end.level else ""
        return f"{user}: {client.status} {front_end.scheme}{level}"
    silent = f"credentials {'refused unread' if client.handshakes else 'not sent'}"
    reason = client.error or (front_end.error if front_end else "") or silent
    return f"{user}: {client.status} {reason}"


def _hop2(observation: Observation, scope: Scope) -> list[str]:
    return [f"{name} sees {scope.label(saw.identity)}" if saw.identity else f"{name}: {saw.error}"
            for name, saw in observation.back_ends.items()]


def table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns of plain text, each as wide as its widest cell but the last."""
    if not rows:
        return []
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]) - 1)]
    return ["  ".join([*(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
            for row in rows]
