// What both Node programs share: patterns on stdin, "ready", and the time of each callback.
import { readFileSync } from "node:fs";

const [mode, due] = process.argv.slice(2);
const crons = readFileSync(0, "utf8").split("\n");

// `schedule(cron, callback)` makes one job.
export function drive(schedule) {
  const called = new Float64Array(crons.length);
  let count = 0;
  const callback = () => {
    if (mode !== "burst" || count === crons.length) return;
    called[count++] = performance.timeOrigin + performance.now();
    if (count === crons.length) report();
  };
  const report = () => {
    const text = JSON.stringify(Array.from(called.subarray(0, count)));
    // The pipe takes it in pieces: the end waits for the last one.
    process.stdout.write(`${text}\n`, () => process.exit(0));
  };
  for (const cron of crons) schedule(cron, callback);
  console.log("ready");
  // Whatever has not been called by then is told by its absence.
  if (mode === "burst") setTimeout(report, Number(due) * 1000 - Date.now() + 30_000);
}
