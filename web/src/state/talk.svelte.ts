import type { MessageView, PostText } from "../core/boundary";
import { app, author, called, saying } from "./app.svelte";

/** Messages fetched at once. */
const PAGE = 120;
/** Without another sign somebody has stopped writing. */
const TYPING_MS = 6_000;

/** One conversation on the screen. */
export class Talk {
  readonly id: string;
  messages = $state.raw<MessageView[]>([]);
  /** There are no older ones. */
  complete = $state(false);
  /** The list grows at its beginning. */
  growing = $state(false);
  loaded = $state(false);
  /** The first message that was unread when it was opened. */
  firstUnread = $state<string | null>(null);
  typing = $state<string[]>([]);
  draft = $state("");
  replyTo = $state.raw<MessageView | null>(null);
  editing = $state.raw<MessageView | null>(null);
  /** Files that were chosen and not sent yet. */
  pending = $state.raw<File[]>([]);

  readonly #stops = new Map<string, ReturnType<typeof setTimeout>>();
  #reading = false;
  #left = false;
  #drafting: ReturnType<typeof setTimeout> | undefined;

  constructor(id: string, draft: string) {
    this.id = id;
    this.draft = draft;
  }

  async open(): Promise<void> {
    const unread = app.conversations.find(({ conversation }) => conversation === this.id)?.unread ?? 0;
    const { messages } = await app.call("messages", { command: "history", who: this.id, before: null, limit: PAGE });
    if (this.#left) return;
    this.messages = messages;
    this.complete = messages.length < PAGE;
    const others = messages.filter(({ own, line }) => !own && !line);
    if (unread > 0) this.firstUnread = others.at(-unread)?.id ?? others[0]?.id ?? null;
    for (const message of messages) app.noteDelivery(message);
    this.loaded = true;
    this.seen();
  }

  /** Fetches those before, if there are any. */
  async older(): Promise<void> {
    const before = this.messages.find(({ position }) => position !== null)?.position;
    if (this.complete || this.growing || before == null) return;
    this.growing = true;
    const { messages } = await app.call("messages", { command: "history", who: this.id, before, limit: PAGE });
    this.complete = messages.length < PAGE;
    this.messages = [...messages, ...this.messages];
    // The list measures what came before it goes on.
    setTimeout(() => (this.growing = false));
  }

  /** All of it is on the screen. */
  seen(): void {
    if (document.hidden || this.#left) return;
    const conversation = app.conversations.find(({ conversation }) => conversation === this.id);
    if (!conversation || (conversation.unread === 0 && !conversation.marked_unread)) return;
    void app.act({ command: "mark-read", who: this.id }).then(() => app.refreshSoon());
  }

  heard(message: MessageView): void {
    if (message.conversation !== this.id) return;
    const index = this.messages.findIndex(({ id }) => id === message.id);
    this.messages = index < 0 ? this.#placed(message) : this.#placed(message, index);
    if (!message.own) {
      this.typed(this.id, called(author(message)), false);
      if (!document.hidden) void app.act({ command: "mark-read", who: this.id }).then(() => app.refreshSoon());
    }
  }

  /** By position; what has none yet stands at the end. */
  #placed(message: MessageView, index?: number): MessageView[] {
    const others = index === undefined ? [...this.messages] : this.messages.toSpliced(index, 1);
    const { position } = message;
    if (position === null) return index === undefined ? [...others, message] : this.messages.with(index, message);
    const behind = others.findIndex((one) => one.position === null || one.position > position);
    return behind < 0 ? [...others, message] : others.toSpliced(behind, 0, message);
  }

  gone(conversation: string, id: string): void {
    if (conversation === this.id) this.messages = this.messages.filter((message) => message.id !== id);
  }

  /** Somebody has read: the states of own messages are asked for anew. */
  read(conversation: string): void {
    if (conversation !== this.id || this.#reading) return;
    this.#reading = true;
    setTimeout(() => app.looking(this.changed(this.id)), 50);
  }

  async changed(conversation: string): Promise<void> {
    if (conversation === this.id) await this.again();
  }

  /** What is shown is read again. */
  async again(): Promise<void> {
    if (this.#left) return;
    this.#reading = false;
    const limit = Math.max(this.messages.length, PAGE);
    const { messages } = await app.call("messages", { command: "history", who: this.id, before: null, limit });
    if (!this.#left) this.messages = messages;
  }

  typed(conversation: string, who: string, typing: boolean): void {
    if (conversation !== this.id) return;
    clearTimeout(this.#stops.get(who));
    this.#stops.delete(who);
    this.typing = this.typing.filter((one) => one !== who);
    if (!typing) return;
    this.typing = [...this.typing, who];
    this.#stops.set(who, setTimeout(() => this.typed(this.id, who, false), TYPING_MS));
  }

  /** With each key. */
  wrote(): void {
    clearTimeout(this.#drafting);
    if (this.editing) return;
    this.#drafting = setTimeout(() => this.#keepDraft(), 400);
    void app.call("nothing", { command: "typing", who: this.id, typing: this.draft.trim() !== "" }).catch(() => undefined);
  }

  #keepDraft(): void {
    clearTimeout(this.#drafting);
    this.#drafting = undefined;
    app.noteDraft(this.id, this.draft);
    // A list that was asked for before does not know of it, and may come after it was noted.
    void app.call("nothing", { command: "keep-draft", who: this.id, draft: this.draft }).then(() => app.refreshSoon()).catch(() => undefined);
  }

  /** Sends what is written, or changes what is being changed. */
  async send(): Promise<boolean> {
    const text = this.draft.trim();
    if (text === "") return false;
    const { editing, replyTo } = this;
    const post: PostText = editing ? { post: "edit", target: editing.id, text } : { post: "text", text, reply_to: replyTo?.id ?? null };
    // At once, so that what is typed while it is being written stays.
    this.draft = "";
    this.editing = this.replyTo = null;
    if (!(await this.write(post))) {
      if (this.draft === "") [this.draft, this.editing, this.replyTo] = [text, editing, replyTo];
      return false;
    }
    this.#keepDraft();
    void app.call("nothing", { command: "typing", who: this.id, typing: false }).catch(() => undefined);
    return true;
  }

  async write(post: PostText): Promise<boolean> {
    try {
      const { message } = await app.call("written", { command: "write", who: this.id, post });
      app.noteDelivery(message);
      this.heard(message);
      app.refreshSoon();
      return true;
    } catch (error) {
      app.problem = saying(error);
      return false;
    }
  }

  leave(): void {
    this.#left = true;
    if (this.#drafting !== undefined) this.#keepDraft();
    for (const stop of this.#stops.values()) clearTimeout(stop);
  }
}
