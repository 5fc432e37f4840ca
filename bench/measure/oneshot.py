"""`promptcron once` as a whole process against servers that answer at once: all of it is its own."""

import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import daemon


@dataclass
class OneShot:
    """Medians over the rounds; p90 of the wall time too. The first round, which makes the ledger, is apart."""

    wall_ms: float
    wall_p90_ms: float
    first_wall_ms: float
    cpu_ms: float
    resident_mb: float
    rounds: int


def measure(program: Path, server: Path, rounds: int) -> OneShot:
    """Runs it again and again on one ledger, with a config of 10 jobs."""
    with tempfile.TemporaryDirectory(prefix="promptcron-bench-") as name:
        folder = Path(name)
        with daemon.Servers(server) as servers:
            daemon.write_config(folder, servers.port, daemon.daily(10))
            first, *rest = [_once(program, folder) for _ in range(rounds + 1)]
            if len(servers.pushed_us()) != rounds + 1:
                raise RuntimeError("not every round pushed its answer")
    wall, cpu, resident = zip(*rest)
    tenth = statistics.quantiles(wall, n=10)
    medians = [statistics.median(column) for column in (cpu, resident)]
    return OneShot(statistics.median(wall), tenth[-1], first[0], *medians, rounds)


def _once(program: Path, folder: Path) -> tuple[float, float, float]:
    """Wall ms, CPU ms and resident MB of one process."""
    arguments = [program, "--config", folder / "config.toml", "once", "job-000003"]
    env = os.environ | {"STATE_DIRECTORY": str(folder)}
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    began = time.perf_counter()
    pid = os.posix_spawn(program, arguments, env, file_actions=quiet)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    if status != 0:
        raise RuntimeError(f"once ended with {os.waitstatus_to_exitcode(status)}")
    return wall * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3, usage.ru_maxrss * 1024 / 1e6
