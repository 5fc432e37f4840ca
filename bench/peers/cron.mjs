import { CronJob } from "cron";
import { drive } from "./common.mjs";

drive((cron, callback) => CronJob.from({ cronTime: cron, onTick: callback, start: true }));
