"""Windows guests as far as WinRM shows them: a WSMan server in a machine of the lab, and PowerShell's engine behind it.

The server has the machine's key and runs where the lab is; the scripts run beside the tests, in the `pwsh` of whoever
runs these, each machine with a folder of its own for drive C. Nothing goes from here to the lab but the server's own
standard input and output.
"""

import base64
import json
import os
import subprocess
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SERVER = (Path(__file__).parent / "wsman_server.py").read_text()
SECONDS = 30
FOREVER = 3600


class PowerShell:
    """The `powershell.exe` of one stub machine."""

    def __init__(self, program, name, drive, windows=None, watch=None):
        self._program = program
        self._drive = drive
        self._around = windows.around if windows else str
        self._watch = watch
        self._environment = {**os.environ, "COMPUTERNAME": name.upper()}
        self._running = {}

    def run(self, number, argv, stdin):
        """What Windows would run; gives exit code, output and errors."""
        program, *options, flag, command = argv
        if program.lower() != "powershell.exe" or flag != "-EncodedCommand":
            return {"code": 1, "stdout": "", "stderr": f"'{program}' is not recognized as a command"}
        text = base64.b64decode(command).decode("utf-16-le").replace("C:/", f"{self._drive}/")
        if self._watch:
            self._watch(text, stdin)
        process = subprocess.Popen([self._program, *options, "-Command", self._around(text)],
                                   env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self._running[number] = process
        out, errors = process.communicate(stdin)
        del self._running[number]
        return {"code": process.returncode, "stdout": out, "stderr": errors}

    def end(self, number):
        """End a program that its caller waits for no more."""
        process = self._running.get(number)
        if process is not None:
            process.kill()


class Guest:
    """A running WSMan server, and what it told of its callers."""

    def __init__(self, machine, drive, powershell, given):
        self.told, self.ran, self.closed = [], [], 0
        self.drive = drive
        self._powershell = powershell
        self._lock = threading.Lock()
        self._stream = machine.open("python3", "-c", SERVER)
        self._say(given)
        first = self._stream.receive(SECONDS)
        assert first is not None and "listening" in json.loads(first), self._stream.log()
        self._workers = ThreadPoolExecutor(4)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self):
        while (line := self._stream.receive(FOREVER)) is not None:
            told = json.loads(line)
            if "run" in told:
                self.ran.append(told["argv"])
                self._workers.submit(self._run, told)
            elif "end" in told:
                self._powershell.end(told["end"])
            elif "closed" in told:
                self.closed += 1
            else:
                self.told.append(told)

    def _run(self, asked):
        try:
            came = self._powershell.run(asked["run"], asked["argv"], asked["stdin"])
        except Exception:  # noqa: BLE001 - whatever it is, the caller waits for an answer, and tells it
            came = {"code": 1, "stdout": "", "stderr": traceback.format_exc()}
        self._say({"run": asked["run"], **came})

    def _say(self, what):
        with self._lock:
            self._stream.send(json.dumps(what).encode() + b"\n")

    def log(self):
        """The server's own last words."""
        return self._stream.log()

    def close(self):
        """End the server: it ends with its input."""
        self._stream._stdin.close()
        self._listener.join(SECONDS)
        self._workers.shutdown()
        self._stream.close()
