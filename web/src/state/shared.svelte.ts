/** What another app has shared with this one: text, and files. */
export interface Shared {
  text: string;
  files: File[];
}

const CACHE = "shared";

/** Takes over what the service worker has laid down, and leaves nothing of it there. */
async function take(): Promise<Shared | null> {
  if (!("caches" in globalThis) || !(await caches.has(CACHE))) return null;
  const cache = await caches.open(CACHE);
  const files: File[] = [];
  let text = "";
  for (const request of await cache.keys()) {
    const response = await cache.match(request);
    if (!response) continue;
    if (new URL(request.url).pathname === "/shared/said") {
      const said: unknown = await response.json();
      text = typeof said === "string" ? said : "";
    } else {
      files.push(new File([await response.blob()], decodeURIComponent(response.headers.get("x-name") ?? "")));
    }
  }
  await caches.delete(CACHE);
  return text === "" && files.length === 0 ? null : { text, files };
}

class Sharing {
  /** Waits until it is said to whom it goes. */
  waiting = $state.raw<Shared | null>(null);

  /** When the page opens; what was left there by a page that never opened goes as well. */
  async begin(wanted: boolean): Promise<void> {
    try {
      const taken = await take();
      if (wanted) this.waiting = taken;
    } catch {
      // A store that can't be read has nothing to share.
    }
  }

  end(): void {
    this.waiting = null;
  }
}

export const sharing = new Sharing();
