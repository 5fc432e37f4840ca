"""What the subjects share: how much is measured, with which programs, and where figures go."""

import sys
from dataclasses import dataclass
from pathlib import Path

from . import peers
from .report import Report

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class Plan:
    """How much is measured."""

    once_rounds: int
    burst_rounds: int
    peer_rounds: int
    idle_rounds: int
    idle_s: float
    idle_jobs: tuple[int, ...]
    reload_rounds: int
    pipeline_runs: int
    in_flight: tuple[int, ...]
    crash_rounds: int
    has_image: bool


FULL = Plan(
    once_rounds=50,
    burst_rounds=5,
    peer_rounds=3,
    idle_rounds=5,
    idle_s=30,
    idle_jobs=(10, 1_000, 10_000, 100_000),
    reload_rounds=9,
    pipeline_runs=4_000,
    in_flight=(1, 4, 16, 64, 256, 1_000),
    crash_rounds=1_000,
    has_image=True,
)
QUICK = Plan(
    once_rounds=20,
    burst_rounds=1,
    peer_rounds=1,
    idle_rounds=1,
    idle_s=3,
    idle_jobs=(10, 10_000),
    reload_rounds=3,
    pipeline_runs=1_000,
    in_flight=(1, 64, 1_000),
    crash_rounds=20,
    has_image=False,
)


@dataclass
class Programs:
    """What is measured, and the programs of the benchmark itself."""

    promptcron: Path
    server: Path
    bare: Path


@dataclass
class Bench:
    """What every subject is given."""

    plan: Plan
    programs: Programs
    peers: peers.Peers
    report: Report


def say(what: str) -> None:
    """Tells the person who waits."""
    print(f"bench: {what}", file=sys.stderr, flush=True)
