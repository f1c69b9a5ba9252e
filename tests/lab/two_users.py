"""Runs inside the client machine: several users ask for one page at once, over a pool of kept connections.

Reads from standard input what to do: `host`, `users` (a label with its credential cache each), `requests`,
`connections` and whether connections are `shared` between users. Writes a list of
[label, start, end, tokens sent, status, page] in seconds of one clock.
"""

import base64
import http.client
import itertools
import json
import queue
import sys
import threading
import time

import gssapi

SECONDS = 60


class Asker:
    """Users who ask for one page, each with tickets of their own."""

    def __init__(self, host, users):
        self.host = host
        self.name = gssapi.Name(f"HTTP@{host}", gssapi.NameType.hostbased_service)
        self.credentials = {
            label: gssapi.Credentials(usage="initiate", store={"ccache": ccache}) for label, ccache in users.items()
        }

    def ask(self, label, connection):
        """Ask as one user; a token is sent when the server asks for one."""
        headers: dict[str, str] = {}
        start, sent = time.monotonic(), 0
        while True:
            connection.request("GET", "/whoami?back_ends=sql", headers=headers)
            response = connection.getresponse()
            body = response.read()
            if response.status != 401 or headers:
                break
            context = gssapi.SecurityContext(name=self.name, creds=self.credentials[label], usage="initiate")
            headers = {"Authorization": f"Negotiate {base64.b64encode(context.step()).decode()}"}
            sent += 1
        page = json.loads(body) if response.status == 200 else {}
        return [label, start, time.monotonic(), sent, response.status, page]


def main(host, users, requests, connections, shared):
    asker, answers, failures = Asker(host, users), [], []
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    for label in itertools.islice(itertools.cycle(users), requests):
        todo.put(label)
    pools: dict[str, queue.SimpleQueue[http.client.HTTPConnection]] = {label: queue.SimpleQueue() for label in users}
    if shared:
        pools = dict.fromkeys(users, queue.SimpleQueue())
    for _, label in zip(range(connections), itertools.cycle(users)):
        pools[label].put(http.client.HTTPConnection(host, 80, timeout=SECONDS))

    def work():
        try:
            while True:
                label = todo.get_nowait()
                connection = pools[label].get(timeout=SECONDS)
                answers.append(asker.ask(label, connection))
                pools[label].put(connection)
        except queue.Empty:
            pass
        except Exception as failure:  # noqa: BLE001 - whatever went wrong ends the run and is told
            failures.append(repr(failure))

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if failures:
        sys.exit("\n".join(failures))
    json.dump(answers, sys.stdout)


main(**json.load(sys.stdin))
