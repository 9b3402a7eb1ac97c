// Who somebody is in their own words: a name and a picture at sign-up, changed and taken back; two of one name; pictures of groups.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { AxeBuilder } from "@axe-core/playwright";

import { confirm, end, entry, makeGroup, meet, open, person, row, serve, terminal, watch, write } from "./harness.mjs";
import { bytes, png } from "./pictures.mjs";

let server, ann, ben;
const cat = terminal("cat");

before(async () => {
  server = await serve();
});
after(end);

const image = { name: "me.png", mimeType: "image/png", buffer: png(640, 480) };

async function choose(page, file, button = "Choose a picture") {
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: button }).click();
  await (await chooser).setFiles([file]);
}

/** The picture in some place, once it is there: how many pixels wide it is. */
async function width(place) {
  const picture = place.locator(".avatar img");
  await picture.waitFor();
  return picture.evaluate(async (img) => {
    await img.decode();
    return img.naturalWidth;
  });
}

const none = (place) => place.locator(".avatar img").waitFor({ state: "detached" });
const head = (page) => page.locator(".talk header");

async function settings(page, act) {
  await page.getByRole("button", { name: "Settings" }).click();
  await act();
  await page.getByRole("button", { name: "Back" }).click();
}

test("a name and a picture are set at sign-up, by keyboard, and are seen once the request is accepted", async () => {
  const context = await open();
  const page = await context.newPage();
  const wrong = watch(page, server.url);
  await page.goto(server.url);
  await page.getByLabel("Handle").fill("ann");
  await choose(page, { name: "notes.txt", mimeType: "text/plain", buffer: bytes(100) });
  await page.getByText("This browser can't make a picture of that.").waitFor();
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Choose a picture" }).focus();
  await page.keyboard.press("Enter");
  await (await chooser).setFiles([image]);
  assert.equal(await width(page.locator("form")), 96);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.type("Ann of the sea");
  const { violations } = await new AxeBuilder({ page }).analyze();
  assert.deepEqual(violations.map(({ id }) => id), []);
  await page.getByRole("button", { name: "Make the account" }).click();
  await confirm(page);
  ann = { name: "ann", context, page, wrong, handle: `ann@${new URL(server.url).host}` };

  ben = await person(server, "ben");
  await meet(ann, ben, "Hello Ben");
  await ben.page.getByRole("heading", { name: "Ann of the sea", exact: true }).waitFor();
  assert.equal(await width(head(ben.page)), 96);
  assert.equal(await width(entry(ben.page, "Ann of the sea")), 96);
  await row(ben.page, "Hello Ben").getByText("Ann of the sea").waitFor({ state: "attached" });
  // Who never set one goes by the handle.
  assert.equal(await ann.page.getByRole("heading", { name: ben.handle }).count(), 1);
});

test("a request shows the handle alone", async () => {
  const dan = await person(server, "dan");
  await ann.page.getByRole("button", { name: "New conversation" }).first().click();
  await ann.page.getByLabel("Handle").fill(dan.handle);
  await ann.page.getByLabel("First message").fill("Hello Dan");
  await ann.page.getByRole("button", { name: "Send", exact: true }).click();
  await entry(dan.page, ann.handle).click();
  await dan.page.getByText(`${ann.handle} would like to talk with you`).first().waitFor();
  assert.equal(await dan.page.getByText("Ann of the sea").count(), 0);
  assert.equal(await dan.page.locator(".avatar img").count(), 0);
  await dan.page.getByRole("button", { name: "Decline" }).click();
  assert.deepEqual(dan.wrong, []);
  await dan.context.close();
});

test("the handle stays on the page about the conversation, with the safety number", async () => {
  await ben.page.getByRole("link", { name: "About this conversation" }).last().click();
  await ben.page.getByRole("heading", { name: "Ann of the sea" }).waitFor();
  assert.equal(await ben.page.getByText(ann.handle, { exact: true }).count(), 2);
  await ben.page.getByRole("heading", { name: "Safety number" }).waitFor();
  const { violations } = await new AxeBuilder({ page: ben.page }).analyze();
  assert.deepEqual(violations.map(({ id }) => id), []);
  await ben.page.getByRole("button", { name: "Back" }).click();
});

test("both are changed and taken back, and everybody sees it at once", async () => {
  await entry(ann.page, ben.handle).click();
  await write(ben.page, "a word from Ben");
  await row(ann.page, "a word from Ben").waitFor();
  await settings(ann.page, async () => {
    await ann.page.getByLabel("Name", { exact: true }).fill("Anna");
    await ann.page.getByRole("button", { name: "Save" }).click();
    await ann.page.getByText("Saved.").waitFor({ state: "attached" });
    const { violations } = await new AxeBuilder({ page: ann.page }).analyze();
    assert.deepEqual(violations.map(({ id }) => id), []);
  });
  await ben.page.getByRole("heading", { name: "Anna", exact: true }).waitFor();
  await entry(ben.page, "Anna").waitFor();
  assert.equal(await width(head(ben.page)), 96);
  await settings(ann.page, () => ann.page.getByRole("button", { name: "Remove the picture" }).click());
  await none(head(ben.page));
  await settings(ann.page, async () => {
    // It comes a moment after the page does.
    await ann.page.waitForFunction(() => document.getElementById("display-name")?.value === "Anna");
    await ann.page.getByLabel("Name", { exact: true }).fill("");
    await ann.page.getByRole("button", { name: "Save" }).click();
  });
  await ben.page.getByRole("heading", { name: ann.handle, exact: true }).waitFor();
  await settings(ann.page, async () => {
    await choose(ann.page, image);
    await ann.page.getByRole("button", { name: "Another picture" }).waitFor();
  });
  assert.equal(await width(head(ben.page)), 96);
  // A reload finds all of it again.
  await ben.page.reload();
  assert.equal(await width(head(ben.page)), 96);
});

test("two who have the same name are told apart, also a terminal person", async () => {
  await settings(ann.page, async () => {
    await ann.page.getByLabel("Name", { exact: true }).fill("Robin");
    await ann.page.getByRole("button", { name: "Save" }).click();
    await ann.page.getByText("Saved.").waitFor({ state: "attached" });
  });
  await ben.page.getByRole("heading", { name: "Robin", exact: true }).waitFor();
  const { handle } = cat("register", "cat", "--server", server.url).at(-1);
  assert.equal(cat("introduce", "--name", "robin").at(-1).name, "robin");
  cat("start", ben.handle, "hello from the terminal");
  await entry(ben.page, handle).click();
  await ben.page.getByRole("button", { name: "Accept" }).click();
  await ben.page.getByRole("heading", { name: `robin (${handle})` }).waitFor();
  await entry(ben.page, `Robin (${ann.handle})`).click();
  await ben.page.getByRole("heading", { name: `Robin (${ann.handle})` }).waitFor();
  await settings(ben.page, async () => {
    await ben.page.getByLabel("Name", { exact: true }).fill("Ben");
    await ben.page.getByRole("button", { name: "Save" }).click();
    await ben.page.getByText("Saved.").waitFor({ state: "attached" });
  });
  await entry(ben.page, `robin (${handle})`).click();
  await write(ben.page, "and back");
  await row(ben.page, "and back").locator("[data-delivery=sent]").waitFor();
  const heard = cat("sync");
  assert.ok(heard.some(({ event, text, sender_name: name }) => event === "message" && text === "and back" && name === "Ben"), JSON.stringify(heard));
  assert.deepEqual(cat("conversations").map(({ title, name }) => [title, name]), [[ben.handle, "Ben"]]);
});

test("a group has a picture that is set, seen and removed", async () => {
  await makeGroup(ann.page, "Boats", ben.handle);
  await entry(ben.page, "Boats").click();
  await ben.page.getByRole("button", { name: "Accept" }).click();
  await ben.page.getByRole("heading", { name: "Boats" }).waitFor();
  await choose(ann.page, image);
  await ann.page.getByRole("button", { name: "Another picture" }).waitFor();
  assert.equal(await width(entry(ann.page, "Boats")), 96);
  await ben.page.getByText("changed the picture").last().waitFor();
  assert.equal(await width(head(ben.page)), 96);
  assert.equal(await width(entry(ben.page, "Boats")), 96);
  await ben.page.getByRole("link", { name: "About this conversation" }).last().click();
  // Members go by name, and their handles stand below.
  await ben.page.locator("li").filter({ hasText: "Robin" }).getByText(ann.handle, { exact: true }).waitFor();
  await ben.page.getByRole("button", { name: "Back" }).click();
  await ann.page.getByRole("button", { name: "Remove the picture" }).click();
  await none(head(ben.page));
  await none(entry(ann.page, "Boats"));
});

test("nothing went wrong on the way", () => {
  for (const one of [ann, ben]) assert.deepEqual(one.wrong, [], one.name);
});
