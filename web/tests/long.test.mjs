// A long conversation: it opens at once, only what is seen is in the document, and nothing is blank on the way to its beginning.
// ALCYON_MESSAGES=10000 makes it as long as docs/benchmarks.md has it; by itself it is as long as a test has time for.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

import { bin, end, ends, entry, folder, open, person, row, serve, watch } from "./harness.mjs";

const MESSAGES = Number(process.env.ALCYON_MESSAGES ?? 500);
const ROWS = 60;
const OPENS_MS = 300;

let server, ben, page, wrong;

before(async () => {
  server = await serve();
});
after(end);

/** Somebody with a terminal and a past: whose account the page becomes a device of. */
function historian(whom) {
  const options = { profile: join(folder, "historian"), server: server.url, name: "ann", with: whom, messages: MESSAGES };
  const child = spawn(join(bin, "historian"), Object.entries(options).map(([name, value]) => `--${name}=${value}`), { stdio: ["pipe", "pipe", "inherit"] });
  const gone = new Promise((done) => child.once("exit", done));
  ends.push(() => (child.kill("SIGTERM"), gone));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    async says(what) {
      assert.equal((await lines.next()).value, what);
    },
    hears: (what) => child.stdin.write(`${what}\n`),
  };
}

test("a new device takes the whole conversation over", { timeout: 600_000 }, async (t) => {
  ben = await person(server, "ben");
  const ann = historian(ben.handle);
  await ann.says("knocked");
  const handle = `ann@${new URL(server.url).host}`;
  await entry(ben.page, handle).click();
  await ben.page.getByRole("button", { name: "Accept" }).click();
  await ann.says("filled");
  page = await (await open()).newPage();
  wrong = watch(page, server.url);
  await page.goto(server.url);
  await page.getByRole("button", { name: "I have an account on another device" }).click();
  await page.getByRole("button", { name: "Show the code" }).click();
  ann.hears(await page.locator("code").textContent());
  await ann.says("added");
  const began = performance.now();
  await entry(page, ben.handle).getByText("the newest of all").waitFor({ timeout: 600_000 });
  t.diagnostic(`${MESSAGES} messages were taken over in ${((performance.now() - began) / 1000).toFixed(1)} s`);
});

test(`it opens within ${OPENS_MS} ms, in the middle of five times`, async (t) => {
  await entry(page, ben.handle).click();
  await row(page, "the newest of all").waitFor();
  const times = [];
  for (let turn = 0; turn < 5; turn += 1) {
    await page.getByRole("button", { name: "Settings" }).click();
    await page.locator("[data-row]").first().waitFor({ state: "detached" });
    const [took, rows] = await entry(page, ben.handle).evaluate(async (link) => {
      const frame = () => new Promise(requestAnimationFrame);
      const newest = () => [...document.querySelectorAll("[data-row]")].at(-1);
      const seen = (row) => row?.textContent.includes("the newest of all") && row.getBoundingClientRect().bottom <= innerHeight;
      const began = performance.now();
      link.click();
      while (!seen(newest())) await frame();
      // What was laid out in one frame is painted before the next but one.
      await frame();
      await frame();
      return [performance.now() - began, document.querySelectorAll("[data-row]").length];
    });
    times.push(took);
    assert.ok(rows > 5 && rows < ROWS, `${rows} rows`);
  }
  t.diagnostic(`opened in ${times.map((took) => Math.round(took)).join(", ")} ms`);
  assert.ok(times.sort((one, other) => one - other)[2] < OPENS_MS, times.join(", "));
});

test("up to its beginning and back every frame is full, and every message was there", { timeout: 600_000 }, async (t) => {
  const seen = await page.evaluate(async () => {
    const scroller = document.querySelector(".scroller");
    const frame = () => new Promise(requestAnimationFrame);
    const ids = new Set();
    let most = 0;
    let frames = 0;
    const gaps = [];
    /** What of the list shows no message, in pixels, as it is about to be painted. */
    const look = (way) => {
      const { top, bottom } = scroller.getBoundingClientRect();
      const rows = [...document.querySelectorAll("[data-row]")];
      // With the space between them, which is the list's own elements'.
      const boxes = rows.map((row) => row.parentElement.getBoundingClientRect()).filter((box) => box.bottom > top && box.top < bottom).sort((one, other) => one.top - other.top);
      let at = top;
      let blank = 0;
      for (const box of boxes) {
        blank += Math.max(0, box.top - at);
        at = Math.max(at, box.bottom);
      }
      blank += Math.max(0, bottom - at);
      if (blank > 1) gaps.push(`${way} ${Math.round(blank)} px at ${Math.round(scroller.scrollTop)}`);
      for (const row of rows) ids.add(row.dataset.row);
      most = Math.max(most, rows.length);
      frames += 1;
    };
    // As fast as a strong swipe: 240 pixels a frame.
    const first = () => document.querySelector("[data-row]")?.textContent.includes("the very first");
    let waited = 0;
    while (!(first() && scroller.scrollTop === 0)) {
      waited = scroller.scrollTop === 0 ? waited + 1 : 0;
      if (waited > 600) throw new Error("nothing older comes");
      scroller.scrollTop -= 240;
      look("up");
      await frame();
    }
    while (scroller.scrollTop + scroller.clientHeight < scroller.scrollHeight - 1) {
      scroller.scrollTop += 240;
      look("down");
      await frame();
    }
    // Dragged by the bar: what is there must be full once the frame after has come.
    for (const part of [0, 0.5, 0.9, 0.25, 1]) {
      scroller.scrollTop = (scroller.scrollHeight - scroller.clientHeight) * part;
      await frame();
      await frame();
      look(`jump to ${part}`);
    }
    return { count: ids.size, most, gaps, frames };
  });
  t.diagnostic(`${seen.frames} frames, ${seen.gaps.length} with a gap, at most ${seen.most} rows`);
  assert.deepEqual(seen.gaps, []);
  assert.ok(seen.most < ROWS, `${seen.most} rows`);
  // And the first one.
  assert.ok(seen.count >= MESSAGES + 1, `${seen.count} messages`);
  assert.deepEqual([...wrong, ...ben.wrong], []);
});
