// What promptcron takes the place of: a script that asks, makes text of the answer and pushes it.
// node script.mjs PORT
import axios from "axios";
import { mdToTxt } from "./seed-text.mjs";

const root = `http://127.0.0.1:${process.argv[2]}`;
const asked = await axios.post(
  `${root}/v1/chat/completions`,
  {
    model: "kimi",
    conversation_id: "none",
    messages: [{ role: "user", content: "分析一下当前国内上海金价格" }],
    use_search: true,
    stream: false,
  },
  { headers: { Authorization: "Bearer stand-in-token" } },
);
const answer = asked.data.choices[0].message.content;
const text = answer.split("\n搜索结果来自：\n")[0] || answer;
const pushed = await fetch(`${root}/`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ topic: "bench", message: mdToTxt(text), title: "金价分析", tags: ["💰"] }),
});
if (!pushed.ok) process.exit(1);
await pushed.json();
