import { Cron } from "croner";
import { drive } from "./common.mjs";

drive((cron, callback) => new Cron(cron, callback));
