"""Everything the scenarios need, below the user's cache folder; only Debian's own programs go into the system.

Versions are pinned in the files beside the agents. A folder is used only when its `ready` file exists, so an install
that was cut short is done again.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
REPOSITORY = HERE.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "honeyguide"


class Missing(Exception):
    """A tool that is not there and cannot be had."""


class Tools:
    """Commands that start the agents and our program."""

    def __init__(self):
        self.honeyguide = None
        self.libtorrent = None
        self.bittorrent_dht = None
        self.mainline = None
        self.drivers = None
        self.transmission = None


def everything(honeyguide, needs):
    tools = Tools()
    tools.honeyguide = Path(honeyguide).resolve() if honeyguide else our_program()
    if not os.access(tools.honeyguide, os.X_OK):
        raise Missing(f"no program at {tools.honeyguide}")
    if "libtorrent" in needs:
        tools.libtorrent = [python_environment() / "bin" / "python", HERE / "libtorrent" / "agent.py"]
    if "bittorrent-dht" in needs:
        tools.bittorrent_dht = [tool("node"), npm_folder() / "agent.mjs"]
    if "mainline" in needs:
        tools.mainline = [cargo_build(["--release"], HERE / "mainline", "interop-mainline")]
    if "drivers" in needs:
        tools.drivers = [cargo_build(["--release"], HERE / "drivers", "interop-drivers")]
    if "transmission" in needs:
        tools.transmission = debian_program("transmission-daemon")
    if "namespace" in needs:
        debian_program("ip", "iproute2")
    return tools


def our_program():
    return cargo_build(["--release", "--features", "cli", "--bin", "honeyguide"], REPOSITORY, "honeyguide")


def tool(name):
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed")
    return found


def debian_program(name, package=None):
    """A program of the system; the only kind of thing that is installed into it, when it is missing."""
    if shutil.which(name) is None:
        apt = ["env", "DEBIAN_FRONTEND=noninteractive", tool("apt-get"), "-qq"]
        call([*apt, "update"], 120)
        call([*apt, "install", "-y", "--no-install-recommends", package or name], 300)
    return tool(name)


def call(command, seconds, **more):
    command = [str(part) for part in command]
    try:
        done = subprocess.run(
            command, timeout=seconds, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, **more
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"`{' '.join(command)}` took longer than {seconds} s") from None
    if done.returncode != 0:
        raise Missing(f"`{' '.join(command)}` failed: {done.stdout[-2000:]}")
    return done.stdout


def keyed_folder(name, *files):
    """A folder of the cache whose name changes with the contents of the files."""
    digest = hashlib.sha256(sys.version.encode())
    for file in files:
        digest.update(file.read_bytes())
    return CACHE / "interop" / f"{name}-{digest.hexdigest()[:12]}"


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def python_environment():
    requirements = HERE / "libtorrent" / "requirements.txt"
    folder = keyed_folder("libtorrent", requirements)
    if not (folder / "ready").exists():
        fresh(folder)
        call([sys.executable, "-m", "venv", folder], 120)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        call([*pip, "-r", requirements], 300)
        (folder / "ready").touch()
    return folder


def npm_folder():
    """The modules and, beside them, where it finds them, the agent."""
    files = [HERE / "bittorrent-dht" / name for name in ("package.json", "package-lock.json")]
    folder = keyed_folder("bittorrent-dht", *files)
    if not (folder / "ready").exists():
        fresh(folder)
        for file in files:
            shutil.copy(file, folder)
        call([tool("npm"), "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], 300, cwd=folder)
        (folder / "ready").touch()
    shutil.copy(HERE / "bittorrent-dht" / "agent.mjs", folder)
    return folder


def cargo_build(arguments, folder, name):
    """Builds a program and returns the path that cargo itself names."""
    environment = dict(os.environ)
    environment.setdefault("CARGO_TARGET_DIR", str(CACHE / "target"))
    command = [tool("cargo"), "build", "--locked", "--message-format=json-render-diagnostics", *arguments]
    for line in call(command, 1500, cwd=folder, env=environment).splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == name:
            return Path(message["executable"])
    raise Missing(f"cargo built no {name}")
