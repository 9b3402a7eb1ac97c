// After Vite: integrity in the page, the service worker's version, a list of all files with their hashes, and Brotli beside them.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

const out = resolve(process.env.ALCYON_WEB_APP_OUT ?? "../target/web-app");

const hash = (algorithm, bytes, encoding) => createHash(algorithm).update(bytes).digest(encoding);
const read = (path) => readFileSync(join(out, path));
const files = () =>
  readdirSync(out, { recursive: true })
    .map(String)
    .filter((path) => statSync(join(out, path)).isFile())
    .map((path) => relative(".", path).replaceAll("\\", "/"))
    .sort();
const list = (paths) => paths.map((path) => `${hash("sha256", read(path), "hex")}  ${path}\n`).join("");

let page = read("index.html").toString();
page = page.replaceAll(/(<script[^>]* src="\/([^"]+)"|<link[^>]* href="\/(assets\/[^"]+)")/g, (tag, _, script, link) => {
  return `${tag} integrity="sha384-${hash("sha384", read(script ?? link), "base64")}"`;
});
writeFileSync(join(out, "index.html"), page);

// The service worker is another one whenever anything else is.
const worker = read("sw.js").toString();
const version = hash("sha256", list(files().filter((path) => path !== "sw.js")), "hex").slice(0, 16);
if (!worker.includes("VERSION_OF_THE_BUILD")) throw new Error("sw.js has no place for the version");
writeFileSync(join(out, "sw.js"), worker.replace("VERSION_OF_THE_BUILD", version));

const names = files();
writeFileSync(join(out, "files.txt"), list(names));
for (const name of names.filter((name) => /\.(html|js|css|wasm|svg|webmanifest)$/.test(name))) {
  const bytes = read(name);
  // A core of that size is one for debugging: it is packed quickly, not tightly.
  const quality = bytes.length > 8_000_000 ? 4 : 11;
  const params = { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length, [constants.BROTLI_PARAM_LGWIN]: 24 };
  writeFileSync(join(out, `${name}.br`), brotliCompressSync(bytes, { params }));
}
console.log(`web app ${hash("sha256", readFileSync(join(out, "files.txt")), "hex")}`);
