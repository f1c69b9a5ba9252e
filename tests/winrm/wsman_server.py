"""A WSMan server with WinRS shells, as far as pypsrp asks for them (MS-WSMV); it runs inside a machine of the lab.

HTTPS with the certificate it is given, Negotiate by the reference front end's own acceptors: tickets are opened with
the machine's key and bound to the TLS channel, NTLM is checked by the domain controller. It runs no program itself:
whoever started it reads a line of JSON for each, and answers with what the program came to.
"""

import asyncio
import base64
import json
import os
import ssl
import sys
import uuid
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from aiohttp import web

from doublehop.frontend import BasicAuthentication, WindowsAuthentication
from doublehop.machine.agent import write_secret
from doublehop.machine.iis import keys
from doublehop.machine.iis.logon import Connection, Logon
from doublehop.machine.iis.negotiate import Channel, read_token, write_token
from doublehop.machine.iis.ntlm import Helpers

NS = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "t": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
    "r": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
}
DONE = f"{NS['r']}/CommandState/Done"
BUSY = 170
NO_OUTPUT_YET, ACCESS_DENIED, UNKNOWN_SHELL, TOO_LARGE = 2150858793, 5, 2150858843, 2150858898
ENVELOPE = 153600
"""What a client may send at once where nobody configured more (`MaxEnvelopeSizekb`)."""
TIMED_OUT = "The WS-Management service cannot complete the operation within the time specified in OperationTimeout."


class Fault(Exception):
    """What the service answers instead of a result."""


class Commands:
    """The programs that callers started, and what each came to."""

    def __init__(self, tell):
        self._tell = tell
        self._stdin = defaultdict(bytes)
        self._argv = {}
        self._ends = {}

    def start(self, argv):
        number = str(uuid.uuid4()).upper()
        self._argv[number], self._ends[number] = argv, asyncio.get_running_loop().create_future()
        return number

    def feed(self, number, data, end):
        self._stdin[number] += data
        if end:
            self._tell({"run": number, "argv": self._argv[number], "stdin": self._stdin.pop(number).decode()})

    def ended(self, came):
        self._ends[came["run"]].set_result(came)

    async def end_of(self, number, seconds):
        try:
            return await asyncio.wait_for(asyncio.shield(self._ends[number]), seconds)
        except TimeoutError as failure:
            raise Fault(NO_OUTPUT_YET, TIMED_OUT) from failure

    def forget(self, number):
        if not self._ends[number].done():
            self._tell({"end": number})


class Service:
    """One WSMan endpoint."""

    def __init__(self, given, tell):
        account = keys.unlock(**given["account"])
        helpers = Helpers(lambda: None, given["domain"], given["realm"])
        self._logon = Logon(WindowsAuthentication(), BasicAuthentication(), account, helpers)
        self._channel = Channel(base64.b64decode(given["end_point"]), required=False)
        self._administrators = [each.lower() for each in given["administrators"]]
        self._connections: WeakKeyDictionary[Any, Connection] = WeakKeyDictionary()
        self._tell = tell
        self._shells = set()
        self._silent = given.get("silent", False)
        self._late = given.get("late", 0)
        self._sends = [*given.get("sends", ())]
        self.commands = Commands(tell)

    async def answer(self, request):
        connection = self._connections.setdefault(request.transport, Connection())
        header = request.headers.get("Authorization", "")
        answered = b""
        if header:
            leg = await asyncio.to_thread(self._logon.prove, connection, read_token(header), self._channel)
            if leg.caller is None:
                return self._challenge(header, leg)
            connection.forget_exchange()
            connection.caller, answered = leg.caller, leg.answer
            self._tell({"caller": leg.caller.principal, "scheme": leg.caller.scheme})
        if connection.caller is None:
            return self._challenge("", None)
        if self._silent:
            await asyncio.Event().wait()
        sent = await request.read()
        asked = ET.fromstring(sent)
        try:
            if len(sent) > ENVELOPE:
                self._refuse(TOO_LARGE, f"the request is larger than {ENVELOPE}")
            status, body = 200, await self._do(asked, connection.caller.principal)
        except Fault as fault:
            status, body = 500, fault_of(*fault.args)
        headers = {"WWW-Authenticate": write_token("Negotiate", answered)} if answered else {}
        return web.Response(status=status, body=enveloped(asked, body), headers=headers,
                            content_type="application/soap+xml", charset="UTF-8")

    def _refuse(self, code, reason):
        raise Fault(code, reason)

    def _challenge(self, header, leg):
        if leg is not None and leg.refusal is not None:
            self._tell({"refused": leg.refusal.error})
        next_leg = leg is not None and leg.refusal is None and leg.answer
        offers = [self._logon.next_leg(header, leg.answer)] if next_leg else self._logon.offers("")[:1]
        return web.Response(status=401, headers={"WWW-Authenticate": offers[0]})

    async def _do(self, asked, caller):
        if caller.lower() not in self._administrators:
            self._refuse(ACCESS_DENIED, "Access is denied.")
        action = asked.findtext("s:Header/a:Action", namespaces=NS).rpartition("/")[2]
        shell = asked.findtext("s:Header/w:SelectorSet/w:Selector", namespaces=NS)
        if action != "Create" and shell not in self._shells:
            raise Fault(UNKNOWN_SHELL, "The shell was not found on the server.")
        seconds = float(asked.findtext("s:Header/w:OperationTimeout", namespaces=NS)[2:-1])
        body = asked.find("s:Body", NS)
        match action:
            case "Create":
                return self._opened()
            case "Delete":
                self._tell({"closed": True})
                self._shells.remove(shell)
                return []
            case "Command":
                argv = [each.text for each in body[0] if each.tag.endswith(("}Command", "}Arguments"))]
                return [element("r:CommandResponse", element("r:CommandId", text=self.commands.start(argv)))]
            case "Send":
                sent = body[0][0]
                slow = self._sends.pop(0) if self._sends else ""
                if slow == "busy":
                    raise Fault(BUSY, "The requested resource is in use.")
                self.commands.feed(sent.get("CommandId"), base64.b64decode(sent.text or ""),
                                   sent.get("End", "").lower() == "true")
                if slow == "late":
                    raise Fault(NO_OUTPUT_YET, TIMED_OUT)
                return [element("r:SendResponse")]
            case "Receive":
                number = body[0][0].get("CommandId")
                return [received(number, await self.commands.end_of(number, seconds + self._late))]
            case "Signal":
                self.commands.forget(body[0].get("CommandId"))
                return [element("r:SignalResponse")]
        raise Fault(ACCESS_DENIED, f"not understood: {action}")

    def _opened(self):
        number = str(uuid.uuid4()).upper()
        self._shells.add(number)
        selected = element("w:SelectorSet", element("w:Selector", text=number, Name="ShellId"))
        return [element("t:ResourceCreated", element("a:ReferenceParameters", selected)),
                element("r:Shell", element("r:ShellId", text=number))]


def element(name, *children, text=None, **attributes):
    prefix, _, local = name.partition(":")
    made = ET.Element(f"{{{NS[prefix]}}}{local}", attributes)
    made.text = text
    made.extend(children)
    return made


def enveloped(asked, body):
    relates = element("a:RelatesTo", text=asked.findtext("s:Header/a:MessageID", namespaces=NS))
    return ET.tostring(element("s:Envelope", element("s:Header", relates), element("s:Body", *body)), encoding="utf-8")


def fault_of(code, reason):
    detail = element("f:WSManFault", element("f:Message", text=reason), Code=str(code), Machine=os.uname().nodename)
    return [element("s:Fault", element("s:Code", element("s:Value", text="s:Receiver")),
                    element("s:Reason", element("s:Text", text=reason)), element("s:Detail", detail))]


def received(number, came):
    streams = [element("r:Stream", text=base64.b64encode(came[name].encode()).decode(), Name=name, CommandId=number)
               for name in ("stdout", "stderr") if came[name]]
    state = element("r:CommandState", element("r:ExitCode", text=str(came["code"])), State=DONE, CommandId=number)
    return element("r:ReceiveResponse", *streams, state)


async def main():
    given = json.loads(sys.stdin.readline())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(write_secret(Path("/run/wsman.pem"), given["certificate"]))
    service = Service(given, lambda told: print(json.dumps(told), flush=True))
    runner = web.ServerRunner(web.Server(service.answer))
    await runner.setup()
    await web.TCPSite(runner, given["address"], given["port"], ssl_context=context).start()
    print(json.dumps({"listening": given["port"]}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        service.commands.ended(json.loads(line))
    os._exit(0)  # whoever waits for output waits no more


if __name__ == "__main__":
    asyncio.run(main())
