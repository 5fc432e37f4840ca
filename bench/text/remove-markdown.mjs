// npm's remove-markdown, timed: node remove-markdown.mjs CORPUS
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { report } from "./report.mjs";

const removeMarkdown = createRequire(`${process.cwd()}/`)("remove-markdown");
const corpus = readFileSync(process.argv[2], "utf8");
report("remove-markdown", corpus, removeMarkdown);
