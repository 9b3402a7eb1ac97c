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

self.addEventListener("install", (event) => event.waitUntil(fill()));
self.addEventListener("activate", (event) => event.waitUntil(forget()));
self.addEventListener("message", (event) => {
  if (event.data === "take-over") void self.skipWaiting();
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (origin !== self.location.origin || request.method !== "GET") return;
  const isPage = request.mode === "navigate" && (pathname === "/" || pathname === "/join");
  const isFile = /^\/(assets\/|icon|app\.webmanifest)/.test(pathname);
  if (isPage || isFile) event.respondWith(answer(request, isPage ? "/index.html" : pathname));
});
