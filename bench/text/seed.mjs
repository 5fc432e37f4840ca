// The function that the classic style is a port of, timed: node seed.mjs CORPUS
import { readFileSync } from "node:fs";
import { report } from "./report.mjs";

function md_to_txt(string) {
  string = string.replace(/^>.*\n?/gm, "");
  string = string.replace(/^####\s*/gm, "🔸 ");
  string = string.replace(/^###\s*/gm, "🔶 ");
  string = string.replace(/^#{1,2}\s*/gm, "");
  string = string.replace(/\*\*|\*|__|_|~~/g, "");
  string = string.replace(/\[.*?\]\(.*?\)/g, "");
  string = string.replace(/^\s*[-*+]\s/gm, "- ");
  string = string.replace(/^\s*(\d+\.)\s/gm, "$1 ");
  string = string.replace(/\[\^[^\]]+\^]/g, "");
  return string;
}

const corpus = readFileSync(process.argv[2], "utf8");
report("seed-node", corpus, md_to_txt);
