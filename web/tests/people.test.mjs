// Two people, each in a browser of their own, through all that a conversation can do; and one of them with a terminal person.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { act, bin, confirm, end, entry, folder, makeGroup, meet, person, row, serve, terminal, write } from "./harness.mjs";

let server, ann, ben, dan;

before(async () => {
  server = await serve();
});
after(end);

test("words that were not confirmed are shown again after a reload", async () => {
  ann = await person(server, "ann", { stopAtWords: true });
  await ann.page.getByRole("button", { name: "I have written them down" }).waitFor();
  const words = await ann.page.locator("ol strong").allTextContents();
  await ann.page.reload();
  await ann.page.getByRole("button", { name: "I have written them down" }).waitFor();
  assert.deepEqual(await ann.page.locator("ol strong").allTextContents(), words);

  await ann.page.getByRole("button", { name: "I have written them down" }).click();
  for (const field of await ann.page.getByLabel(/^Word \d+$/).all()) await field.fill("zebra-of-no-list");
  await ann.page.getByRole("button", { name: "That is all of them" }).click();
  await ann.page.getByText("That is not the word on that place.").waitFor();
  await ann.page.getByRole("button", { name: "Show them again" }).click();
  await confirm(ann.page);
});

test("a name that is taken is said to be", async () => {
  const twin = await person(server, "ann", { stopAtWords: true, watching: { offline: true } });
  await twin.page.getByText("That name is taken.").waitFor();
  await twin.page.getByLabel("Handle").fill("ben");
  await twin.page.getByRole("button", { name: "Make the account" }).click();
  await confirm(twin.page);
  ben = { ...twin, name: "ben", handle: twin.handle.replace("ann", "ben") };
});

test("one knocks, the other accepts, and they talk", async () => {
  await meet(ben, ann, "Hello Ann");
  await write(ben.page, "Look, the **tide** is out");
  await row(ann.page, "the tide is out").locator(".bold").getByText("tide").waitFor();
  await write(ann.page, "So it is");
  await row(ben.page, "So it is").waitFor();
  // Ben has the conversation open: it is read.
  await row(ann.page, "So it is").locator("[data-delivery=read]").waitFor();
});

test("nothing that somebody writes becomes markup", async () => {
  await write(ben.page, "<img src=x onerror=alert(1)> <b>not bold</b> https://xn--pple-43d.com/");
  const text = row(ann.page, "not bold");
  await text.waitFor();
  assert.equal(await text.locator("img, b").count(), 0);
  await text.getByRole("link").click();
  const dialog = ann.page.getByRole("dialog");
  await dialog.getByText("only look like others").waitFor();
  assert.equal(await dialog.getByRole("link", { name: "Open" }).getAttribute("rel"), "noopener noreferrer");
  await dialog.getByRole("button", { name: "Cancel" }).click();
});

test("replies, reactions, changes, deletions and pins", async () => {
  await act(ann.page, "the tide is out", "Reply");
  await ann.page.getByText("Reply to").waitFor();
  await write(ann.page, "Then we walk");
  await row(ben.page, "Then we walk").locator(".quote").getByText("Look, the").waitFor();

  await act(ben.page, "Then we walk", "❤️");
  await row(ann.page, "Then we walk").getByRole("button", { name: /^❤️/ }).waitFor();
  await row(ben.page, "Then we walk").getByRole("button", { name: /^❤️/ }).click();
  await row(ann.page, "Then we walk").getByRole("button", { name: /^❤️/ }).waitFor({ state: "detached" });

  await act(ann.page, "Then we walk", "Change");
  await write(ann.page, "Then we walk to the island");
  await row(ben.page, "to the island").getByText("changed").waitFor();
  await act(ben.page, "to the island", "Earlier texts");
  await ben.page.getByRole("dialog").getByText("Then we walk", { exact: true }).waitFor();
  await ben.page.getByRole("dialog").getByRole("button", { name: "Close" }).click();

  await write(ann.page, "a slip of the pen");
  await row(ben.page, "a slip of the pen").waitFor();
  await act(ann.page, "a slip of the pen", "Delete for everybody");
  await ann.page.getByRole("dialog").getByRole("button", { name: "Delete for everybody" }).click();
  await ben.page.getByText(`${ann.handle} deleted this message`).waitFor();
  await ben.page.waitForFunction(() => !document.body.textContent.includes("a slip of the pen"));

  await act(ben.page, "to the island", "Pin");
  await act(ann.page, "to the island", "Unpin");
});

test("a poll is asked, answered and ended", async () => {
  await ann.page.getByRole("button", { name: "More", exact: true }).click();
  await ann.page.getByRole("button", { name: "Poll" }).click();
  const dialog = ann.page.getByRole("dialog");
  await dialog.getByLabel("Question").fill("Which boat?");
  await dialog.getByLabel("Answer 1").fill("The blue one");
  await dialog.getByLabel("Answer 2").fill("The old one");
  await dialog.getByRole("button", { name: "Ask" }).click();
  await row(ben.page, "Which boat?").getByLabel("The old one").check();
  await row(ann.page, "Which boat?").getByText("1 vote").waitFor();
  await act(ann.page, "Which boat?", "End the poll");
  await row(ben.page, "Which boat?").getByText("This poll is over").waitFor();
});

test("who writes is seen to, and what was begun is kept", async () => {
  await ann.page.getByLabel("Write a message").pressSequentially("Shall w");
  await ben.page.getByText(`${ann.handle} is writing`).waitFor();
  await ann.page.getByRole("button", { name: "Settings" }).click();
  await ann.page.getByText("Draft: Shall w").waitFor();
  await entry(ann.page, ben.handle).click();
  assert.equal(await ann.page.getByLabel("Write a message").inputValue(), "Shall w");
  await ann.page.getByLabel("Write a message").fill("");
});

test("both see the same safety number", async () => {
  const digits = async ({ page }) => {
    await page.getByRole("link", { name: "About this conversation" }).last().click();
    return (await page.locator(".digits span").first().waitFor(), await page.locator(".digits").textContent());
  };
  assert.equal(await digits(ann), await digits(ben));
  await ann.page.getByRole("img", { name: "The same number as a code" }).waitFor();
});

test("unread, pinned, muted, archived", async () => {
  await ben.page.getByRole("button", { name: "Settings" }).click();
  await ann.page.getByRole("button", { name: "Back" }).click();
  await write(ann.page, "Are you there?");
  await ben.page.getByText("1 unread message").waitFor();
  assert.match(await ben.page.title(), /^\(1\)/);
  await ann.page.getByRole("link", { name: "About this conversation" }).last().click();
  await ann.page.getByRole("button", { name: "Pin to the top" }).click();
  await ann.page.getByRole("button", { name: "Mute", exact: true }).click();
  await ann.page.getByRole("link", { name: "pinned" }).waitFor();
  await ann.page.getByRole("button", { name: "Archive" }).click();
  await ann.page.getByRole("button", { name: "1 archived conversation" }).click();
  await ann.page.getByRole("button", { name: "Back into the list" }).click();
  await ann.page.getByRole("button", { name: "Unmute" }).click();
  await entry(ben.page, ann.handle).click();
  await ben.page.getByText("1 unread message").waitFor({ state: "detached" });
});

test("messages are found", async () => {
  await ben.page.getByLabel("Search messages").fill("island");
  await ben.page.getByText("1 message found").waitFor();
  await ben.page.getByLabel("Search messages").fill("");
});

test("everything goes by the keyboard", async () => {
  const { page } = ben;
  await page.getByLabel("Write a message").focus();
  await page.keyboard.type("by keys");
  await page.keyboard.press("Enter");
  await row(page, "by keys").locator("[data-delivery]").waitFor();
  await page.getByRole("region", { name: "Messages" }).focus();
  await page.keyboard.press("ArrowUp");
  await page.waitForFunction(() => document.activeElement?.closest("[data-row]")?.textContent?.includes("by keys"));
  await row(page, "by keys").locator("[data-delivery=read], [data-delivery=delivered], [data-delivery=sent]").waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.waitForFunction(() => document.activeElement?.closest("[data-row]"));
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "composer");
  await page.keyboard.press("ArrowUp");
  assert.equal(await page.getByLabel("Write a message").inputValue(), "by keys");
  await page.keyboard.press("Escape");
});

test("a person in a terminal talks with one on the page", async () => {
  const cat = terminal("cat");
  const [{ handle }] = cat("register", "cat", "--server", server.url);
  cat("start", ann.handle, "hello from the terminal");
  await entry(ann.page, handle).click();
  await ann.page.getByRole("button", { name: "Accept" }).click();
  await row(ann.page, "hello from the terminal").waitFor();
  await write(ann.page, "and from the page, *dear* cat");
  await row(ann.page, "dear cat").locator("[data-delivery=sent]").waitFor();
  const heard = cat("sync");
  assert.ok(heard.some(({ text }) => text === "and from the page, *dear* cat"), JSON.stringify(heard));
  await row(ann.page, "dear cat").locator("[data-delivery=delivered]").waitFor();
});

test("a group is made, come into and written in", async () => {
  await makeGroup(ann.page, "Boats", ben.handle);
  await ann.page.getByText("invited", { exact: true }).waitFor();

  await entry(ben.page, "Boats").click();
  await ben.page.getByText("invites you into “Boats”").waitFor();
  await ben.page.getByRole("button", { name: "Accept" }).click();
  await ben.page.getByRole("heading", { name: "Boats" }).waitFor();
  await ann.page.getByText("invited", { exact: true }).waitFor({ state: "detached" });
  await ann.page.getByRole("button", { name: "Back" }).click();
  await write(ann.page, "welcome aboard");
  await row(ben.page, "welcome aboard").locator(".who").getByText(ann.handle).waitFor();

  await ann.page.getByRole("link", { name: "About this conversation" }).last().click();
  await ann.page.getByRole("button", { name: "Make a link" }).click();
  const link = await ann.page.locator(".link code").textContent();
  assert.match(link, new RegExp(`^${server.url}/join#`));
  dan = await person(server, "dan");
  await dan.page.goto(link);
  await dan.page.getByRole("button", { name: "Join" }).click();
  await dan.page.getByText("you came in").last().waitFor();
  await write(dan.page, "came by the link");
  await row(ben.page, "came by the link").waitFor();
  assert.deepEqual(dan.wrong, []);
  await ann.page.getByRole("button", { name: "Back" }).click();
});

test("what a member reports is seen before it is sent, and by the admins", async () => {
  await write(ann.page, "a harmless word");
  await write(ben.page, "buy my nets");
  await row(ann.page, "buy my nets").waitFor();
  await row(ben.page, "a harmless word").waitFor();
  await act(dan.page, "buy my nets", "Report");
  const dialog = dan.page.getByRole("dialog");
  await dialog.getByLabel("Spam or fraud").check();
  await dialog.getByLabel("What you want to say about it").fill("every day");
  assert.ok(await dialog.getByLabel("buy my nets").isChecked());
  assert.ok(await dialog.getByLabel(/^The admins of this group/).isChecked());
  await dialog.getByRole("button", { name: "See what is sent" }).click();
  await dialog.getByText("Exactly this is sent").waitFor();
  await dialog.getByText(`It goes to ${ann.handle}`).waitFor();
  // Nothing has left yet.
  await dialog.getByRole("button", { name: "Change it" }).click();
  await dialog.getByLabel(/^Whoever runs your server/).check();
  await dialog.getByLabel(`Block ${ben.handle} as well`).check();
  await dialog.getByRole("button", { name: "See what is sent" }).click();
  await dialog.getByText("Who reports is not kept there").waitFor();
  await dialog.getByRole("button", { name: "Send the report" }).click();
  await dialog.getByText("It is reported.").waitFor();
  await dialog.getByRole("button", { name: "Close" }).last().click();

  await entry(ann.page, "Spam or fraud").click();
  await ann.page.getByText(`${dan.handle} reports something in “Boats”`).first().waitFor();
  await ann.page.getByText("It is so in the conversation.").waitFor();
  await ann.page.getByText("every day").waitFor();
  await ann.page.getByRole("link", { name: "Open the group" }).click();
  await row(ann.page, "buy my nets").waitFor();
  await entry(ann.page, "Spam or fraud").click();
  await ann.page.getByRole("button", { name: "Put away" }).click();
  await entry(ann.page, "Spam or fraud").waitFor({ state: "detached" });
  assert.equal(await ben.page.getByText("every day").count(), 0, "nobody else sees it");

  const admin = (...words) => execFileSync(join(bin, "alcyon-server"), ["admin", ...words, "--json", "--data", join(folder, "server")]).toString().split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const [report, ...more] = admin("reports", "list");
  assert.deepEqual(more, []);
  assert.deepEqual([report.called, report.reason, report.words, report.from], [ben.handle, "spam", "every day", null]);
  assert.deepEqual(report.messages.map(({ by, text }) => [by, text]), [[ben.handle, "buy my nets"]]);
  assert.equal(admin("reports", "clear", "--all")[0].reports, 1);

  await entry(ann.page, "Boats").click();
});

test("a group is renamed and left", async () => {
  await ann.page.getByRole("link", { name: "About this conversation" }).last().click();
  await ann.page.getByLabel("Name of the group").fill("Old boats");
  await ann.page.getByRole("button", { name: "Save" }).click();
  await ben.page.getByRole("heading", { name: "Old boats" }).waitFor();
  await ben.page.getByRole("link", { name: "About this conversation" }).last().click();
  await ben.page.getByRole("button", { name: "Leave the group" }).click();
  await ben.page.getByRole("dialog").getByRole("button", { name: "Leave the group" }).click();
  await ben.page.waitForFunction(() => location.hash === "#/");
  await ann.page.getByRole("button", { name: "Back" }).click();
  await ann.page.getByText(`${ben.handle} left`).last().waitFor();
});

test("the whole page is there in French", async () => {
  await ben.page.getByRole("button", { name: "Settings" }).click();
  await ben.page.getByLabel("Language").selectOption("fr");
  await ben.page.getByRole("heading", { name: "Réglages" }).waitFor();
  assert.equal(await ben.page.locator("html").getAttribute("lang"), "fr");
  await ben.page.getByLabel("Langue").selectOption("en");
});

test("nobody was asked for anything but our own server, and nothing was complained of", () => {
  assert.deepEqual(ann.wrong, []);
  // The browser notes the answer to a name that was taken.
  assert.deepEqual(ben.wrong, []);
});
