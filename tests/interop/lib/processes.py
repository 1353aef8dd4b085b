"""Child processes that never outlive the run, and the agents among them.

An agent wraps one implementation behind a protocol of JSON lines (README.md). Every read has a deadline.
"""

import json
import os
import queue
import signal
import subprocess
import threading
import time

_children = []
# Addresses of agents and what they are, for as long as a scenario runs.
peers = {}


class AgentError(Exception):
    """The agent carried out a request and says that it did not succeed."""

    def __init__(self, text, code=None):
        super().__init__(text if code is None else f"{text} (code {code})")
        self.code = code


class Child:
    """A process with a session of its own, whose standard output is read by a thread."""

    def __init__(self, name, command, **more):
        self.name = name
        self.log = []
        self.lines = queue.Queue()
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **more,
        )
        _children.append(self)
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def _read_errors(self):
        for line in self.process.stderr:
            self.log = self.log[-20:] + [line.rstrip()]

    def line(self, seconds):
        """The next line of its output."""
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError(f"{self.name} said nothing for {seconds} s") from None
        if line is None:
            self.lines.put(None)
            raise RuntimeError(f"{self.name} ended with {self.process.wait()}: {' | '.join(self.log)}")
        return line

    def end(self):
        if self.process.poll() is None:
            for number, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 3)):
                try:
                    os.killpg(self.process.pid, number)
                    self.process.wait(patience)
                    break
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue
        if self in _children:
            _children.remove(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Agent(Child):
    """One implementation, one process, one or more nodes; the first node carries out what is asked."""

    def __init__(self, name, command, bootstrap=(), nodes=1, **more):
        arguments = ["--nodes", nodes]
        for address in bootstrap:
            arguments += ["--bootstrap", address]
        super().__init__(name, [*command, *arguments], **more)
        hello = json.loads(self.line(60))
        self.implementation = hello["implementation"]
        self.addresses = hello["addresses"]
        peers.update(dict.fromkeys(self.addresses, self.implementation))

    def call(self, op, seconds=40, **request):
        """Carries out one operation; its answer, or AgentError."""
        self.process.stdin.write(json.dumps({"op": op, **request}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.line(seconds))
        if answer.pop("ok"):
            return answer
        raise AgentError(answer.get("error", ""), answer.get("code"))


def end_all():
    for child in list(_children):
        child.end()


def run(command, seconds, **more):
    """A command from start to end: (exit code, standard output, standard error)."""
    with subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **more,
    ) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise TimeoutError(f"{os.path.basename(str(command[0]))} took longer than {seconds} s") from None
        return process.returncode, out, err


def until(seconds, work, pause=0.25):
    """Repeats `work` until it returns something true; its last error otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            result, error = work(), AssertionError("nothing came")
        except (AgentError, AssertionError) as reason:
            result, error = None, reason
        if result:
            return result
        if time.monotonic() > deadline:
            raise error
        time.sleep(pause)
