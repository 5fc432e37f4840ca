"""Drives APScheduler 3: patterns on stdin, "ready", and the time of each callback."""

import json
import logging
import sys
import threading
import time

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

FIELDS = ("second", "minute", "hour", "day", "month")


def trigger(pattern: str) -> CronTrigger:
    """Five fields, or six with seconds first; the weekday is always a star here."""
    fields = pattern.split()[:-1]
    if len(fields) == 4:
        fields.insert(0, "0")
    return CronTrigger(**dict(zip(FIELDS, fields)), timezone="UTC")


def main() -> None:
    logging.disable(logging.CRITICAL)
    mode, crons = sys.argv[1], sys.stdin.read().split("\n")
    called: list[float] = []
    full = threading.Event()

    def callback() -> None:
        called.append(time.time() * 1e3)
        if len(called) >= len(crons):
            full.set()

    # By default it drops what is more than one second late: that would flatter its figures.
    scheduler = BackgroundScheduler(
        timezone="UTC", job_defaults={"misfire_grace_time": None, "max_instances": 1}
    )
    for cron in crons:
        scheduler.add_job(callback, trigger(cron))
    scheduler.start()
    print("ready", flush=True)
    if mode == "burst":
        full.wait(float(sys.argv[2]) - time.time() + 60)
        print(json.dumps(called[: len(crons)]), flush=True)
    else:
        threading.Event().wait()


main()
