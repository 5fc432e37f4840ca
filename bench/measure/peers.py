"""What people would use instead: installed from the registries, driven by the programs in peers/."""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from . import daemon, idle, lateness

PROGRAMS = Path(__file__).parent.parent / "peers"


@dataclass
class Peer:
    """A scheduler with the program that drives it."""

    name: str
    version: str
    command: list[str]


def install(folder: Path) -> list[Peer]:
    """Installs npm's croner and node-cron and PyPI's APScheduler into a folder."""
    npm, venv = folder / "npm", folder / "venv"
    npm.mkdir()
    for program in PROGRAMS.glob("*.mjs"):
        # Node looks for modules beside the program.
        (npm / program.name).write_text(program.read_text())
    _quietly("npm", "install", "--prefix", npm, "--no-audit", "--no-fund", "croner", "node-cron")
    _quietly(sys.executable, "-m", "venv", venv)
    python = venv / "bin" / "python"
    _quietly(python, "-m", "pip", "install", "--quiet", "apscheduler<4")
    node = [
        Peer(name, _npm_version(npm, name), ["node", str(npm / f"{name}.mjs")])
        for name in ("croner", "node-cron")
    ]
    version = _quietly(
        python, "-c", "import importlib.metadata as m; print(m.version('apscheduler'))"
    )
    program = str(PROGRAMS / "apscheduler_peer.py")
    return [*node, Peer("APScheduler", version.strip(), [str(python), program])]


def _quietly(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}")
    return done.stdout


def _npm_version(npm: Path, name: str) -> str:
    package = npm / "node_modules" / name / "package.json"
    return json.loads(package.read_text())["version"]


def burst(peer: Peer, jobs: int, rounds: int) -> tuple[lateness.Spread, int]:
    """How late its callbacks are, with `jobs` due in one second; and the most that it lost."""
    late = [_burst(peer, jobs) for _ in range(rounds)]
    return lateness.spread(late), jobs - min(map(len, late))


def _burst(peer: Peer, jobs: int) -> list[float]:
    due = int(time.time()) + 3 + jobs // 1_000
    with _Running(peer, ["burst", str(due)], [daemon.once_at(due)] * jobs) as running:
        if time.time() > due:
            raise RuntimeError(f"{peer.name} was not ready in time: the machine is too busy")
        called = json.loads(running.line())
    return [at - due * 1e3 for at in called]


def at_rest(peer: Peer, jobs: int, rounds: int, idle_s: float) -> idle.Idle:
    """What it takes with `jobs` daily jobs of which none is due."""
    start, resident, cpu = [], [], []
    for _ in range(rounds):
        began = time.perf_counter()
        with _Running(peer, ["idle"], daemon.daily(jobs)) as running:
            start.append((time.perf_counter() - began) * 1e3)
            usage = idle.usage_when_idle(running.pid, idle_s)
        resident.append(usage[0])
        cpu.append(usage[1])
    median = statistics.median
    return idle.Idle(median(start), median(start), median(resident), median(cpu))


class _Running:
    """A peer's program: reads patterns, says that it is ready, and later what it measured."""

    def __init__(self, peer: Peer, arguments: list[str], crons: list[str]) -> None:
        self._process = subprocess.Popen(
            [*peer.command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # A zone named job by job costs Node's schedulers more: this is their best case.
            env=os.environ | {"TZ": "UTC"},
        )
        self.pid = self._process.pid
        self._process.stdin.write("\n".join(crons))
        self._process.stdin.close()
        if self.line() != "ready":
            raise RuntimeError(f"{peer.name} did not start")

    def line(self) -> str:
        return self._process.stdout.readline().strip()

    def __enter__(self) -> "_Running":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
