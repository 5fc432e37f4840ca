"""Drives APScheduler 3 with its SQL store: one-shot jobs that each do the one push of their name.

apscheduler_stored.py STORE PORT: what is new on stdin, "instant name" a line, is added; "ready" is
printed; then it works until it is killed.
"""

import json
import logging
import sys
import threading
import urllib.request
from datetime import datetime, timezone

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger


def push(port: int, name: str) -> None:
    body = json.dumps({"topic": "bench", "message": "text", "title": name}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        reply.read()


def main() -> None:
    logging.disable(logging.CRITICAL)
    store, port = sys.argv[1], int(sys.argv[2])
    # By default it drops what is more than one second late: here it has to catch up.
    scheduler = BackgroundScheduler(
        jobstores={"default": SQLAlchemyJobStore(f"sqlite:///{store}")},
        job_defaults={"misfire_grace_time": None},
        timezone="UTC",
    )
    scheduler.start()
    for line in sys.stdin.read().splitlines():
        instant, name = line.split()
        when = DateTrigger(datetime.fromtimestamp(int(instant), timezone.utc))
        scheduler.add_job(push, when, [port, name], id=name, replace_existing=True)
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    # The store keeps a job's function by its name: it has to be found there again.
    sys.modules["apscheduler_stored"] = sys.modules["__main__"]
    push.__module__ = "apscheduler_stored"
    main()
