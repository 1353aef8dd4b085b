"""Our own program behind the same calls as the agents: each operation is one run of the command line."""

import json
import os
import re
import tempfile
from pathlib import Path

from processes import AgentError, Child, run


class Testnet(Child):
    """`honeyguide testnet`: our nodes as the servers."""

    def __init__(self, program, nodes):
        arguments = ["testnet", "--nodes", nodes, "--json"]
        super().__init__("honeyguide testnet", [program, *arguments])
        self.address = json.loads(self.line(60))["bootstrap"]


class Node(Child):
    """`honeyguide node`: one of our nodes, on one or more links."""

    def __init__(self, program, binds, bootstrap=(), more=()):
        arguments = ["node", "--json", *more]
        for address in binds:
            arguments += ["--bind", address]
        for address in bootstrap:
            arguments += ["--bootstrap", address]
        super().__init__("honeyguide node", [program, *arguments])
        self.addresses = [json.loads(self.line(30))["addr"] for _ in binds]


class Program:
    """`honeyguide put`, `get`, .. against a bootstrap node: our program as the client."""

    name = "honeyguide"

    def __init__(self, program, bootstrap):
        self.program, self.bootstrap = program, bootstrap
        self.folder = tempfile.TemporaryDirectory(prefix="honeyguide-interop-")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def run(self, *arguments, bootstrap=True):
        """The results that one command printed; AgentError when it failed."""
        command = [self.program, *arguments, "--json", "--timeout", "30"]
        if bootstrap:
            command += ["--bootstrap", self.bootstrap]
        code, out, err = run(command, 40)
        results = [json.loads(line) for line in out.splitlines()]
        if code != 0:
            raise AgentError(f"exit {code}: {err.strip() or out.strip()}", refused_code(results))
        return results

    def secret(self, seed):
        """A file with the seed, as `keygen` writes it."""
        path = Path(self.folder.name) / seed[:16]
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(seed + "\n")
        return path

    def call(self, op, **request):
        return getattr(self, op)(**request)

    # ---- the operations of the agents ----

    def ping(self, address):
        return self.run("ping", address, bootstrap=False)[-1]

    def find_node(self, target):
        return {"nodes": self.run("find-node", target)[-1]["nodes"]}

    def announce(self, info_hash, port):
        return self.run("announce", info_hash, "--port", port)[-1]

    def peers(self, info_hash):
        return {"peers": [result["peer"] for result in self.run("peers", info_hash) if "peer" in result]}

    def put_immutable(self, value):
        return self.run("put", *self.value(value))[-1]

    def get_immutable(self, target):
        return self.item(self.run("get", target)[-1])

    def put_mutable(self, seed, value, salt="", seq=None, cas=None):
        arguments = ["put", "--secret", self.secret(seed)]
        if salt:
            arguments += ["--salt", bytes.fromhex(salt).decode()]
        if seq is not None:
            arguments += ["--seq", seq]
        if cas is not None:
            arguments += ["--cas", cas]
        return self.run(*arguments, *self.value(value))[-1]

    def get_mutable(self, key, salt=""):
        arguments = ["get", "--key", key]
        if salt:
            arguments += ["--salt", bytes.fromhex(salt).decode()]
        return self.item(self.run(*arguments)[-1])

    def value(self, value):
        """Bytes go through a file: an argument could not carry all of them."""
        path = Path(self.folder.name) / f"value-{os.urandom(4).hex()}"
        path.write_bytes(bytes.fromhex(value))
        return "--file", path

    @staticmethod
    def item(result):
        bencoded = bytes.fromhex(result["v_hex"])
        length, _, value = bencoded.partition(b":")
        if not length.isdigit() or int(length) != len(value):
            raise AssertionError(f"not one bencoded byte string: {bencoded!r}")
        return {"value": value.hex(), "seq": result.get("seq")}


def new_keys(program):
    """(seed, public key), both in hex, made by `keygen`."""
    with tempfile.TemporaryDirectory(prefix="honeyguide-interop-") as folder:
        path = Path(folder) / "secret"
        code, out, err = run([program, "keygen", path], 10)
        key = re.search(r"\b[0-9a-f]{64}\b", out)
        if code != 0 or key is None:
            raise AgentError(f"keygen: exit {code}: {err.strip() or out.strip()}")
        return path.read_text().strip(), key.group()


def refused_code(results):
    """The code that most nodes refused a put with, if its failure says so."""
    outcome = results[-1].get("outcome") if results else None
    refused = outcome.get("refused") if outcome else None
    return int(max(refused, key=refused.get)) if refused else None
