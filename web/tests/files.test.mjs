// Files, images and voice notes between two people on pages, and with one in a terminal.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { end, entry, folder, meet, person, row, serve, terminal, write } from "./harness.mjs";
import { bytes, png } from "./pictures.mjs";

let server, ann, ben;

before(async () => {
  server = await serve();
  ann = await person(server, "ann", { acceptDownloads: true, watching: { offline: true } });
  ben = await person(server, "ben", { acceptDownloads: true });
  await meet(ann, ben, "Hello Ben");
});
after(end);

/** Chooses files as a person does, up to the question before they go. */
async function choose(page, files) {
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Send files" }).click();
  await (await chooser).setFiles(files);
  return page.getByRole("dialog");
}

async function send(page, files) {
  const dialog = await choose(page, files);
  await dialog.getByRole("button", { name: "Send", exact: true }).click();
  await dialog.waitFor({ state: "detached" });
}

/** What the browser writes down. */
async function saved(page, act) {
  const download = page.waitForEvent("download");
  await act();
  const there = await download;
  return { name: there.suggestedFilename(), content: readFileSync(await there.path()) };
}

const picture = { name: "sea.png", mimeType: "image/png", buffer: png(640, 400) };

test("an image is chosen, seen small, looked at, made larger and saved", async () => {
  const dialog = await choose(ann.page, picture);
  await dialog.getByText("Send this file?").waitFor();
  await dialog.getByText("without what they say of place and camera").waitFor();
  await dialog.getByRole("button", { name: "Send", exact: true }).click();

  const there = row(ben.page, "Image sea.png");
  await there.getByRole("button", { name: "Look at sea.png" }).click();
  const viewer = ben.page.getByRole("dialog", { name: "Image sea.png" });
  const image = viewer.getByRole("img", { name: `Image sea.png of ${ann.handle}` });
  await image.waitFor();
  await ben.page.waitForFunction(() => document.querySelector("dialog img")?.naturalWidth === 640);
  const width = async () => (await image.boundingBox()).width;
  const before = await width();
  await ben.page.keyboard.press("+");
  await ben.page.waitForFunction((before) => document.querySelector("dialog img").getBoundingClientRect().width > before * 1.4, before);
  await viewer.getByRole("button", { name: "Smaller" }).click();
  await ben.page.waitForFunction((before) => Math.abs(document.querySelector("dialog img").getBoundingClientRect().width - before) < 2, before);

  const { name, content } = await saved(ben.page, () => viewer.getByRole("button", { name: "Save" }).click());
  assert.equal(name, "sea.png");
  assert.ok(!content.includes("the secret place"), "it went without its metadata");
  assert.deepEqual(content, Buffer.from(Buffer.concat([...withoutText(picture.buffer)])), "and is the same otherwise");
  await ben.page.keyboard.press("Escape");
  await viewer.waitFor({ state: "detached" });
  // Back where one was.
  await ben.page.waitForFunction(() => document.activeElement?.getAttribute("aria-label") === "Look at sea.png");
});

/** The chunks of a PNG that are no text. */
function* withoutText(bytes) {
  yield bytes.subarray(0, 8);
  for (let at = 8; at < bytes.length; ) {
    const length = 12 + bytes.readUInt32BE(at);
    if (bytes.subarray(at + 4, at + 8).toString() !== "tEXt") yield bytes.subarray(at, at + length);
    at += length;
  }
}

test("what is dropped and what is pasted is sent, and what is left out is not", async () => {
  const { page } = ann;
  const put = (kind) =>
    page.evaluate((kind) => {
      const data = new DataTransfer();
      for (const name of ["one.txt", "two.txt"]) data.items.add(new File([`this is ${kind} ${name}`], `${kind}-${name}`, { type: "text/plain" }));
      if (kind === "pasted") document.getElementById("composer").dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
      else for (const step of ["dragover", "drop"]) document.querySelector("section.talk").dispatchEvent(new DragEvent(step, { dataTransfer: data, bubbles: true, cancelable: true }));
    }, kind);
  for (const kind of ["dropped", "pasted"]) {
    await put(kind);
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Send 2 files?").waitFor();
    await dialog.getByRole("button", { name: `Leave ${kind}-two.txt out` }).click();
    await dialog.getByRole("button", { name: "Send", exact: true }).click();
    await row(ben.page, `${kind}-one.txt`).waitFor();
    assert.equal(await ben.page.getByText(`${kind}-two.txt`).count(), 0);
  }
  const { name, content } = await saved(ben.page, () => row(ben.page, "dropped-one.txt").getByRole("button", { name: "Save" }).click());
  assert.deepEqual([name, content.toString()], ["dropped-one.txt", "this is dropped one.txt"]);
});

test("what could run is written down under a safe name, and nothing of it runs", async () => {
  const buffer = Buffer.from("<!doctype html><script>document.title = 'taken over'</script>");
  await send(ann.page, [
    { name: "..\u202efdp.html", mimeType: "text/html", buffer },
    { name: "drawing.png", mimeType: "image/png", buffer: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>document.title = "taken over"</script></svg>') },
  ]);
  const { name, content } = await saved(ben.page, () => row(ben.page, "fdp.html").getByRole("button", { name: "Save" }).click());
  assert.deepEqual([name, content], ["fdp.html", buffer]);
  // It says that it is an image: it is looked into, found to be none, and written down.
  const drawing = await saved(ben.page, () => row(ben.page, "drawing.png").getByRole("button", { name: "Open" }).click());
  assert.equal(drawing.name, "drawing.png");
  assert.equal(await ben.page.locator("dialog img, iframe, object, embed").count(), 0);
  assert.ok(!(await ben.page.title()).includes("taken over"));
});

test("an image that is to be seen once is, and is gone then", async () => {
  const dialog = await choose(ann.page, { ...picture, name: "once.png" });
  await dialog.getByLabel("To be seen once").check();
  await dialog.getByRole("button", { name: "Send", exact: true }).click();
  const there = row(ben.page, "once.png");
  await there.getByText("to be seen once").waitFor();
  assert.equal(await there.locator("img").count(), 0, "nothing of it is seen before");
  await row(ann.page, "once.png").getByText("by those you sent it to").waitFor();
  await there.getByRole("button", { name: "See it once" }).click();
  const viewer = ben.page.getByRole("dialog", { name: "Image once.png" });
  await viewer.getByText("gone from here when you close it").waitFor();
  await ben.page.waitForFunction(() => document.querySelector("dialog img")?.naturalWidth === 640);
  assert.equal(await viewer.getByRole("button", { name: "Save" }).count(), 0);
  await viewer.getByRole("button", { name: "Close" }).click();
  await there.getByText("It was to be seen once, and was.").waitFor();
  await ben.page.reload();
  await row(ben.page, "once.png").getByText("It was to be seen once, and was.").waitFor();
  assert.equal(await row(ben.page, "once.png").getByRole("button", { name: "See it once" }).count(), 0);
});

test("an upload goes on after a reload in its middle and without a server", async () => {
  const large = { name: "large.bin", mimeType: "application/octet-stream", buffer: bytes(9_000_000) };
  await send(ann.page, large);
  await ann.page.getByRole("button", { name: "Pause large.bin" }).click();
  await ann.page.getByText("Paused").waitFor();
  await ann.page.reload();
  await ann.page.getByText("Paused").waitFor();
  assert.equal(await row(ben.page, "large.bin").count(), 0);

  await server.stop();
  await ann.page.getByRole("button", { name: "Go on with large.bin" }).click();
  await ann.page.getByRole("progressbar", { name: "Sending large.bin" }).waitFor();
  await ann.page.reload();
  await ann.page.getByRole("progressbar", { name: "Sending large.bin" }).waitFor();
  await server.start();
  const there = row(ben.page, "large.bin");
  const { content } = await saved(ben.page, async () => {
    await there.getByRole("button", { name: "Save" }).click();
    // What has taken long is not written down behind anybody's back, but when it is asked for.
    await ben.page.waitForFunction(() => /It is here|was saved/.test(document.body.textContent));
    const asks = there.getByRole("button", { name: "It is here: save it" });
    if ((await asks.count()) > 0) await asks.click();
  });
  assert.ok(content.equals(large.buffer), "every byte of it");
  await ann.page.getByRole("list", { name: "Files going out" }).waitFor({ state: "detached" });
});

test("one that is cancelled is never sent", async () => {
  await server.stop();
  await send(ann.page, { name: "regretted.bin", mimeType: "", buffer: bytes(100_000) });
  await ann.page.getByRole("button", { name: "Cancel regretted.bin" }).click();
  await ann.page.getByRole("button", { name: "Cancel regretted.bin" }).waitFor({ state: "detached" });
  await server.start();
  await write(ann.page, "after all, no");
  await row(ben.page, "after all, no").waitFor();
  assert.equal(await ben.page.getByText("regretted.bin").count(), 0);
});

test("files go between a page and a terminal", async () => {
  const cat = terminal("cat");
  const [{ handle }] = cat("register", "cat", "--server", server.url);
  cat("start", ann.handle, "hello from the terminal");
  await entry(ann.page, handle).click();
  await ann.page.getByRole("button", { name: "Accept" }).click();
  await row(ann.page, "hello from the terminal").waitFor();

  const place = join(mkdtempSync(join(folder, "cat-")), "boat.png");
  writeFileSync(place, png(300, 200));
  cat("send", ann.handle, "--file", place);
  await row(ann.page, "Image boat.png").getByRole("button", { name: "Look at boat.png" }).click();
  await ann.page.waitForFunction(() => document.querySelector("dialog img")?.naturalWidth === 300);
  await ann.page.keyboard.press("Escape");

  await send(ann.page, { ...picture, name: "harbour.png" });
  await row(ann.page, "Image harbour.png").locator("[data-delivery=sent]").waitFor();
  cat("sync");
  const file = cat("files", ann.handle).find(({ name }) => name === "harbour.png");
  assert.deepEqual([file.width, file.height, file.media_type], [640, 400, "image/png"]);
  const to = join(folder, "harbour.png");
  cat("save", file.id, to);
  assert.ok(readFileSync(to).equals(Buffer.concat([...withoutText(picture.buffer)])));
});

test("a voice note is recorded, sent, heard and understood by a terminal", async () => {
  const args = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
  const dan = await person(server, "dan", { permissions: ["microphone"], args });
  const { page, wrong } = dan;
  await meet(dan, ann, "a word with you");
  await page.getByRole("button", { name: "Record a voice note" }).click();
  await page.getByRole("timer").getByText("0:02").waitFor();
  await page.getByRole("button", { name: "Send the voice note" }).click();

  const note = row(ann.page, "0:0").getByRole("group", { name: /^Voice note, 0:0[1-4]$/ });
  await note.waitFor();
  assert.ok((await note.locator("rect").count()) > 20, "a bar for each part of it");
  await note.getByRole("button", { name: "Play" }).click();
  await note.getByRole("button", { name: "Pause" }).waitFor();
  await note.getByRole("button", { name: "Speed 1", exact: true }).click();
  await note.getByRole("button", { name: "Speed 1.5" }).waitFor();
  await note.getByRole("button", { name: "Play" }).waitFor();
  assert.deepEqual(wrong, []);

  // Recorded, and thrown away.
  await page.getByRole("button", { name: "Record a voice note" }).click();
  await page.getByRole("timer").getByText("0:01").waitFor();
  await page.keyboard.press("Escape");
  await page.getByLabel("Write a message").waitFor();
  await write(page, "only that one");
  await row(ann.page, "only that one").waitFor();
  assert.equal(await ann.page.getByRole("group", { name: /^Voice note/ }).count(), 1);
});

test("without a microphone, recording says so plainly", async () => {
  await ann.page.getByRole("button", { name: "Record a voice note" }).click();
  await ann.page.getByRole("dialog").getByText(/microphone/).waitFor();
  await ann.page.getByRole("dialog").getByRole("button", { name: "Close" }).first().click();
  await ann.page.getByLabel("Write a message").waitFor();
});

test("nobody was asked for anything but our own server, and nothing was complained of", () => {
  assert.deepEqual(ann.wrong, []);
  // While the server was away the browser noted each try.
  assert.deepEqual(ben.wrong.filter((line) => !/ERR_|WebSocket connection/.test(line)), []);
});
