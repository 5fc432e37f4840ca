"""An AI with several tokens and an ntfy server, both of which fail when they are told to."""

import json
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class StandIn:
    """What the daemon talks to; every request is counted."""

    def __init__(self) -> None:
        # Set from outside: tokens that are refused, and whether the inbox takes nothing.
        self.dead_tokens: set[str] = set()
        self.is_down = False
        self.asked = 0
        # How often each push came, by its `sequence_id`.
        self.pushed: Counter[str] = Counter()
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"stand_in": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, authorization: str) -> tuple[int, dict]:
        """The AI's reply, in kimi-free-api's form."""
        with self._lock:
            self.asked += 1
        if authorization.removeprefix("Bearer ") in self.dead_tokens:
            return 200, {"code": -2002, "message": "Token已失效", "data": None}
        content = "**金价**：今日小幅上涨，建议观望。\n\n- 区间 3~5 元"
        choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        return 200, {"id": "0123456789abcdefghij", "model": "kimi", "object": "chat.completion", "choices": [choice]}

    def take(self, message: dict) -> tuple[int, dict]:
        """The inbox's reply."""
        if self.is_down:
            return 503, {"code": 50301, "http": 503, "error": "down for the soak"}
        with self._lock:
            self.pushed[message.get("sequence_id", "none")] += 1
        kept = {key: message[key] for key in ("topic", "message", "sequence_id") if key in message}
        return 200, {"id": "soak00000001", "time": 1_700_000_000, "event": "message", **kept}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A daemon that is killed hangs up: no news."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*_)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stand_in: StandIn

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/":
            status, reply = self.stand_in.take(body)
        else:
            status, reply = self.stand_in.answer(self.headers.get("Authorization", ""))
        self._send(status, reply)

    def do_GET(self) -> None:
        self._send(404, {"code": 40401, "http": 404, "error": "page not found"})

    def _send(self, status: int, reply: dict) -> None:
        body = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
