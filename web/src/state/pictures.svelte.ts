import { SvelteMap } from "svelte/reactivity";

import { jpegUrl } from "../ui/preview";
import { app } from "./app.svelte";

/** Pictures of people (by account) and of groups (by conversation), each asked for when it is first to be shown. */
class Pictures {
  readonly #urls = new SvelteMap<string, string>();
  readonly #groups = new Map<string, boolean>();

  /** For an image element alone; empty if there is none, or not yet. */
  of(id: string, group: boolean): string {
    if (!this.#groups.has(id)) {
      this.#groups.set(id, group);
      void this.#load(id, group);
    }
    return this.#urls.get(id) ?? "";
  }

  /** It may be another one now. */
  renew(id: string): void {
    const group = this.#groups.get(id);
    if (group !== undefined) void this.#load(id, group);
  }

  async #load(id: string, group: boolean): Promise<void> {
    try {
      const picture = group
        ? (await app.call("picture", { command: "picture", who: id })).picture
        : (await app.call("introduction", { command: "introduction", account: id })).introduction.picture;
      const before = this.#urls.get(id);
      this.#urls.set(id, picture ? jpegUrl(picture) : "");
      if (before) URL.revokeObjectURL(before);
    } catch {
      // Asked for again when it is next to be shown.
      this.#groups.delete(id);
    }
  }
}

export const pictures = new Pictures();
