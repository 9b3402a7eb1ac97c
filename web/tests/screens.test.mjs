// Every screen, by day and by night, on a phone and on a desk: without a complaint of axe, and as pictures in docs/screens
// (ALCYON_SCREENS=1 writes them).
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { AxeBuilder } from "@axe-core/playwright";

import { act, confirm, end, entry, meet, open, person, row, serve, share, write } from "./harness.mjs";
import { bytes, png } from "./pictures.mjs";

const docs = fileURLToPath(new URL("../../docs/screens/", import.meta.url));
const SIZES = { desk: { width: 1180, height: 800 }, phone: { width: 390, height: 844 } };
const LOOKS = ["light", "dark"];

let server, ann, ben;

before(async () => {
  mkdirSync(docs, { recursive: true });
  server = await serve();
});
after(end);

/** Looks at the screen in each form; the page is not touched in between. */
async function look(page, name, { shots = true } = {}) {
  for (const [form, size] of Object.entries(SIZES)) {
    await page.setViewportSize(size);
    for (const colorScheme of LOOKS) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      if (shots && process.env.ALCYON_SCREENS) await page.screenshot({ path: `${docs}${name}-${form}-${colorScheme}.png` });
      const { violations } = await new AxeBuilder({ page }).analyze();
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, any }) => `${html.slice(0, 160)} ${any[0]?.message ?? ""}`).join(" | ")}`);
      assert.deepEqual(found, [], `${name} ${form} ${colorScheme}`);
      const wide = await page.evaluate(() => [document.documentElement, ...document.querySelectorAll(".page")].some((one) => one.scrollWidth > one.clientWidth));
      assert.ok(!wide, `${name} ${form} is wider than the screen`);
    }
  }
  await page.setViewportSize(SIZES.desk);
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
}

test("the first use", async () => {
  ann = await person(server, "ann", { stopAtWords: true });
  await ann.page.getByRole("button", { name: "I have written them down" }).waitFor();
  await look(ann.page, "words");
  await ann.page.getByRole("button", { name: "I have written them down" }).click();
  await look(ann.page, "words-check", { shots: false });
  await ann.page.getByRole("button", { name: "Show them again" }).click();
  await confirm(ann.page);
  await look(ann.page, "empty");
  const welcome = await ann.context.browser().newContext({ locale: "fr-FR", viewport: SIZES.desk });
  const page = await welcome.newPage();
  await page.goto(server.url);
  await page.getByRole("heading", { name: "Des messages privés" }).waitFor();
  await page.getByRole("button", { name: "English" }).click();
  await page.getByLabel("Handle").fill("cat");
  await look(page, "welcome");
  await welcome.close();
});

test("a request, a conversation, and what can be done with a message", async () => {
  ben = await person(server, "ben");
  await ben.page.getByRole("button", { name: "New conversation" }).first().click();
  await look(ben.page, "new");
  await ben.page.getByLabel("Handle").fill(ann.handle);
  await ben.page.getByLabel("First message").fill("Hello Ann! Are you still coming to the harbour on Saturday?");
  await ben.page.getByRole("button", { name: "Send", exact: true }).click();
  await entry(ann.page, ben.handle).click();
  await ann.page.getByText("would like to talk with you").first().waitFor();
  await look(ann.page, "request");
  await ann.page.getByRole("button", { name: "Accept" }).click();

  await write(ann.page, "Of course. The kingfishers are back at the old pier");
  await row(ben.page, "kingfishers").waitFor();
  await write(ben.page, "Then I bring the *long* lens");
  await row(ann.page, "lens").waitFor();
  await act(ann.page, "lens", "❤️");
  await act(ann.page, "lens", "Reply");
  await write(ann.page, "And coffee, please. The ferry leaves at 9:40, see https://ferry.example/times");
  await row(ben.page, "coffee").waitFor();
  await write(ben.page, "Two flasks.");
  await write(ben.page, "What do we do if it rains?");
  await row(ann.page, "rains").waitFor();
  await write(ann.page, "We look at the calm sea from inside.");
  await row(ann.page, "calm sea").locator("[data-delivery=read]").waitFor();
  await look(ann.page, "conversation");
  const there = row(ann.page, "rains");
  await there.hover();
  await there.getByRole("button", { name: "Actions" }).click();
  await look(ann.page, "message");
  await ann.page.keyboard.press("Escape");
  await ann.page.getByRole("button", { name: "Emoji" }).click();
  await look(ann.page, "emoji", { shots: false });
  await ann.page.getByRole("button", { name: "Emoji" }).click();
});

test("a report, before and as it is sent", async () => {
  await act(ann.page, "rains", "Report");
  await ann.page.getByLabel("Insults, threats or harassment").waitFor();
  await look(ann.page, "report");
  await ann.page.getByLabel("What you want to say about it").fill("Every day, and always about the weather.");
  await ann.page.getByRole("button", { name: "See what is sent" }).click();
  await ann.page.getByText("Exactly this is sent").waitFor();
  await look(ann.page, "report-sent");
  await ann.page.keyboard.press("Escape");
});

test("files, a picture, a voice note", async () => {
  const { page } = ben;
  await page.getByRole("heading", { name: ann.handle }).waitFor();
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Send files" }).click();
  await (await chooser).setFiles([
    { name: "evening-sea.png", mimeType: "image/png", buffer: png(960, 600) },
    { name: "ferry times.pdf", mimeType: "application/pdf", buffer: bytes(412_000) },
  ]);
  await page.getByRole("dialog").locator("img").waitFor();
  await look(page, "send-files");
  await page.getByRole("dialog").getByRole("button", { name: "Send", exact: true }).click();
  await row(ann.page, "ferry times.pdf").waitFor();
  await ann.page.getByRole("button", { name: "Look at evening-sea.png" }).waitFor();
  await look(ann.page, "files");
  await ann.page.getByRole("button", { name: "Look at evening-sea.png" }).click();
  await ann.page.waitForFunction(() => document.querySelector("dialog img")?.naturalWidth === 960);
  await look(ann.page, "viewer");
  await ann.page.keyboard.press("Escape");

  const args = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
  const dan = await person(server, "dan", { permissions: ["microphone"], args });
  await meet(dan, ann, "Listen to this");
  await dan.page.getByRole("button", { name: "Record a voice note" }).click();
  await dan.page.getByRole("timer").getByText("0:03").waitFor();
  await look(dan.page, "recording", { shots: false });
  await dan.page.getByRole("button", { name: "Send the voice note" }).click();
  await ann.page.getByRole("group", { name: /^Voice note/ }).waitFor();
  await look(ann.page, "voice");
  await entry(ann.page, ben.handle).click();
});

test("a device more", async () => {
  const { page } = await open().then(async (context) => ({ page: await context.newPage() }));
  await page.goto(server.url);
  await page.getByRole("button", { name: "I have an account on another device" }).click();
  await look(page, "link-begin", { shots: false });
  await page.getByRole("button", { name: "Show the code" }).click();
  await page.getByRole("img", { name: "Code to link this device" }).waitFor();
  await look(page, "link");
  const code = await page.locator("code").textContent();
  await ann.page.getByRole("button", { name: "Settings" }).click();
  await ann.page.getByRole("button", { name: "Add a device" }).click();
  await look(ann.page, "add-device", { shots: false });
  await ann.page.getByLabel("Or paste the code").fill(code);
  await ann.page.getByRole("button", { name: "Go on" }).click();
  await ann.page.getByRole("button", { name: "It is another" }).waitFor();
  await look(ann.page, "compare");
  await page.getByRole("heading", { name: "Compare the number" }).waitFor();
  await look(page, "link-number", { shots: false });
  await ann.page.getByRole("button", { name: "It is another" }).click();
  await ann.page.getByText("It was not let in.").waitFor();
  await ann.page.keyboard.press("Escape");
  await entry(ann.page, ben.handle).click();
});

test("in line, and asked for an invite", async () => {
  const slow = await serve(["--sign-ups-per-second", "0.02"], "slow");
  await person(slow, "first");
  const page = await (await open()).newPage();
  await page.goto(slow.url);
  await page.getByLabel("Handle").fill("cat");
  await page.getByRole("button", { name: "Make the account" }).click();
  await page.getByText("Place 1 of 1", { exact: true }).waitFor();
  await look(page, "line");
  await slow.stop();
  const asking = await serve(["--sign-ups-proofs", "invite | work+invite"], "asking");
  await page.goto(asking.url);
  await page.getByLabel("Handle").fill("cat");
  await page.getByRole("button", { name: "Make the account" }).click();
  await page.getByLabel("Invite").waitFor();
  await look(page, "asked", { shots: false });
  await asking.stop();
});

test("the list, the safety number, the settings", async () => {
  await ann.page.getByRole("link", { name: "About this conversation" }).last().click();
  await ann.page.locator(".digits span").first().waitFor();
  await look(ann.page, "safety");
  const eva = await person(server, "eva");
  await meet(eva, ann, "The notes of yesterday's meeting are on the table.");
  await ann.page.getByRole("button", { name: "Settings" }).click();
  await ann.page.getByRole("heading", { name: "Build" }).waitFor();
  await write(eva.page, "Shall I scan them for you?");
  await write(ben.page, "Sunrise is at 7:12, by the way.");
  await ann.page.getByText("Sunrise").waitFor();
  await look(ann.page, "settings");
  await ann.page.goto(`${server.url}/#/`);
  await ann.page.getByText("Sunrise").waitFor();
  await look(ann.page, "list");
  assert.deepEqual([...ann.wrong, ...ben.wrong, ...eva.wrong], []);
});

test("what another app shares, and to whom", async () => {
  const { page } = ann;
  await share(page, server, { title: "Ferries in winter", text: "Only three a day from November on", url: "https://ferry.example/winter" }, { "winter timetable.pdf": "%PDF", "pier.jpg": "a picture" });
  await page.getByRole("dialog").getByText("2 files").waitFor();
  await look(page, "share");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
});

test("the device works to come in", async () => {
  const asking = await serve(["--sign-ups-proofs", "work", "--sign-ups-work-bits", "22"], "working");
  const page = await (await open()).newPage();
  // Luck must not end it while one looks.
  await page.route("**/challenge*", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), bits: 28 } });
  });
  await page.goto(asking.url);
  await page.getByLabel("Handle").fill("cat");
  await page.getByRole("button", { name: "Make the account" }).click();
  await page.waitForFunction(() => document.querySelector("progress")?.value > 0);
  await look(page, "work");
  await page.close();
  await asking.stop();
});

test("from 320 to 2560 pixels, and in very large letters, nothing is cut off", async () => {
  const { page } = ann;
  await entry(page, ben.handle).click();
  for (const width of [320, 2560]) {
    await page.setViewportSize({ width, height: 720 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${width}`);
    assert.ok(await page.getByLabel("Write a message").isVisible());
  }
  await page.setViewportSize({ width: 320, height: 720 });
  await page.evaluate(() => (document.documentElement.dataset.text = "huge"));
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
});
