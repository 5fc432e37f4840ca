"""How long a reload takes with many jobs: in the daemon, and as a whole command."""

import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import daemon
from .bench import Bench, say
from .report import number

JOBS = 10_000
AIM_MS = 200


@dataclass
class Times:
    """Milliseconds of several reloads with the same kind of change."""

    daemon: list[float] = field(default_factory=list)
    command: list[float] = field(default_factory=list)


def measure(program: Path, rounds: int) -> dict[str, Times]:
    """Of a config that is as it was, has one other job, and has other schedules."""
    with tempfile.TemporaryDirectory(prefix="promptcron-bench-") as name:
        folder = Path(name)
        crons = daemon.daily(JOBS)
        daemon.write_config(folder, 9, crons)
        taken: dict[str, Times] = {}
        with daemon.Daemon(program, folder):
            for turn in range(2 * rounds):
                one = [crons[turn + 1], *crons[1:]]
                # Each turn is a schedule of its own: another minute, hours from now.
                every = [f"{(n + turn + 1) % 60} {cron.split()[1]} * * *" for n, cron in enumerate(crons)]
                for what, changed in (("nothing", crons), ("one job", one), ("every schedule", every)):
                    daemon.write_config(folder, 9, changed)
                    times = taken.setdefault(what, Times())
                    if turn % 2:
                        times.command.append(_command(program, folder))
                    else:
                        times.daemon.append(_ask(folder))
                daemon.write_config(folder, 9, crons)
                _ask(folder)
    return taken


def _command(program: Path, folder: Path) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        [program, "reload"],
        cwd=folder,
        env=os.environ | {"STATE_DIRECTORY": str(folder)},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"not reloaded: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return (time.perf_counter() - began) * 1e3


def _ask(folder: Path) -> float:
    """As the command asks, which reads the config itself only to find the daemon."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(folder / "promptcron.db.sock"))
        began = time.perf_counter()
        asking.sendall(b'{"command":"reload"}\n')
        with asking.makefile() as reply:
            line = reply.readline()
    ended = time.perf_counter()
    if not json.loads(line)["taken"]:
        raise RuntimeError(f"not reloaded: {line[-1000:]}")
    return (ended - began) * 1e3


def report(bench: Bench) -> None:
    """Writes the section on reloading."""
    say(f"reload, {JOBS:,} jobs")
    got = measure(bench.programs.promptcron, bench.plan.reload_rounds)
    medians = {what: (statistics.median(t.daemon), statistics.median(t.command)) for what, t in got.items()}
    bench.report.section(
        "Reload",
        f"A daemon with {JOBS:,} jobs, from the request until it answers that the new config is in force: read, "
        "checked, compared, applied. `promptcron reload` as a whole has a start and a search for the ledger's "
        "place in the config more, and prints what has changed.",
        ["what has changed", "the daemon, ms", "the command, ms"],
        [[what, number(own), number(whole)] for what, (own, whole) in medians.items()],
    )
    most = max(own for own, _ in medians.values())
    bench.report.aim(f"{JOBS:,} jobs: reload, whatever has changed", AIM_MS, most, "ms")
