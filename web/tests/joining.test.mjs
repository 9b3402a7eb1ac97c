// Coming in: the line of newcomers, what a server asks of them, and a browser that becomes one more device of an account.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { bin, confirm, end, entry, folder, meet, open, person, row, serve, terminal, watch, write } from "./harness.mjs";

let server;

before(async () => {
  server = await serve();
});
after(end);

/** A page on which nobody has an account yet. */
async function newcomer(there) {
  const context = await open();
  const page = await context.newPage();
  const wrong = watch(page, there.url);
  await page.goto(there.url);
  await page.getByLabel("Handle").waitFor();
  return { context, page, wrong };
}

const make = (page) => page.getByRole("button", { name: "Make the account" }).click();

test("who comes when many do sees the place in line, keeps it over a reload, and comes in", async () => {
  const slow = await serve(["--sign-ups-per-second", "0.1"], "slow");
  terminal("first")("register", "first", "--server", slow.url);
  const { page } = await newcomer(slow);
  await page.getByLabel("Handle").fill("ann");
  await make(page);
  await page.getByRole("heading", { name: "You are in line" }).waitFor();
  await page.getByText("Place 1 of 1", { exact: true }).waitFor();
  await page.getByText(/^About \d+ second|^Any moment now/).waitFor();
  await page.reload();
  await confirm(page);
  await page.getByText(`ann@${new URL(slow.url).host}`).first().waitFor();
  await slow.stop();
});

test("a server that asks for an invite is told one, and a wrong one is said to be wrong", async () => {
  const asking = await serve(["--sign-ups-proofs", "invite"], "asking");
  const { page } = await newcomer(asking);
  await page.getByLabel("Handle").fill("ann");
  await make(page);
  await page.getByText("This server asks newcomers for something").waitFor();
  assert.equal(await page.getByLabel("Handle").inputValue(), "ann");
  await page.getByLabel("Invite").fill("no-such-invite");
  await make(page);
  await page.getByText("The server did not take this invite").waitFor();

  const made = execFileSync(join(bin, "alcyon-server"), ["admin", "--data", join(folder, "asking"), "--json", "invites", "make"]).toString();
  const invite = JSON.parse(made).code;
  await page.getByLabel("Invite").fill(invite.slice(0, -1) + (invite.endsWith("A") ? "B" : "A"));
  await make(page);
  await page.getByText("The server did not take this invite").waitFor();
  await page.getByLabel("Invite").fill(invite);
  await make(page);
  await confirm(page);
  await asking.stop();
});

test("a server that asks for work gets it, and nobody has to do anything", async () => {
  const asking = await serve(["--sign-ups-proofs", "work", "--sign-ups-work-bits", "8"], "working");
  const ann = await person(asking, "ann", { watching: { offline: true } });
  await ann.page.getByText(ann.handle).first().waitFor();
  await asking.stop();
});

test("where the work takes a while the page says so, how far it is, and lets one stop", async () => {
  const asking = await serve(["--sign-ups-proofs", "work", "--sign-ups-work-bits", "22"], "toiling");
  const { page } = await newcomer(asking);
  // Whoever is lucky is through at once: on its way the work becomes more than any device does while a test looks on.
  let asked = 0;
  await page.route("**/challenge*", async (route) => {
    const response = await route.fetch();
    const challenge = await response.json();
    assert.equal(challenge.bits, 22);
    asked += 1;
    await route.fulfill({ response, json: { ...challenge, bits: 28 } });
  });
  await page.getByLabel("Handle").fill("ann");
  await make(page);
  await page.getByRole("heading", { name: "Your device is working" }).waitFor();
  const bar = page.getByRole("progressbar", { name: "How far the work has come" });
  await bar.waitFor();
  assert.equal(await bar.getAttribute("max"), "1000");
  await page.getByText(/^About \d+ (seconds|minutes), with luck less$/).waitFor();
  // It gets on, and goes on after a reload.
  await page.waitForFunction(() => document.querySelector("progress").value > 0);
  await page.reload();
  await page.getByRole("heading", { name: "Your device is working" }).waitFor();
  // Once, by whatever reads the screen out; the numbers that change are not read.
  assert.equal(await page.getByRole("status").textContent(), "Your device is working");
  assert.equal(await page.locator("main [aria-live]").count(), 0);
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByLabel("Handle").waitFor();
  assert.equal(asked, 2);
  await asking.stop();
});

test("a browser becomes a device of an account, has its messages, and is removed again", async () => {
  const ann = await person(server, "ann");
  const ben = await person(server, "ben");
  await meet(ben, ann, "from before");

  const { page: other, wrong } = await newcomer(server);
  await other.getByRole("button", { name: "I have an account on another device" }).click();
  await other.getByLabel("What this device is called").fill("The new one");
  await other.getByRole("button", { name: "Show the code" }).click();
  await other.getByRole("img", { name: "Code to link this device" }).waitFor();
  const code = await other.locator("code").textContent();
  assert.match(code, /^alcyon:\/\/device\//);
  // The same code after a reload: what was begun goes on.
  await other.reload();
  await other.getByText(code).waitFor();

  await ann.page.getByRole("button", { name: "Settings" }).click();
  await ann.page.getByRole("button", { name: "Add a device" }).click();
  const dialog = ann.page.getByRole("dialog");
  await dialog.getByLabel("Or paste the code").fill(code);
  await dialog.getByRole("button", { name: "Go on" }).click();
  await dialog.getByText("“The new one” wants to come in").waitFor();
  await other.getByRole("heading", { name: "Compare the number" }).waitFor();
  assert.equal(await dialog.locator(".digits").textContent(), await other.locator(".digits").textContent());
  await dialog.getByRole("button", { name: "It is the same" }).click();
  await dialog.getByText("“The new one” is in.").waitFor();
  await dialog.getByRole("button", { name: "Close" }).last().click();
  await ann.page.getByText("The new one").waitFor();

  await entry(other, ben.handle).click();
  await row(other, "from before").waitFor();
  await other.getByLabel("Write a message").waitFor();
  await write(other, "from the new one");
  await row(ben.page, "from the new one").waitFor();

  await ann.page.getByRole("button", { name: "Remove The new one?" }).click();
  await ann.page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await other.getByRole("heading", { name: "This device was removed" }).waitFor();
  await ann.page.getByText("The new one", { exact: true }).waitFor({ state: "detached" });
  assert.deepEqual(ann.wrong, []);
  assert.deepEqual(wrong, []);
});

test("a terminal takes a browser in", async () => {
  const cat = terminal("cat");
  const [{ handle }] = cat("register", "cat", "--server", server.url);
  const { page } = await newcomer(server);
  await page.getByRole("button", { name: "I have an account on another device" }).click();
  await page.getByRole("button", { name: "Show the code" }).click();
  const code = await page.locator("code").textContent();
  cat("device", "add", code, "--yes");
  await page.getByRole("heading", { name: "Alcyon", exact: true }).waitFor();
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByText("this one").waitFor();
  await page.getByText(handle).first().waitFor();
});

test("a number that differs lets nobody in", async () => {
  const dan = await person(server, "dan");
  const { page } = await newcomer(server);
  await page.getByRole("button", { name: "I have an account on another device" }).click();
  await page.getByRole("button", { name: "Show the code" }).click();
  const code = await page.locator("code").textContent();
  await dan.page.getByRole("button", { name: "Settings" }).click();
  await dan.page.getByRole("button", { name: "Add a device" }).click();
  const dialog = dan.page.getByRole("dialog");
  // There is no camera here: it is said, and the code can be pasted.
  await dialog.getByRole("button", { name: "Scan it with the camera" }).click();
  await dialog.getByText("Paste the code instead.").waitFor();
  await dialog.getByLabel("Or paste the code").fill(code);
  await dialog.getByRole("button", { name: "Go on" }).click();
  await dialog.getByRole("button", { name: "It is another" }).click();
  await dialog.getByText("It was not let in.").waitFor();
  await page.getByText("The other device has said no.").waitFor();
});
