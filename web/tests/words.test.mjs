// Both languages say everything: the compiler sees to the shape, this to what a shape can't show.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const text = (language) => readFileSync(new URL(`../src/words/${language}.ts`, import.meta.url)).toString();

test("no French text was left in English", () => {
  const strings = (source) => new Map([...source.matchAll(/^\s+"?([\w-]+)"?: "((?:[^"\\]|\\.)*)",$/gm)].map(([, key, value]) => [key, value]));
  const [english, french] = [strings(text("en")), strings(text("fr"))];
  // Words that are the same in both.
  const same = new Set(["Alcyon", "Conversations", "Messages", "Actions", "Code", "Pause", "Question", "Notifications", "Version", "admin", "ben@chat.example.org"]);
  for (const [key, value] of english) if (!same.has(value)) assert.notEqual(french.get(key), value, key);
});

test("numbers choose their words", async () => {
  const { plural } = await import("./transpiled.mjs");
  assert.equal(plural("fr")(0, { one: "# jour", other: "# jours" }), "0 jour");
  assert.equal(plural("en")(0, { one: "# day", other: "# days" }), "0 days");
  assert.equal(plural("fr")(1_234, { one: "# jour", other: "# jours" }).replace(/\s/g, " "), "1 234 jours");
});
