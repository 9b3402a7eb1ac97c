// A real server, real browsers, a real terminal program. `cargo xtask test` says where they are:
// ALCYON_BIN_DIR (the programs), ALCYON_WEB_APP_OUT (the built page), CHROMIUM.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

import { chromium } from "playwright-core";

export const bin = process.env.ALCYON_BIN_DIR ?? resolve("../target/debug");
export const app = process.env.ALCYON_WEB_APP_OUT ?? resolve("../target/web-app");
/** For one step. Nothing waits for it to pass but a test that fails. */
const PATIENCE = Number(process.env.ALCYON_PATIENCE_MS ?? 60_000);

export const folder = mkdtempSync(join(tmpdir(), "alcyon-web-"));
export const ends = [];

/** When the test is over, whatever comes of it. */
export async function end() {
  for (const one of ends.reverse()) await one();
  rmSync(folder, { recursive: true, force: true });
}

/** A server that can be stopped and started again in its place. */
export async function serve(options = [], name = "server") {
  let listen = "127.0.0.1:0";
  let child;
  const server = {
    url: "",
    async start() {
      child = spawn(join(bin, "alcyon-server"), ["--data", join(folder, name), "--listen", listen, "--web-app", app, ...options], { stdio: ["ignore", "pipe", "inherit"] });
      const [line] = await new Promise((done, fail) => {
        createInterface(child.stdout).once("line", (line) => done([line]));
        child.once("exit", (code) => fail(new Error(`the server ended with ${code}`)));
      });
      server.url = line.replace("alcyon-server listening on ", "").trim();
      listen = new URL(server.url).host;
    },
    async stop() {
      if (child.exitCode !== null) return;
      const gone = new Promise((done) => child.once("exit", done));
      child.kill("SIGTERM");
      await gone;
    },
  };
  await server.start();
  ends.push(() => server.stop());
  return server;
}

export const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
const browsers = new Map();

/** A profile of its own, in a browser that was started with these arguments. */
export async function open(options = {}, args = []) {
  const key = args.join(" ");
  if (!browsers.has(key)) {
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: [...ARGUMENTS, ...args] });
    browsers.set(key, browser);
    ends.push(() => browser.close());
  }
  const browser = browsers.get(key);
  const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1180, height: 800 }, reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(PATIENCE);
  await context.grantPermissions(["clipboard-read", "clipboard-write", ...(options.permissions ?? [])]);
  return context;
}

/** Everything that a page says is wrong, and every place that it asks beside its own server. */
export function watch(page, url, { offline = false } = {}) {
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // While there is no server, the browser itself notes each try.
    const expected = offline && /ERR_|WebSocket connection/.test(message.text());
    if (message.type() === "error" && !expected) wrong.push(`console: ${message.text()}`);
  });
  page.context().on("request", (request) => {
    const there = new URL(request.url());
    if (!["blob:", "data:"].includes(there.protocol) && there.host !== new URL(url).host) wrong.push(`another origin: ${request.url()}`);
  });
  page.on("websocket", (socket) => {
    if (new URL(socket.url()).host !== new URL(url).host) wrong.push(`another origin: ${socket.url()}`);
  });
  return wrong;
}

/** Somebody new, up to the list of conversations. */
export async function person(server, name, options = {}) {
  const { stopAtWords, watching, args, ...own } = options;
  const context = await open(own, args);
  const page = await context.newPage();
  const wrong = watch(page, server.url, watching);
  await page.goto(server.url);
  await page.getByLabel("Handle").fill(name);
  await page.getByRole("button", { name: "Make the account" }).click();
  const one = { name, context, page, wrong, handle: `${name}@${new URL(server.url).host}` };
  if (stopAtWords) return one;
  await confirm(page);
  return one;
}

/** Writes the words down and types those that are asked for. */
export async function confirm(page) {
  await page.getByRole("button", { name: "I have written them down" }).waitFor();
  const words = await page.locator("ol strong").allTextContents();
  assert.equal(words.length, 12);
  await page.getByRole("button", { name: "I have written them down" }).click();
  for (const field of await page.getByLabel(/^Word \d+$/).all()) {
    const label = await field.evaluate((input) => input.labels[0].textContent);
    await field.fill(words[Number(label.match(/\d+/)[0]) - 1]);
  }
  await page.getByRole("button", { name: "That is all of them" }).click();
  await page.getByRole("heading", { name: "Alcyon", exact: true }).waitFor();
}

/** Begins a conversation from one page, accepts it on the other. */
export async function meet(one, other, text) {
  await one.page.getByRole("button", { name: "New conversation" }).first().click();
  await one.page.getByLabel("Handle").fill(other.handle);
  await one.page.getByLabel("First message").fill(text);
  await one.page.getByRole("button", { name: "Send", exact: true }).click();
  await one.page.getByRole("heading", { name: other.handle }).waitFor();
  await entry(other.page, one.handle).click();
  await other.page.getByText(`${one.handle} would like to talk with you`).first().waitFor();
  await other.page.getByRole("button", { name: "Accept" }).click();
  // The request has a heading of the same words: only the conversation has something to write in.
  await other.page.getByLabel("Write a message").waitFor();
}

// Makes a group on a page and invites somebody into it; the page is then that about the group.
export async function makeGroup(page, title, handle) {
  await page.getByRole("button", { name: "New conversation" }).first().click();
  await page.getByRole("button", { name: "A group" }).click();
  await page.getByLabel("Name of the group").fill(title);
  await page.getByRole("button", { name: "Make the group" }).click();
  await page.getByRole("link", { name: "About this conversation" }).last().click();
  await page.getByLabel("Handles, separated by spaces").fill(handle);
  await page.getByRole("button", { name: "Invite" }).click();
}

export async function write(page, text) {
  await page.getByLabel("Write a message").fill(text);
  await page.keyboard.press("Enter");
}

/** Another app shares something, as the system does it: not from the page itself, whose policy allows no form to be sent anywhere. */
export async function share(page, server, said, files) {
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await page.goto(`${server.url}/version`);
  await page.evaluate(
    ([said, files]) => {
      const form = Object.assign(document.createElement("form"), { action: "/share", method: "POST", enctype: "multipart/form-data" });
      for (const [name, value] of Object.entries(said)) form.append(Object.assign(document.createElement("input"), { name, value }));
      const input = Object.assign(document.createElement("input"), { name: "files", type: "file", multiple: true });
      const transfer = new DataTransfer();
      for (const [name, content] of Object.entries(files)) transfer.items.add(new File([content], name));
      input.files = transfer.files;
      form.append(input);
      document.body.append(form);
      form.submit();
    },
    [said, files],
  );
}

/** A line in the list. */
export const entry = (page, name) => page.locator(".sidebar").getByRole("link", { name });

/** A message's row. */
export const row = (page, text) => page.locator("[data-row]").filter({ hasText: text }).last();

/** The menu of a message, by its button. */
export async function act(page, text, action) {
  const there = row(page, text);
  await there.hover();
  await there.getByRole("button", { name: "Actions" }).click();
  await page.getByRole("dialog").getByRole("button", { name: action, exact: true }).click();
  // It goes when the action is done; other things on the page have the same names.
  await page.getByRole("dialog").getByRole("button", { name: "More", exact: true }).waitFor({ state: "detached" });
}

/** The terminal program: what it prints with `--json`. */
export function terminal(name) {
  const profile = join(folder, name);
  return (...words) => {
    const env = { ...process.env, ALCYON_PASSPHRASE: "web test" };
    const printed = execFileSync(join(bin, "alcyon"), ["--profile", profile, "--json", ...words], { env, stdio: ["ignore", "pipe", "inherit"] }).toString();
    return printed.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  };
}
