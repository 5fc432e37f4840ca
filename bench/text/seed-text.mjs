// The function that the classic style is a port of.
export function mdToTxt(string) {
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
