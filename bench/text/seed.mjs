// The original function, timed: node seed.mjs CORPUS
import { readFileSync } from "node:fs";
import { report } from "./report.mjs";
import { mdToTxt } from "./seed-text.mjs";

report("seed-node", readFileSync(process.argv[2], "utf8"), mdToTxt);
