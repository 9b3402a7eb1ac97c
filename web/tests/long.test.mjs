// A long conversation: it opens at once, only what is seen is in the document, and nothing is blank on the way to its beginning.
// ALCYON_MESSAGES=10000 makes it as long as docs/benchmarks.md has it; by itself it is as long as a test has time for.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { end, entry, meet, person, row, serve, write } from "./harness.mjs";

const MESSAGES = Number(process.env.ALCYON_MESSAGES ?? 1_000);
const ROWS = 60;
const OPENS_MS = 300;

let server, ann, ben;

before(async () => {
  // They write faster than people do.
  server = await serve(["--logs-seat-entries", "1000000+1000/s", "--logs-seat-bytes", "1000000000+10000000/s"]);
});
after(end);

/** The core that the page talks with is to be had for the test, too. */
const init = () => {
  const Real = Worker;
  globalThis.Worker = class extends Real {
    constructor(...all) {
      super(...all);
      globalThis.core = this;
    }
  };
};

/** Writes as the page does, some at a time, under numbers that are not the page's. */
const fill = ({ page }, handle, texts) =>
  page.evaluate(
    ([who, texts]) =>
      new Promise((done, fail) => {
        const FIRST = 1_000_000_000;
        let [next, answered] = [0, 0];
        const post = () => {
          const text = texts[next];
          core.postMessage(JSON.stringify({ call: FIRST + next, command: "write", who, post: { post: "text", text, reply_to: null } }));
          next += 1;
        };
        core.addEventListener("message", ({ data }) => {
          if (typeof data !== "string") return;
          const event = JSON.parse(data);
          if (!(event.call >= FIRST)) return;
          if (event.event === "failed") return fail(new Error(event.message));
          answered += 1;
          if (next < texts.length) post();
          else if (answered === texts.length) done();
        });
        while (next < Math.min(16, texts.length)) post();
      }),
    [handle, texts],
  );

/** Short ones, long ones, some of several lines: as people write. */
function texts(name, count) {
  const said = ["Yes.", "I see the ferry from here, and it is late again", "Which pier was it?\nThe old one, or that behind the fish market?", "🙂", "The kingfishers are back. ".repeat(9).trim()];
  return Array.from({ length: count }, (_, index) => `${name} ${index}: ${said[(index * 7 + (index >> 3)) % said.length]}`);
}

test("the conversation becomes long", async (t) => {
  [ann, ben] = [await person(server, "ann", { init }), await person(server, "ben", { init })];
  await meet(ben, ann, "the very first");
  for (const { page } of [ann, ben]) await page.getByRole("button", { name: "Settings" }).click();
  const began = performance.now();
  const half = Math.floor(MESSAGES / 2);
  await Promise.all([fill(ann, ben.handle, texts("ann", half)), fill(ben, ann.handle, texts("ben", MESSAGES - half))]);
  const written = performance.now();
  await entry(ben.page, ann.handle).click();
  await write(ben.page, "the newest of all");
  await entry(ann.page, ben.handle).getByText("the newest of all").waitFor({ timeout: 600_000 });
  const seconds = (from) => ((performance.now() - from) / 1000).toFixed(1);
  t.diagnostic(`${MESSAGES} messages: written in ${((written - began) / 1000).toFixed(1)} s, all over after ${seconds(began)} s`);
});

test(`it opens within ${OPENS_MS} ms, in the middle of five times`, async (t) => {
  const { page } = ann;
  // What was unread is read from here on.
  await entry(page, ben.handle).click();
  await page.locator("[data-row]").first().waitFor();
  await page.getByRole("button", { name: "To the newest message" }).or(row(page, "the newest of all")).first().click();
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

test("up to its beginning and back every frame is full, and every message was there", async (t) => {
  const seen = await ann.page.evaluate(async () => {
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
      const boxes = rows.map((row) => row.getBoundingClientRect()).filter((box) => box.bottom > top && box.top < bottom).sort((one, other) => one.top - other.top);
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
    while (!(first() && scroller.scrollTop === 0)) {
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
  // And the lines of what happened: at least that it began.
  assert.ok(seen.count >= MESSAGES + 2, `${seen.count} messages`);
  assert.deepEqual([...ann.wrong, ...ben.wrong], []);
});
