"""transmission, for the DHT library that it carries (jech/dht). It has no commands for the DHT, so what it does is seen
from the outside: it announces a torrent, and it connects to the peers of one."""

import json
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from processes import AgentError, Child, run

RPC_PORT = 9091
PEER_PORT = 51413


class Transmission(Child):
    def __init__(self, program, host, bootstrap):
        self.folder = tempfile.TemporaryDirectory(prefix="honeyguide-interop-")
        folder = Path(self.folder.name)
        settings = {
            "bind-address-ipv4": host,
            "dht-enabled": True,
            "download-dir": str(folder / "downloads"),
            "encryption": 0,
            "lpd-enabled": False,
            "peer-port": PEER_PORT,
            "peer-port-random-on-start": False,
            "pex-enabled": False,
            "port-forwarding-enabled": False,
            "rpc-authentication-required": False,
            "rpc-bind-address": host,
            "rpc-host-whitelist-enabled": False,
            "rpc-port": RPC_PORT,
            "rpc-whitelist-enabled": False,
            # It would try uTP first, and who waits for it here speaks TCP.
            "utp-enabled": False,
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        lines = [address.replace(":", " ") for address in bootstrap]
        (folder / "dht.bootstrap").write_text("\n".join(lines) + "\n")
        self.url = f"http://{host}:{RPC_PORT}/transmission/rpc"
        self.session = ""
        command = [program, "--foreground", "--no-portmap", "--config-dir", folder]
        super().__init__("transmission", command)

    def end(self):
        super().end()
        self.folder.cleanup()

    def call(self, method, **arguments):
        """One request to its control port."""
        body = json.dumps({"method": method, "arguments": arguments}).encode()
        for _ in range(2):
            request = urllib.request.Request(self.url, body, {"X-Transmission-Session-Id": self.session})
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    result = json.load(answer)
                    if result["result"] != "success":
                        raise AgentError(result["result"])
                    return result["arguments"]
            except urllib.error.HTTPError as error:
                if error.code != 409:
                    raise AgentError(str(error)) from None
                # It wants a number repeated that it gives with its first refusal.
                self.session = error.headers["X-Transmission-Session-Id"]
            except OSError as error:
                raise AgentError(str(error)) from None
        raise AgentError("no session")

    def add(self, info_hash):
        """Adds a torrent of which nothing but the info-hash is known, so only the DHT can help."""
        self.call("torrent-add", filename=f"magnet:?xt=urn:btih:{info_hash}")


def version(program):
    _, out, err = run([program, "--version"], 10)
    return (out or err).split(" (")[0].strip()
