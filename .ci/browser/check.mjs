// Every page in a real browser: at two widths, light and dark, in two languages, without a message
// on the console; what can be done there; and what an answer that means harm cannot do.
//
// node check.mjs PROGRAM FOLDER: screenshots are left in FOLDER.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { ai, inbox } from "./standins.mjs";

const [program, shots] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const work = mkdtempSync(join(tmpdir(), "promptcron-browser-"));
const TOKEN = "a-token-of-the-browser-check";
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
let passed = 0;

const check = async (name, act) => {
  try {
    await act();
  } catch (error) {
    console.error(`FAILED: ${name}`);
    throw error;
  }
  passed += 1;
  console.log(`ok: ${name}`);
};

const start = (file) =>
  new Promise((resolve, reject) => {
    const daemon = spawn(program, ["--config", file, "run"], { stdio: ["ignore", "ignore", "pipe"] });
    const said = [];
    daemon.once("exit", (code) => reject(new Error(`the daemon ended with ${code}:\n${said.join("\n")}`)));
    createInterface({ input: daemon.stderr }).on("line", (line) => {
      said.push(line);
      const address = /listening address=(\S+)/.exec(line)?.[1];
      if (address) resolve({ daemon, base: `http://${address}` });
    });
  });

const stop = ({ daemon }) =>
  new Promise((resolve) => {
    daemon.removeAllListeners("exit");
    daemon.once("exit", resolve);
    daemon.kill("SIGTERM");
  });

const standIns = await Promise.all([ai(), inbox()]);
const file = join(work, "config.toml");
const ledger = join(work, "ledger.db");
const config = readFileSync(join(here, "config.toml"), "utf8")
  .replace("LEDGER", ledger).replace("TOKEN", TOKEN).replace("AI", standIns[0].url).replace("INBOX", standIns[1].url);
const withWeb = (lines) => config.replace("WEB", lines);
writeFileSync(file, withWeb(""));
mkdirSync(shots, { recursive: true });
let site = await start(file);
await stop(site);
execFileSync("python3", [join(here, "seed.py"), ledger]);
site = await start(file);

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
const session = await browser.newContext();
const messages = [];

// A page whose every error and warning on the console and failed request is kept; advice to authors is not.
const open = async (context) => {
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) messages.push(`${page.url()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => messages.push(`${page.url()}: ${error}`));
  page.on("requestfailed", (request) => {
    const error = request.failure()?.errorText;
    // A page that is left while it looks again gives its look up.
    if (request.resourceType() === "fetch" && error === "net::ERR_ABORTED") return;
    messages.push(`${request.url()}: ${error}`);
  });
  return page;
};

const logIn = async (page, path = "/") => {
  await page.goto(site.base + path);
  assert.match(page.url(), /\/login\?next=/);
  await page.fill("#token", TOKEN);
  await page.click("button.main");
  await page.waitForURL(site.base + path);
};

// A selector, because a function to wait for would be evaluated, which the pages' policy forbids.
const settled = (page) => page.waitForSelector(".title .badge.good", { timeout: 30_000 });

try {
  const page = await open(session);
  await check("a wrong token is told and lets nobody in", async () => {
    await page.goto(`${site.base}/`);
    await page.fill("#token", "not-the-token-at-all");
    await page.click("button.main");
    assert.match(await page.textContent(".wrong"), /not the token/);
    // The browser itself notes the refusal.
    messages.splice(0);
  });
  await check("the token leads to the page that was wanted", () => logIn(page, "/tokens"));

  let run;
  await check("run now begins a run whose answer appears by itself", async () => {
    await page.goto(`${site.base}/jobs/gold`);
    await page.click("#run-now");
    await page.waitForURL(/\/runs\/\d+$/);
    run = page.url();
    await settled(page);
    assert.match(await page.textContent(".answer"), /918\.45/);
  });
  await check("a job is paused and resumed", async () => {
    await page.goto(`${site.base}/jobs/gold`);
    await page.click("#pause");
    await page.waitForSelector("#resume");
    assert.match(await page.textContent(".badge"), /paused/);
    await page.click("#resume");
    await page.waitForSelector("#pause");
  });
  await check("the config is read again", async () => {
    await page.goto(`${site.base}/config`);
    await page.click("#reload");
    await page.waitForSelector(".reload .good");
    assert.doesNotMatch(await page.content(), /sk-first|a-topic-of/);
  });

  // What a tap on the newest push opens, with these lines in [web]; the jobs' pushes carry it from then on.
  const clickOf = async (lines, job = "gold") => {
    writeFileSync(file, withWeb(lines));
    await page.goto(`${site.base}/config`);
    await page.click("#reload");
    await page.waitForSelector(".reload .good");
    await page.goto(`${site.base}/jobs/${encodeURIComponent(job)}`);
    await page.click("#run-now");
    await page.waitForURL(/\/runs\/\d+$/);
    await settled(page);
    return standIns[1].messages.at(-1).click;
  };
  // Somebody who is not logged in, as whoever taps on a push may be.
  const stranger = async (act, options = {}) => {
    const context = await browser.newContext(options);
    await act(await open(context));
    await context.close();
  };
  let link;
  await check("a tap on a push opens its run without a login, to be read alone", async () => {
    link = await clickOf(`public_url = "${site.base}"`);
    await stranger(async (tapped) => {
      await tapped.goto(link);
      assert.match(await tapped.textContent(".answer"), /918\.45/);
      assert.equal(await tapped.$$eval("form, button, nav", (nodes) => nodes.length), 0);
      assert.doesNotMatch(await tapped.content(), /What may come next/);
      await tapped.goto(`${site.base}/`);
      assert.match(tapped.url(), /\/login/);
    });
  });
  await check("a forged link says so and shows nothing", () =>
    stranger(async (tapped) => {
      const reply = await tapped.goto(link.replace(/\/r\/\d+/, "/r/1"));
      assert.equal(reply.status(), 403);
      assert.match(await tapped.textContent("h1"), /not valid/);
      assert.doesNotMatch(await tapped.textContent("main"), /gold/i);
      await tapped.screenshot({ path: join(shots, "forged-1280-light.png") });
      messages.splice(0);
    }));
  await check("an expired link says so and shows nothing", async () => {
    const short = await clickOf(`public_url = "${site.base}"\nlink_for = "1s"`);
    await stranger(async (tapped) => {
      const until = Date.now() + 30_000;
      let reply = await tapped.goto(short);
      while (reply.status() === 200 && Date.now() < until) reply = await tapped.goto(short);
      assert.equal(reply.status(), 410);
      assert.match(await tapped.textContent("h1"), /expired/i);
      assert.doesNotMatch(await tapped.textContent("main"), /gold|918/i);
      await tapped.screenshot({ path: join(shots, "expired-1280-light.png") });
      messages.splice(0);
    });
  });
  await check("the feed opens without a login", async () => {
    await page.goto(`${site.base}/jobs/gold`);
    const feed = await page.getAttribute("link[type='application/atom+xml']", "href");
    const reply = await (await browser.newContext()).request.get(site.base + feed);
    assert.equal(reply.status(), 200);
    assert.match(reply.headers()["content-type"], /atom\+xml/);
  });

  let hostile;
  await check("an answer that means harm is only text", async () => {
    await page.goto(`${site.base}/`);
    await page.click("text=weekend plan / 100%");
    await page.click("#run-now");
    await page.waitForURL(/\/runs\/\d+$/);
    hostile = page.url();
    await settled(page);
    assert.equal(await page.evaluate(() => window.owned), undefined);
    // It is written as HTML, and not shown as its Markdown, which would be harmless by itself.
    assert.ok(await page.$(".answer blockquote"), "the answer is not written as HTML");
    const held = await page.$$eval(".answer *", (nodes) => nodes.map((node) => node.tagName));
    for (const tag of ["SCRIPT", "IFRAME", "IMG", "FORM", "STYLE", "SVG", "META", "BASE", "BUTTON"]) assert.ok(!held.includes(tag), tag);
    const links = await page.$$eval(".answer a", (nodes) => nodes.map((node) => node.getAttribute("href")));
    assert.ok(links.every((link) => !link || !/^javascript:/i.test(link)), links.join(" "));
    assert.ok(await page.isVisible("h1"));
  });

  const pages = { overview: "/", job: "/jobs/gold", run: new URL(run).pathname, hostile: new URL(hostile).pathname, tokens: "/tokens", link: new URL(link).pathname, targets: "/targets", config: "/config", missing: "/none" };
  for (const width of [390, 1280]) {
    for (const colorScheme of ["light", "dark"]) {
      await check(`every page at ${width} pixels, ${colorScheme}`, async () => {
        await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
        await page.emulateMedia({ colorScheme });
        for (const [name, path] of Object.entries(pages)) {
          await page.goto(site.base + path);
          const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
          assert.ok(wide <= room, `${name} is ${wide} pixels wide`);
          await page.screenshot({ path: join(shots, `${name}-${width}-${colorScheme}.png`), fullPage: true });
        }
        // The page that is not there is meant not to be.
        const left = messages.splice(0).filter((message) => !message.includes("/none:"));
        assert.deepEqual(left, []);
      });
    }
  }
  await check("a Chinese browser reads Chinese", async () => {
    const context = await browser.newContext({ locale: "zh-CN", storageState: await session.storageState(), viewport: { width: 390, height: 844 } });
    const chinese = await open(context);
    await chinese.goto(`${site.base}/`);
    assert.equal(await chinese.getAttribute("html", "lang"), "zh-CN");
    assert.match(await chinese.textContent("nav"), /概览/);
    await chinese.screenshot({ path: join(shots, "overview-390-zh.png"), fullPage: true });
    await chinese.goto(`${site.base}/jobs/gold`);
    await chinese.screenshot({ path: join(shots, "job-390-zh.png"), fullPage: true });
    await context.close();
  });
  await check("the pictures of the READMEs are made", async () => {
    for (const [language, locale, job] of [["en", "en", "gold"], ["zh", "zh-CN", "新闻早报"]]) {
      const answer = await clickOf(`public_url = "${site.base}"`, job);
      const context = await browser.newContext({ locale, storageState: await session.storageState(), viewport: { width: 1000, height: 640 } });
      const shown = await open(context);
      await shown.goto(`${site.base}/`);
      await shown.screenshot({ path: join(shots, `readme-overview.${language}.png`) });
      await context.close();
      await stranger(async (tapped) => {
        await tapped.goto(answer);
        await tapped.screenshot({ path: join(shots, `readme-answer.${language}.png`) });
      }, { locale, viewport: { width: 390, height: 640 } });
    }
  });
  await check("everything works without JavaScript", async () => {
    const context = await browser.newContext({ javaScriptEnabled: false, storageState: await session.storageState() });
    const plain = await context.newPage();
    await plain.goto(`${site.base}/jobs/gold`);
    await plain.click("#pause");
    await plain.waitForSelector("#resume");
    await plain.click("#resume");
    await plain.waitForSelector("#pause");
    await context.close();
  });
  await check("logging out ends the session", async () => {
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.emulateMedia({ colorScheme: "light" });
    await page.goto(`${site.base}/`);
    await page.click(".logout button");
    await page.waitForURL(/\/login$/);
    await page.screenshot({ path: join(shots, "login-1280-light.png") });
    await page.goto(run);
    assert.match(page.url(), /\/login\?next=/);
  });
  assert.deepEqual(messages, []);
} finally {
  await browser.close();
  await stop(site);
  standIns.forEach(({ server }) => server.close());
  rmSync(work, { recursive: true, force: true });
}
console.log(`${passed} passed, 0 failed`);
