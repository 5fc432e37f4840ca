import cron from "node-cron";
import { drive } from "./common.mjs";

drive((pattern, callback) => cron.schedule(pattern, callback));
