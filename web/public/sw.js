// Keeps the page's own files, all of one build and each held against its hash, so that it opens without a network. It never sees
// a message: requests to the server's API pass it by, and the database belongs to the page's Worker.
const VERSION = "VERSION_OF_THE_BUILD";
const CACHE = `alcyon-${VERSION}`;

const bytesOf = (hex) => Uint8Array.from(hex.match(/../g), (two) => Number.parseInt(two, 16));

async function fill() {
  const list = await (await fetch("/files.txt", { cache: "no-store" })).text();
  const cache = await caches.open(CACHE);
  const fetched = list.trimEnd().split("\n").map(async (line) => {
    const [hash, path] = line.split("  ");
    if (path === "sw.js") return;
    const integrity = `sha256-${btoa(String.fromCharCode(...bytesOf(hash)))}`;
    const response = await fetch(`/${path}`, { integrity, cache: path.startsWith("assets/") ? "default" : "no-cache" });
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    await cache.put(`/${path}`, response);
  });
  await Promise.all(fetched);
}

async function forget() {
  for (const name of await caches.keys()) if (name.startsWith("alcyon-") && name !== CACHE) await caches.delete(name);
  await self.clients.claim();
}

async function answer(request, path) {
  const cache = await caches.open(CACHE);
  return (await cache.match(path)) ?? fetch(request);
}

/** What another app shares lies here until the page takes it, which it does as soon as it is open. */
const SHARED = "shared";
/** As many files as the page offers to send at once. */
const MOST_SHARED = 10;

/** Hands what is shared over to the page, which asks to whom it goes. Anybody can send a form here: nothing is sent on by itself. */
async function share(request) {
  const form = await request.formData();
  const said = ["title", "text", "url"].map((name) => form.get(name)).filter((text) => typeof text === "string" && text !== "");
  await caches.delete(SHARED);
  const cache = await caches.open(SHARED);
  const files = form.getAll("files").filter((file) => file instanceof File && file.size > 0).slice(0, MOST_SHARED);
  for (const [index, file] of files.entries()) {
    await cache.put(`/shared/${index}`, new Response(file, { headers: { "x-name": encodeURIComponent(file.name), "content-type": "application/octet-stream" } }));
  }
  await cache.put("/shared/said", new Response(JSON.stringify([...new Set(said)].join("\n"))));
  return Response.redirect("/#/share", 303);
}

self.addEventListener("install", (event) => event.waitUntil(fill()));
self.addEventListener("activate", (event) => event.waitUntil(forget()));
self.addEventListener("message", (event) => {
  if (event.data === "take-over") void self.skipWaiting();
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (origin !== self.location.origin) return;
  if (request.method === "POST" && request.mode === "navigate" && pathname === "/share") return event.respondWith(share(request));
  if (request.method !== "GET") return;
  const isPage = request.mode === "navigate" && (pathname === "/" || pathname === "/join");
  const isFile = /^\/(assets\/|icon|app\.webmanifest)/.test(pathname);
  if (isPage || isFile) event.respondWith(answer(request, isPage ? "/index.html" : pathname));
});
