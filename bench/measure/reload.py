"""How long `promptcron reload` takes with many jobs, from the command to its answer."""

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from . import daemon
from .bench import Bench, say
from .report import number

JOBS = 10_000
AIM_MS = 200


def measure(program: Path, rounds: int) -> dict[str, float]:
    """Medians in ms: of a config that is as it was, has one other job, and has other schedules."""
    with tempfile.TemporaryDirectory(prefix="promptcron-bench-") as name:
        folder = Path(name)
        crons = daemon.daily(JOBS)
        daemon.write_config(folder, 9, crons)
        taken: dict[str, list[float]] = {}
        with daemon.Daemon(program, folder):
            for turn in range(rounds):
                one = [crons[turn + 1], *crons[1:]]
                # Each turn is a schedule of its own: another minute, hours from now.
                every = [f"{(n + turn + 1) % 60} {cron.split()[1]} * * *" for n, cron in enumerate(crons)]
                for what, changed in (("nothing", crons), ("one job", one), ("every schedule", every)):
                    daemon.write_config(folder, 9, changed)
                    taken.setdefault(what, []).append(_reload(program, folder))
                daemon.write_config(folder, 9, crons)
                _reload(program, folder)
    return {what: statistics.median(times) for what, times in taken.items()}


def _reload(program: Path, folder: Path) -> float:
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


def report(bench: Bench) -> None:
    """Writes the section on reloading."""
    say(f"reload, {JOBS:,} jobs")
    got = measure(bench.programs.promptcron, bench.plan.reload_rounds)
    bench.report.section(
        "Reload",
        f"`promptcron reload` beside a daemon with {JOBS:,} jobs, from the start of the command "
        "until it has said what came of it: read, checked, compared and applied.",
        ["what has changed", "ms, median"],
        [[what, number(ms)] for what, ms in got.items()],
    )
    bench.report.aim(f"{JOBS:,} jobs: reload, whatever has changed", AIM_MS, max(got.values()), "ms")
