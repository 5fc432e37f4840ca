"""What people would use instead: installed from the registries, driven by the programs in peers/."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = Path(__file__).parent.parent / "peers"


@dataclass
class Peer:
    """A scheduler with the program that drives it."""

    name: str
    version: str
    command: list[str]


@dataclass
class Peers:
    """All that was installed; empty where nothing was asked for."""

    # In-memory schedulers, and APScheduler with its store on disk.
    schedulers: list[Peer] = field(default_factory=list)
    stored: Peer | None = None
    # The script that promptcron began with, and where remove-markdown is.
    script: Peer | None = None
    modules: Path | None = None

    def versions(self) -> list[tuple[str, str]]:
        """Name and version of each."""
        found = [*self.schedulers, *filter(None, [self.script])]
        return [(peer.name, peer.version) for peer in found]


def install(folder: Path) -> Peers:
    """Installs npm's croner, node-cron, cron and axios and PyPI's APScheduler into a folder."""
    npm, venv = folder / "npm", folder / "venv"
    npm.mkdir()
    for program in [*PROGRAMS.glob("*.mjs"), *PROGRAMS.parent.glob("text/*.mjs")]:
        # Node looks for modules beside the program.
        (npm / program.name).write_text(program.read_text())
    names = ["croner", "node-cron", "cron"]
    _quietly("npm", "install", "--prefix", npm, "--no-audit", "--no-fund", *names, "axios", "remove-markdown")
    _quietly(sys.executable, "-m", "venv", venv)
    python = venv / "bin" / "python"
    _quietly(python, "-m", "pip", "install", "--quiet", "apscheduler<4", "sqlalchemy")
    node = [
        Peer(f"npm {name}", _npm_version(npm, name), ["node", str(npm / f"{name}.mjs")])
        for name in names
    ]
    version = _quietly(
        python, "-c", "import importlib.metadata as m; print(m.version('apscheduler'))"
    ).strip()
    program, stored = (str(PROGRAMS / f"apscheduler_{kind}.py") for kind in ("peer", "stored"))
    script = Peer("Node script, axios", _npm_version(npm, "axios"), ["node", str(npm / "script.mjs")])
    return Peers(
        [*node, Peer("APScheduler", version, [str(python), program])],
        Peer("APScheduler, SQL store", version, [str(python), stored]),
        script,
        npm,
    )


def _quietly(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}")
    return done.stdout


def _npm_version(npm: Path, name: str) -> str:
    package = npm / "node_modules" / name / "package.json"
    return json.loads(package.read_text())["version"]


class DidNotStart(RuntimeError):
    """A peer that ended before it was ready."""

    def __init__(self, name: str, status: int) -> None:
        super().__init__(f"{name} did not start: exit {status}")
        self.status = status


class Running:
    """A peer's program: reads patterns, says that it is ready, and later what it measured."""

    def __init__(self, peer: Peer, arguments: list[str], crons: list[str]) -> None:
        self.process = subprocess.Popen(
            [*peer.command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # A zone named job by job costs Node's schedulers more: this is their best case.
            env=os.environ | {"TZ": "UTC"},
        )
        self.pid = self.process.pid
        self.process.stdin.write("\n".join(crons))
        self.process.stdin.close()
        if self.line() != "ready":
            raise DidNotStart(peer.name, self.process.wait())

    def line(self) -> str:
        return self.process.stdout.readline().strip()

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Kills it, as a crash does."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
