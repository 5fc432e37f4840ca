"""The machine: what it is, what a process uses of it, how fast its disk makes a write durable."""

import math
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path


def describe() -> list[tuple[str, str]]:
    """The rows that say where figures come from."""
    return [
        ("processor", f"{_first('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores"),
        ("memory", f"{int(_first('/proc/meminfo', 'MemTotal').split()[0]) // 1024} MiB"),
        ("system", f"{_distribution()}, Linux {platform.release()}"),
        ("load before", f"{os.getloadavg()[0]:.1f} (1 minute)"),
    ]


def _first(file: str, key: str) -> str:
    for line in Path(file).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return "unknown"


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def resident_mb(pid: int) -> float:
    """Resident memory in MB (10^6 bytes), shared pages counted whole, as `ps` shows it."""
    kib = int(_first(f"/proc/{pid}/status", "VmRSS").split()[0])
    return kib * 1024 / 1e6


def peak_resident_mb(pid: int) -> float:
    """The most resident memory that it ever had, in MB."""
    kib = int(_first(f"/proc/{pid}/status", "VmHWM").split()[0])
    return kib * 1024 / 1e6


def cpu_s(pid: int) -> float:
    """CPU time of all threads that live, in seconds; to the nanosecond, unlike `ps`."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def threads(pid: int) -> int:
    """How many threads it has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def durable_write_ms(folder: Path, times: int = 40) -> tuple[float, float]:
    """Median and p95 of appending 4 KiB and fdatasync, in ms: what no durable row can be below."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(times):
            began = time.perf_counter()
            file.write(os.urandom(4096))
            file.flush()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - began) * 1e3)
    return statistics.median(taken), quantile(taken, 0.95)


def syncs_a_second(folder: Path, seconds: float = 2) -> float:
    """How often 4 KiB can be appended and synced, one after the other."""
    count, began = 0, time.perf_counter()
    with tempfile.TemporaryFile(dir=folder) as file:
        while (taken := time.perf_counter() - began) < seconds:
            file.write(os.urandom(4096))
            file.flush()
            os.fdatasync(file.fileno())
            count += 1
    return count / taken


def quantile(values: list[float], q: float) -> float:
    """The smallest value that at least a share q of all does not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * q) - 1)]
