// An AI and an inbox on ports of their own, which answer at once.
import { createServer } from "node:http";

const GOLD = `## Gold in brief

The Shanghai benchmark stands at **918.45 CNY/g**, up 6.32 (+0.69%) on the day.

| Market | Last | Change |
|---|---:|---:|
| Shanghai Gold | 918.45 | +0.69% |
| Spot, USD/oz | 4,012.30 | +0.58% |

> Volume was thin before the holiday.

1. Watch Thursday's inflation figures.
2. Support is seen near 905.
`;

const NEWS = `## 今日要闻

**油价**小幅回落，布伦特原油报 78.2 美元。

- 央行维持利率不变，符合预期。
- 航运指数连续第三周上涨。
- 新能源车出口同比增长 18%。
`;

export const HOSTILE = `# <script>window.owned = 1</script>Free gold

<img src=x onerror="window.owned = 2"> ![pixel](https://tracker.example/pixel.png)
<iframe src="https://evil.example"></iframe><svg onload="window.owned = 3"></svg>
<form action="https://evil.example"><button>Log in again</button></form>
<style>body { display: none }</style><a href="javascript:window.owned=4">here</a>
[there](javascript:window.owned=5) <div style="position:fixed;inset:0" onclick="window.owned=6">x</div>
<meta http-equiv="refresh" content="0;url=https://evil.example"><base href="https://evil.example/">
${"> ".repeat(30)}deep

| a | ${"b".repeat(400)} |
|---|---|
| ${"长".repeat(200)} | https://example.com/${"x".repeat(500)} |
`;

const body = (request) =>
  new Promise((resolve) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => resolve(Buffer.concat(pieces).toString()));
  });

const listen = (handle) =>
  new Promise((resolve) => {
    const server = createServer(handle);
    server.listen(0, "127.0.0.1", () => resolve({ server, url: `http://127.0.0.1:${server.address().port}` }));
  });

const answer = (prompt) => {
  if (prompt.includes("hostile")) return HOSTILE;
  return prompt.includes("新闻") ? NEWS : GOLD;
};

export const ai = () =>
  listen(async (request, response) => {
    const asked = JSON.parse(await body(request));
    const prompt = asked.messages.at(-1).content;
    if (prompt.includes("down")) {
      response.writeHead(503, { "content-type": "application/json" });
      return response.end(JSON.stringify({ error: { message: "the model is overloaded" } }));
    }
    const model = asked.model;
    const head = { id: "c1", created: 1, model };
    if (!asked.stream) {
      response.writeHead(200, { "content-type": "application/json" });
      const message = { role: "assistant", content: answer(prompt) };
      const choices = [{ index: 0, message, finish_reason: "stop" }];
      return response.end(JSON.stringify({ ...head, object: "chat.completion", choices }));
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    const piece = (delta, finish_reason = null) =>
      response.write(`data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
    piece({ role: "assistant", content: answer(prompt) });
    piece({}, "stop");
    response.end("data: [DONE]\n\n");
  });

export const inbox = () => {
  const messages = [];
  const server = listen(async (request, response) => {
    const message = JSON.parse(await body(request));
    messages.push(message);
    response.writeHead(200, { "content-type": "application/json" });
    const time = Math.floor(Date.now() / 1000);
    response.end(JSON.stringify({ id: `m${messages.length}`, time, expires: time + 43200, event: "message", ...message }));
  });
  return server.then((it) => ({ ...it, messages }));
};
