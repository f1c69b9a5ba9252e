"""Runs in the lab's client machine: programs in Windows guests, as the provider runs them; JSON in, JSON out."""

import json
import os
import subprocess
import sys
from pathlib import Path

from doublehop.errors import DoublehopError

given = json.load(sys.stdin)
Path(given["authority"]["path"]).write_text(given["authority"]["pem"])
os.environ["KRB5CCNAME"] = given["ccache"]
if "ticket" in given:
    subprocess.run(["kinit", given["ticket"]["principal"]], input=given["ticket"]["password"], text=True, check=True,
                   stdout=subprocess.DEVNULL)
    from types import ModuleType

    sys.modules["krb5"] = ModuleType("krb5")  # pyspnego wants it beside gssapi, for passwords and keytabs only

from doublehop.providers.winrm import Account, Connection, Endpoint  # noqa: E402 - as the environment now says

answers = []
endpoint = Endpoint(**{**given["endpoint"], "authority": Path(given["authority"]["path"])})
connection = Connection(endpoint, Account(**given["account"]))
for each in given["run"]:
    try:
        done = connection.run(*each["argv"], stdin=each.get("stdin", ""), seconds=each.get("seconds", 30))
        answers.append({"code": done.code, "stdout": done.stdout, "stderr": done.stderr})
    except DoublehopError as failure:
        answers.append({"error": type(failure).__name__, "text": str(failure)})
connection.close()
json.dump(answers, sys.stdout)
