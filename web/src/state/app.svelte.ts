import type { AsksView, Command, ConnectionWord, ConversationView, MessageView, PersonView, RequestView, Shows } from "../core/boundary";
import { Core, Refused, type AnswerOf, type Told } from "../core/core";
import { databaseKey } from "../core/key";
import { onWanted, takeIfFree, takeOver, type Turn } from "../core/turn";
import { speech } from "../words/index.svelte";
import { files } from "./files.svelte";
import { look } from "./look.svelte";
import { Talk } from "./talk.svelte";
import { pictures } from "./pictures.svelte";
import { go, place } from "./place.svelte";

export type Phase =
  | { is: "opening" | "elsewhere" | "moved" | "welcome" | "link" | "main" | "removed" }
  | { is: "line"; place: number; waiting: number; until: number }
  | { is: "working"; permille: number; mean: number; longer: boolean }
  | { is: "unfit"; why: "noWasm" | "noStorage" | "insecure" }
  | { is: "emptied"; handle: string }
  | { is: "words"; words: string[] }
  | { is: "fault"; message: string };

/** What a newcomer shows, as far as it is typed. */
const NOTHING: Shows = { invite: null, email: null, phone: null, code: null };
const NOBODY: Introduction = { name: "", picture: "" };

/**
 * What this browser remembers beside the database: to notice that the database is gone, words that were not confirmed, a sign-up
 * that stands in line, a link to another device that has begun.
 */
type Unconfirmed = { name: string; server: string; shows?: Shows; introduction?: Introduction };
/** How somebody wants to be called and shown: a name, and a JPEG in Base64; either may be empty. */
export type Introduction = { name: string; picture: string };
type Remembered = { handle: string; unconfirmed: Unconfirmed | null; linking?: Linking };
export type Linking = { server: string; name: string };
const REMEMBERED = "alcyon-account";
const PROFILE = "main";

const remembered = (): Remembered | null => JSON.parse(localStorage.getItem(REMEMBERED) ?? "null") as Remembered | null;
const remember = (what: Remembered | null): void => {
  if (what) localStorage.setItem(REMEMBERED, JSON.stringify(what));
  else localStorage.removeItem(REMEMBERED);
};

class App {
  phase = $state<Phase>({ is: "opening" });
  handle = $state("");
  account = $state("");
  connection = $state<ConnectionWord>("connecting");
  retryAt = $state(0);
  online = $state(navigator.onLine);
  conversations = $state<ConversationView[]>([]);
  requests = $state<RequestView[]>([]);
  /** The open conversation. */
  talk = $state<Talk | null>(null);
  /** How often somebody was heard to have another name or picture. */
  introductions = $state(0);
  /** Own messages that wait for a server. */
  outbox = $state<ReadonlySet<string>>(new Set());
  /** Said by a screen reader. */
  announced = $state("");
  /** What was typed to sign up, and what came of it. */
  signUp = $state.raw<{ name: string; server: string; shows: Shows; introduction: Introduction; wrong: string; asks: AsksView | null }>({ name: "", server: location.origin, shows: NOTHING, introduction: NOBODY, wrong: "", asks: null });
  /** A link to another device that has begun. */
  linking = $state.raw<Linking | null>(null);
  /** A problem that no field is to blame for. */
  problem = $state("");

  #core: Core | null = null;
  /** Whether the profile could be opened, as soon as that is known. */
  #opened = Promise.resolve(false);
  #turn: Turn | null = null;
  #reload: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;

  async open(): Promise<void> {
    const why = unfit();
    if (why) return void (this.phase = { is: "unfit", why });
    addEventListener("online", () => (this.online = true));
    addEventListener("offline", () => (this.online = false));
    onWanted(() => this.#letGo());
    await this.#begin(await takeIfFree());
  }

  async takeOver(): Promise<void> {
    this.phase = { is: "opening" };
    await this.#begin(await takeOver());
  }

  #letGo(): void {
    if (!this.#turn) return;
    this.talk = null;
    this.#core?.end();
    this.#core = null;
    this.#turn.release();
    this.#turn = null;
    this.phase = { is: "moved" };
  }

  async #begin(turn: Turn | null): Promise<void> {
    if (!turn) return void (this.phase = { is: "elsewhere" });
    this.#turn = turn;
    const before = remembered();
    // Who is new here sees what this is while the core is still on its way.
    if (!before) this.phase = { is: "welcome" };
    const opening = this.#openCore();
    this.#opened = opening.then(() => true, () => false);
    try {
      const opened = await opening;
      if (opened.handle === null || opened.account === null) {
        // What was cut off is taken up again; if it can't be now, one is asked anew.
        if (before?.unconfirmed) return await this.register(before.unconfirmed);
        if (before?.linking) {
          this.linking = before.linking;
          return void (this.phase = { is: "link" });
        }
        if (before) this.phase = { is: "emptied", handle: before.handle };
        return;
      }
      [this.handle, this.account] = [opened.handle, opened.account];
      if (before?.unconfirmed) return await this.register(before.unconfirmed);
      remember({ handle: opened.handle, unconfirmed: null });
      await this.#enter();
    } catch (error) {
      this.#fault(error);
    }
  }

  async #openCore(): Promise<AnswerOf<"opened">> {
    this.#core = await Core.start((event) => this.#hear(event));
    return this.#openProfile();
  }

  /** A tab that has just closed holds the files a moment longer than its lock. */
  async #openProfile(): Promise<AnswerOf<"opened">> {
    const key = await databaseKey();
    for (let tries = 0; ; tries += 1) {
      try {
        return await this.call("opened", { command: "open", profile: PROFILE, key });
      } catch (error) {
        if (!(error instanceof Refused) || error.code !== "storage" || tries === 20) throw error;
        await new Promise((done) => setTimeout(done, 100));
      }
    }
  }

  #fault(error: unknown): void {
    this.phase = { is: "fault", message: error instanceof Error ? error.message : String(error) };
  }

  call<W extends Parameters<Core["call"]>[0]>(want: W, command: Command, file?: Blob): Promise<AnswerOf<W>> {
    return this.#core ? this.#core.call(want, command, file) : Promise.reject(new Error("the core has ended"));
  }

  /** Reading that nobody waits for. That this device was removed, or another tab has taken over, is told in its own way. */
  looking(work: Promise<void> | undefined): void {
    work?.catch((error: unknown) => {
      const removed = error instanceof Refused && error.code === "device-removed";
      if (!removed && this.phase.is === "main") this.problem = saying(error);
    });
  }

  /** The same where nothing is to be told but that it failed. */
  async act(command: Command): Promise<boolean> {
    try {
      await this.call("nothing", command);
      return true;
    } catch (error) {
      this.problem = saying(error);
      return false;
    }
  }

  /** Makes the account; what comes of it is on the screen. */
  async register({ name, server, shows = NOTHING, introduction = NOBODY }: Unconfirmed): Promise<void> {
    // What keeps the core from coming is on the screen already.
    if (!(await this.#opened)) return;
    // First, so that words that nobody has seen are shown after whatever cuts this off, and a place in line is kept.
    const handle = `${name}@${new URL(server).host}`;
    remember({ handle, unconfirmed: { name, server, shows: { ...shows, code: null }, introduction } });
    try {
      const { handle, account, words } = await this.call("registered", { command: "register", name, server, shows });
      [this.handle, this.account] = [handle, account];
      // An account without a name is one all the same: the problem is said, and it can be set later.
      if (introduction.name || introduction.picture) await this.act({ command: "set-introduction", ...introduction });
      remember({ handle, unconfirmed: { name, server } });
      this.phase = { is: "words", words: words.split(" ") };
    } catch (error) {
      if (error instanceof Refused && error.code === "has-account") {
        remember({ handle: this.handle, unconfirmed: null });
        return this.#enter();
      }
      const askedNow = error instanceof Refused ? error.asks : null;
      // One that is not even of the form of an invite is refused as any other nonsense is.
      const noInvite = error instanceof Refused && error.code === "refused" && shows.invite !== null;
      const asks = askedNow ?? (noInvite ? this.signUp.asks : null);
      if (!asks) remember(null);
      this.signUp = { name, server, introduction, shows: { ...shows, invite: asks?.ways.length ? null : shows.invite, code: null }, wrong: noInvite ? speech.words.welcome.wrongInvite : asks ? asked(asks, shows) : saying(error), asks };
      this.phase = { is: "welcome" };
    }
  }

  /** Gives up the place in line, work, or a link that has begun: the Worker that waits or works ends with the page. */
  async stopWaiting(): Promise<void> {
    remember(null);
    if (this.linking) await this.call("nothing", { command: "link-drop" }).catch(() => undefined);
    location.reload();
  }

  /** From the first page to that where this browser becomes a device of an account, and back. */
  beginLink(): void {
    this.phase = { is: "link" };
  }

  /** The code to show to a device that is in. */
  async linkCode(linking: Linking): Promise<string> {
    await this.#opened;
    const { code } = await this.call("device-code", { command: "link-code", ...linking });
    remember({ handle: "", unconfirmed: null, linking });
    this.linking = linking;
    return code;
  }

  async linked(): Promise<void> {
    const { handle, account } = await this.call("account", { command: "link-finish" });
    [this.handle, this.account] = [handle, account];
    remember({ handle, unconfirmed: null });
    this.linking = null;
    void navigator.storage.persist();
    await this.#enter();
  }

  async wordsConfirmed(): Promise<void> {
    await this.call("nothing", { command: "words-confirmed" });
    remember({ handle: this.handle, unconfirmed: null });
    void navigator.storage.persist();
    await this.#enter();
  }

  async beginAnew(): Promise<void> {
    remember(null);
    this.phase = { is: "welcome" };
  }

  async #enter(): Promise<void> {
    await this.refresh();
    await files.load();
    this.phase = { is: "main" };
    this.follow();
  }

  /** Shows what the address names. */
  follow(): void {
    if (this.phase.is !== "main") return;
    const { now } = place;
    const wanted = now.at === "talk" || now.at === "about" ? now.conversation : null;
    if (this.talk?.id === wanted) return;
    this.talk?.leave();
    const known = wanted === null ? undefined : this.conversations.find(({ conversation }) => conversation === wanted);
    this.talk = known ? new Talk(known.conversation, known.draft) : null;
    if (wanted !== null && !known) go({ at: "list" });
    this.looking(this.talk?.open());
  }

  async refresh(): Promise<void> {
    clearTimeout(this.#reload);
    this.#reload = undefined;
    const [{ conversations }, { requests }] = await Promise.all([
      this.call("conversations", { command: "conversations" }),
      this.call("requests", { command: "requests" }),
    ]);
    this.conversations = conversations;
    this.requests = requests;
    for (const { last } of conversations) if (last) this.noteDelivery(last);
    const unread = conversations.reduce((sum, one) => sum + (one.muted || one.archived ? 0 : one.unread), requests.length);
    void (unread > 0 ? navigator.setAppBadge?.(unread) : navigator.clearAppBadge?.())?.catch(() => undefined);
  }

  /** Soon, once for many events. */
  refreshSoon(): void {
    this.#reload ??= setTimeout(() => void this.refresh().catch(() => undefined), 60);
  }

  /** Said once: nothing of it stays in the page. */
  announce(text: string): void {
    clearTimeout(this.#silence);
    this.announced = text;
    this.#silence = setTimeout(() => (this.announced = ""), 5_000);
  }

  /** The list shows it before the database says so. */
  noteDraft(id: string, draft: string): void {
    this.conversations = this.conversations.map((one) => (one.conversation === id ? { ...one, draft } : one));
  }

  /** Keeps count of what waits. */
  noteDelivery({ id, own, delivery }: MessageView): void {
    const waits = own && delivery === "queued";
    if (waits === this.outbox.has(id)) return;
    const outbox = new Set(this.outbox);
    if (waits) outbox.add(id);
    else outbox.delete(id);
    this.outbox = outbox;
  }

  #hear(event: Told): void {
    switch (event.event) {
      case "message":
        this.talk?.heard(event);
        if (event.line?.line === "picture") pictures.renew(event.conversation);
        this.#received(event);
        void this.call("nothing", { command: "shown", conversation: event.conversation, id: event.id }).catch(() => undefined);
        break;
      case "delivery":
        this.noteDelivery(event);
        this.talk?.heard(event);
        break;
      case "changed":
        this.talk?.heard(event.message);
        if (event.message.deleted) this.announced = "";
        void this.call("nothing", { command: "shown", conversation: event.message.conversation, id: event.id }).catch(() => undefined);
        break;
      case "gone":
        this.talk?.gone(event.conversation, event.id);
        this.announced = "";
        break;
      case "read":
        this.talk?.read(event.conversation);
        return;
      case "typing":
        this.talk?.typed(event.conversation, event.by ?? event.account.slice(0, 12), event.typing);
        return;
      case "connection":
        this.connection = event.state;
        this.retryAt = Date.now() + (event.retry_in_ms ?? 0);
        return;
      case "in-line":
        this.phase = { is: "line", place: event.place, waiting: Math.max(event.waiting, event.place), until: Date.now() + event.wait_ms };
        return;
      case "working":
        if (this.phase.is !== "working") this.announce(speech.words.working.title);
        this.phase = { is: "working", permille: event.permille, mean: event.mean_ms, longer: event.spent_ms > event.mean_ms };
        return;
      case "transfer":
        files.heard(event);
        if (event.up && event.state === "complete") this.looking(this.talk?.changed(event.conversation));
        return;
      case "device-removed":
        this.phase = { is: "removed" };
        return;
      case "failed":
        if (event.error === "device-removed") this.phase = { is: "removed" };
        else this.#fault(new Error(event.message));
        return;
      case "request":
        this.announce(event.kind === "report" ? speech.words.request.reports(event.from, event.title ?? "") : speech.words.request.from(event.from));
        break;
      case "introduced":
        pictures.renew(event.person.account);
        this.introductions += 1;
        this.looking(this.talk?.again());
        break;
      case "accepted":
      case "left":
      case "history":
      case "alarm":
        if (event.conversation !== null) this.looking(this.talk?.changed(event.conversation));
        break;
      case "other":
        break;
      default:
        event satisfies never;
    }
    this.refreshSoon();
  }

  #received(message: MessageView): void {
    if (message.own || message.line) return;
    const conversation = this.conversations.find((one) => one.conversation === message.conversation);
    const who = called(author(message));
    const open = this.talk?.id === message.conversation && !document.hidden;
    if (open) this.announce(speech.words.talk.received(who, message.text));
    else if (!conversation?.muted) this.announce(speech.words.talk.received(who, speech.words.settings.newMessage));
    if (look.notify && document.hidden && !conversation?.muted && Notification.permission === "granted") {
      // Neither name nor text: a notification is seen by whoever looks at the screen.
      const notification = new Notification("Alcyon", { body: speech.words.settings.newMessage, icon: "/icon-192.png", tag: message.conversation });
      notification.onclick = () => {
        focus();
        go({ at: "talk", conversation: message.conversation });
      };
    }
  }
}

export const app = new App();

/** How somebody is called: by the name that they have given themselves, else by handle, else by the beginning of the account's id. */
export const called = ({ name, handle, account }: PersonView): string => name ?? handle ?? account.slice(0, 12);

/** The same with the handle beside it, where it matters who it is. */
export const calledInFull = (person: PersonView): string =>
  person.name && person.handle && !person.name.includes(person.handle) ? `${person.name} (${person.handle})` : called(person);

/** Who wrote a message. */
export const author = ({ sender, sender_handle, sender_name }: MessageView): PersonView => ({ account: sender, handle: sender_handle, name: sender_name });

/** What a conversation is called. */
export const titleOf = ({ own_devices, name, title }: ConversationView): string => (own_devices ? speech.words.list.noteToSelf : name ?? (title || speech.words.list.group));

/** What a newcomer is told of what is asked: nothing that was not shown yet is wrong. */
function asked({ ways, sent_to }: AsksView, shows: Shows): string {
  if (sent_to !== null) return shows.code ? speech.words.welcome.wrongCode : "";
  const shown = shows.invite !== null && ways.some((way) => way.includes("invite"));
  return shown ? speech.words.welcome.wrongInvite : "";
}

/** An error for people. */
export function saying(error: unknown): string {
  if (!(error instanceof Refused)) return speech.words.otherwise(error instanceof Error ? error.message : String(error));
  const known = speech.words.problem[error.code];
  if (!known) return speech.words.otherwise(error.message);
  return error.retryInMs === null ? known : speech.words.later(known, Math.ceil(error.retryInMs / 1000));
}

function unfit(): "noWasm" | "noStorage" | "insecure" | null {
  if (!isSecureContext) return "insecure";
  if (typeof WebAssembly !== "object") return "noWasm";
  if (!navigator.storage?.getDirectory || !navigator.locks || !globalThis.indexedDB) return "noStorage";
  return null;
}
