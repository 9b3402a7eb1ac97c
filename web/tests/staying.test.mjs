// What goes away and comes back: the network, the server, the page, the tab.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { end, entry, meet, person, row, serve, share, watch, write } from "./harness.mjs";

let server, ann, ben;

before(async () => {
  server = await serve();
  ann = await person(server, "ann", { watching: { offline: true } });
  ben = await person(server, "ben", { watching: { offline: true } });
  await meet(ann, ben, "good morning");
});
after(end);

test("writing goes on while the server is away, and arrives once when it is back", async () => {
  await server.stop();
  await ann.page.getByText("The server can't be reached.").first().waitFor();
  await write(ann.page, "written into the dark");
  await row(ann.page, "written into the dark").locator("[data-delivery=queued]").waitFor();
  await ann.page.getByText("1 message waits").first().waitFor();
  await server.start();
  await row(ben.page, "written into the dark").waitFor();
  await ann.page.getByText("1 message waits").waitFor({ state: "detached" });
  assert.equal(await ben.page.locator("[data-row]").filter({ hasText: "written into the dark" }).count(), 1);
});

test("without a network the page opens from what it keeps, and what was written there goes out later", async () => {
  await ann.page.evaluate(() => navigator.serviceWorker.ready);
  await ann.page.waitForFunction(async () => (await caches.keys()).length === 1);
  await ann.page.reload();
  await ann.page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await server.stop();
  await ann.context.setOffline(true);
  await ann.page.reload();
  await row(ann.page, "written into the dark").waitFor();
  await ann.page.getByText("Offline. What you write goes out later.").first().waitFor();
  await write(ann.page, "from the island");
  await row(ann.page, "from the island").locator("[data-delivery=queued]").waitFor();
  await ann.page.reload();
  await row(ann.page, "from the island").locator("[data-delivery=queued]").waitFor();
  await server.start();
  await ann.context.setOffline(false);
  await row(ben.page, "from the island").waitFor();
});

test("a second tab says so, takes over, and gives back", async () => {
  const second = await ann.context.newPage();
  const wrong = watch(second, server.url, { offline: true });
  await second.goto(server.url);
  await second.getByRole("heading", { name: "Alcyon is open in another tab" }).waitFor();
  await second.getByRole("button", { name: "Use it here" }).click();
  await entry(second, ben.handle).click();
  await row(second, "from the island").waitFor();
  await ann.page.getByRole("heading", { name: "Alcyon has moved to another tab" }).waitFor();
  await write(second, "from the second tab");
  await row(ben.page, "from the second tab").waitFor();
  await ann.page.getByRole("button", { name: "Use it here" }).click();
  await row(ann.page, "from the second tab").waitFor();
  await second.getByRole("heading", { name: "Alcyon has moved to another tab" }).waitFor();
  await second.close();
  assert.deepEqual(wrong, []);
});

test("what another app shares waits in the conversation that is chosen, and nothing of it stays behind", async () => {
  const { page } = ann;
  await page.goto(server.url);
  await entry(page, ben.handle).waitFor();
  assert.equal((await (await ann.context.request.get(`${server.url}/app.webmanifest`)).json()).share_target.action, "/share");
  await share(page, server, { title: "The tide table", url: "https://tide.example/" }, { "tide é.txt": "high and low" });
  const dialog = page.getByRole("dialog");
  await dialog.getByText("The tide table").waitFor();
  await dialog.getByText("1 file").waitFor();
  assert.equal(await page.evaluate(() => caches.has("shared")), false);
  await dialog.getByRole("button", { name: ben.handle }).click();
  await page.getByText("tide é.txt").first().waitFor();
  assert.equal(await page.getByLabel("Write a message").inputValue(), "The tide table\nhttps://tide.example/");
  await page.reload();
  await entry(page, ben.handle).waitFor();
  assert.equal(await page.getByText("To whom?").count(), 0, "once");
  // The browser itself asks for an icon of a page that names none.
  const icon = "console: Failed to load resource: the server responded with a status of 404 (Not Found)";
  ann.wrong.splice(0, ann.wrong.length, ...ann.wrong.filter((one) => one !== icon));
});

test("storage that the browser has emptied is spoken of", async () => {
  await ben.page.evaluate(async () => {
    // As an eviction would, but for the small note that an account was here.
    for (const name of await caches.keys()) await caches.delete(name);
  });
  const { url } = ben.page.url() ? { url: server.url } : {};
  await ben.page.goto("about:blank");
  const page = await ben.context.newPage();
  await page.goto(`${url}/icon.svg`);
  await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    for await (const name of root.keys()) await root.removeEntry(name, { recursive: true });
  });
  await page.goto(url);
  await page.getByRole("heading", { name: "This browser has emptied Alcyon's storage" }).waitFor();
  await page.getByText(ben.handle).waitFor();
  await page.getByRole("button", { name: "Begin anew" }).click();
  await page.getByRole("button", { name: "Make the account" }).waitFor();
});

test("a browser that can't do it is told so", async () => {
  const page = await ann.context.newPage();
  await page.addInitScript(() => delete globalThis.WebAssembly);
  await page.goto(server.url);
  await page.getByText("This browser has no WebAssembly").waitFor();
});

test("nobody was asked for anything but our own server", () => {
  assert.deepEqual([...ann.wrong, ...ben.wrong], []);
});
