"""Fills a ledger with the past of a few jobs, so that pages have something to show.

Usage: seed.py LEDGER. The schema must be there: promptcron makes it.
"""

import json
import sqlite3
import sys
import time

HOUR = 3_600_000
ledger = sqlite3.connect(sys.argv[1])
now = int(time.time()) // 60 * 60_000
ledger.execute("pragma foreign_keys = on")


def run(job, at, state, reason=None, asked=None, trigger="schedule", instants=1):
    row = ledger.execute(
        """insert into run (job, scheduled_at, trigger, state, reason, instants, until_at, due_at, planned_at,
               next_attempt_at, first_claimed_at, started_at, answered_at, finished_at, ai, asked_ms)
           values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'local', ?) returning run_id""",
        (job, at, trigger, state, reason, instants, at + HOUR if instants > 1 else None, at, at, at,
         at if asked else None, at + 40 if asked else None, at + asked if asked else None,
         at + (asked or 0) + 300, asked),
    ).fetchone()[0]
    return row


def answered(job, at, asked, text, state="delivered", reason=None):
    run_id = run(job, at, state, reason, asked)
    ledger.execute("insert into content (run_id, prompt, answer) values (?, ?, ?)", (run_id, "The prompt of then", text))
    ledger.execute(
        "insert into attempt (run_id, number, started_at, finished_at, outcome, ai) values (?, 1, ?, ?, 'answered', 'local')",
        (run_id, at + 40, at + asked))
    message = json.dumps({"message": text, "title": job})
    delivery = ledger.execute(
        """insert into delivery (run_id, kind, target, part, parts, sequence_id, message, bytes, state, next_at,
               give_up_at, delivered_at) values (?, 'answer', 'phone', 1, 1, ?, ?, ?, 'delivered', ?, ?, ?)
           returning delivery_id""",
        (run_id, f"s{run_id}", message, len(text), at, at + 24 * HOUR, at + asked + 300)).fetchone()[0]
    ledger.execute(
        "insert into delivery_attempt (delivery_id, number, started_at, finished_at, outcome) values (?, 1, ?, ?, 'delivered')",
        (delivery, at + asked + 100, at + asked + 300))


TEXT = """## Gold in brief

The Shanghai benchmark stands at **918.45 CNY/g**, up 6.32 (+0.69%) on the day.

Volume was thin before the holiday; support is seen near 905.
"""
ZH = """## 今日要闻

**油价**小幅回落，布伦特原油报 78.2 美元。

央行维持利率不变，符合预期；航运指数连续第三周上涨。
"""
# Eight o'clock in Berlin's winter on weekdays, and half past seven in Shanghai, as the jobs are due.
midnight = now // (24 * HOUR) * 24 * HOUR
mornings = [at for day in range(60, 0, -1) if time.gmtime((at := midnight - day * 24 * HOUR + 7 * HOUR) / 1_000).tm_wday < 5][-40:]
for day, at in zip(range(40, 0, -1), mornings):
    if day == 9:
        run("gold", at, "failed", "no answer after 5 tries: the model is overloaded", asked=61_000)
    elif day == 17:
        run("gold", at, "missed", "window")
    elif day in (23, 24):
        run("gold", at, "skipped", "paused")
    else:
        answered("gold", at, 9_000 + (day * 7919) % 17_000, TEXT)
for day in range(40, 0, -1):
    answered("新闻早报", midnight - day * 24 * HOUR + 23 * HOUR + HOUR // 2, 14_000 + (day * 104_729) % 22_000, ZH)
for hour in range(20, 0, -1):
    at = now - hour * HOUR
    if hour <= 2:
        run("server logs", at, "failed", "no answer after 5 tries: HTTP 503, the model is overloaded", asked=None)
    else:
        answered("server logs", at, 2_000 + (hour * 997) % 3_000, "Nothing unusual in the last hour.\n")
ledger.commit()
