// Looks at the page again and puts what changed in its place; without it the page is as good, only older.
"use strict";
(() => {
  const seconds = Number(document.currentScript.dataset.seconds);
  const isBusy = () => {
    const active = document.activeElement;
    const selected = String(document.getSelection() || "");
    return document.hidden || selected !== "" || (active && active.matches("input, textarea, select"));
  };
  const opened = () => [...document.querySelectorAll("#main details[open]")].map((details) => details.id);
  const look = async () => {
    if (isBusy()) return;
    const reply = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!reply.ok || reply.redirected) return;
    const fresh = new DOMParser().parseFromString(await reply.text(), "text/html").getElementById("main");
    const main = document.getElementById("main");
    if (!fresh || isBusy() || fresh.innerHTML === main.dataset.last) return;
    const ids = opened();
    main.dataset.last = fresh.innerHTML;
    main.replaceChildren(...fresh.childNodes);
    ids.filter(Boolean).forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  };
  const again = () => look().catch(() => {}).finally(() => setTimeout(again, seconds * 1000));
  setTimeout(again, seconds * 1000);
})();
