import type { AttachKind, MessageView, ShownWord, TransferShown } from "../core/boundary";
import { Refused } from "../core/core";
import { speech } from "../words/index.svelte";
import { app, saying } from "./app.svelte";

/** A file that was fetched and is at hand for as long as the page is. */
export type Opened = { name: string; shown: ShownWord | null; once: boolean; blob: Blob };

/** Opened files that are kept at hand together, bytes. */
const AT_HAND = 200_000_000;

/** Files on their way, both ways, and those that were opened. */
class Files {
  transfers = $state.raw<ReadonlyMap<string, TransferShown>>(new Map());
  /** Files that are being sealed, before they are on their way: by conversation, how many. */
  sealing = $state.raw<ReadonlyMap<string, number>>(new Map());
  /** The one that is looked at. */
  viewed = $state.raw<{ message: MessageView; opened: Opened } | null>(null);

  /** Files that were fetched for so long that the browser does not take them for what somebody has just asked for. */
  atHand = $state.raw<ReadonlySet<string>>(new Set());

  readonly #opened = new Map<string, Opened>();
  readonly #waiting = new Map<string, ((transfer: TransferShown) => void)[]>();

  async load(): Promise<void> {
    const { transfers } = await app.call("transfers", { command: "transfers" });
    this.transfers = new Map(transfers.map((one) => [one.id, one]));
  }

  heard(transfer: TransferShown): void {
    const transfers = new Map(this.transfers);
    const over = transfer.state === "cancelled" || (transfer.up && transfer.state === "complete");
    if (over) transfers.delete(transfer.id);
    else transfers.set(transfer.id, transfer);
    this.transfers = transfers;
    if (transfer.state === "going" || transfer.state === "paused") return;
    for (const done of this.#waiting.get(transfer.id) ?? []) done(transfer);
    this.#waiting.delete(transfer.id);
  }

  /** Those that go out of a conversation, oldest first. */
  outgoing(conversation: string): TransferShown[] {
    return [...this.transfers.values()].filter((one) => one.up && one.conversation === conversation);
  }

  /** Takes one in, to be sent. `metadata`: this image can only go with all that it says of place and camera, if that is wanted. */
  async attach(who: string, file: File | Blob, name: string, kind: AttachKind, options: { once: boolean; asItIs: boolean; thumbnail: string }): Promise<"sent" | "metadata" | "failed"> {
    const count = (by: number): void => void (this.sealing = new Map(this.sealing).set(who, (this.sealing.get(who) ?? 0) + by));
    count(1);
    addEventListener("beforeunload", stay);
    try {
      const { once, asItIs: as_it_is, thumbnail } = options;
      const { transfer } = await app.call("transfer", { command: "attach", who, name, kind, once, as_it_is, thumbnail }, file);
      // It may be over already: what is heard later is not said again.
      if (!this.transfers.has(transfer.id) && transfer.state !== "complete") await this.load();
      return "sent";
    } catch (error) {
      if (error instanceof Refused && error.code === "metadata") return "metadata";
      app.problem = `${name}: ${saying(error)}`;
      return "failed";
    } finally {
      count(-1);
      if (![...this.sealing.values()].some((count) => count > 0)) removeEventListener("beforeunload", stay);
    }
  }

  act(command: "pause-transfer" | "resume-transfer" | "cancel-transfer", id: string): void {
    app.call("transfer", { command, id }).then(
      ({ transfer }) => this.heard(transfer),
      (error: unknown) => (app.problem = saying(error)),
    );
  }

  /** Fetches the file of a message, if it is not at hand. `null`: it did not come, and the screen says why. */
  async open(message: MessageView): Promise<Opened | null> {
    const known = this.#opened.get(message.id);
    if (known) return known;
    try {
      const { transfer } = await app.call("transfer", { command: "fetch-file", id: message.id });
      if (transfer.state !== "complete") {
        const ended = await new Promise<TransferShown>((done) => this.#waiting.set(message.id, [...(this.#waiting.get(message.id) ?? []), done]));
        if (ended.state !== "complete") return null;
      }
      // Somebody else on this page has waited for it, too.
      const meanwhile = this.#opened.get(message.id);
      if (meanwhile) return meanwhile;
      const { name, shown, once, blob } = await app.call("file", { command: "open-file", id: message.id });
      this.transfers = new Map([...this.transfers].filter(([id]) => id !== message.id));
      const opened = { name, shown, once, blob };
      if (!once) this.#keep(message.id, opened);
      else app.looking(app.talk?.changed(message.conversation));
      return opened;
    } catch (error) {
      app.problem = saying(error);
      return null;
    }
  }

  /** Shows it, if it is something to be seen; else it is written down. */
  async view(message: MessageView): Promise<void> {
    const opened = await this.open(message);
    if (!opened) return;
    if (opened.shown === "image" || opened.shown === "video") this.viewed = { message, opened };
    else this.#give(message, opened);
  }

  async save(message: MessageView): Promise<void> {
    const opened = await this.open(message);
    if (!opened) return;
    this.#give(message, opened);
  }

  /** A browser lets a page write files down by itself once, and then asks or refuses: somebody has to have asked just now. */
  #give(message: MessageView, opened: Opened): void {
    const { id } = message;
    const active = navigator.userActivation?.isActive ?? true;
    this.atHand = new Set(active ? [...this.atHand].filter((one) => one !== id) : [...this.atHand, id]);
    if (active) this.download(opened);
    else app.announce(speech.words.files.here(opened.name));
  }

  /** Written down by the browser, never opened by it: whatever it is, it has no type that runs. */
  download({ name, blob }: Opened): void {
    const url = URL.createObjectURL(blob.slice(0, blob.size, "application/octet-stream"));
    const link = document.createElement("a");
    [link.href, link.download, link.rel] = [url, name, "noopener"];
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    app.announce(speech.words.files.saved(name));
  }

  #keep(id: string, opened: Opened): void {
    this.#opened.set(id, opened);
    let held = 0;
    for (const { blob } of this.#opened.values()) held += blob.size;
    for (const [oldest, { blob }] of this.#opened) {
      if (held <= AT_HAND || oldest === id) break;
      held -= blob.size;
      this.#opened.delete(oldest);
    }
  }
}

/** What is being sealed would be lost with the page: the browser asks. */
function stay(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

export const files = new Files();
