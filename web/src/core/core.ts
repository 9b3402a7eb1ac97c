import type { Answer, AsksView, Call, Command, Event } from "./boundary";
import { scriptUrl } from "./trusted";
import workerUrl from "./worker?worker&url";

/** What the core says when a call is not done. */
export class Refused extends Error {
  /** A word for machines: `handle-taken`, `unreachable`, ... */
  readonly code: string;
  readonly field: string | null;
  readonly retryInMs: number | null;
  /** What is asked of a newcomer, if it is that. */
  readonly asks: AsksView | null;

  constructor(code: string, message: string, field: string | null, retryInMs: number | null, asks: AsksView | null) {
    super(message);
    this.code = code;
    this.field = field;
    this.retryInMs = retryInMs;
    this.asks = asks;
  }
}

export type Told = Exclude<Event, { event: "ready" | "done" }>;
type Word = Answer["answer"];
/** An answer; a file is handed over beside the one that is of it. */
export type AnswerOf<W extends Word> = Extract<Answer, { answer: W }> & (W extends "file" ? { blob: Blob } : unknown);

/** The core in its Worker: calls out, answers and events in. */
export class Core {
  readonly #worker: Worker;
  readonly #calls = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  readonly #tell: (event: Told) => void;
  #numbers = 0;

  private constructor(worker: Worker, tell: (event: Told) => void) {
    this.#worker = worker;
    this.#tell = tell;
  }

  /** Starts the Worker; done when it listens. */
  static start(tell: (event: Told) => void): Promise<Core> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(scriptUrl(workerUrl), { type: "module", name: "core" });
      const core = new Core(worker, tell);
      worker.onerror = (error) => reject(new Error(error.message || "the Worker did not start"));
      worker.onmessage = ({ data }: MessageEvent<string | [string, Blob]>) => {
        const [text, blob] = typeof data === "string" ? [data, null] : data;
        const event = JSON.parse(text) as Event;
        if (blob) Object.assign(event, { blob });
        if (event.event !== "ready") return core.#hear(event);
        worker.onerror = (error) => tell({ event: "failed", call: null, error: "worker", message: error.message, field: null, retry_in_ms: null, asks: null });
        resolve(core);
      };
    });
  }

  #hear(event: Exclude<Event, { event: "ready" }>): void {
    if (event.event === "done") {
      this.#calls.get(event.call)?.resolve(event);
      this.#calls.delete(event.call);
    } else if (event.event === "failed" && event.call !== null) {
      this.#calls.get(event.call)?.reject(new Refused(event.error, event.message, event.field, event.retry_in_ms, event.asks));
      this.#calls.delete(event.call);
    } else {
      this.#tell(event);
    }
  }

  /** Asks for something, with a file beside it where one is needed; the answer is of the kind that is wanted. */
  call<W extends Word>(want: W, command: Command, file?: Blob): Promise<AnswerOf<W>> {
    return new Promise((resolve, reject) => {
      const call = this.#numbers++;
      const take = (answer: Answer): void => {
        if (answer.answer === want) resolve(answer as AnswerOf<W>);
        else reject(new Error(`${command.command} was answered by ${answer.answer}`));
      };
      this.#calls.set(call, { resolve: take, reject });
      const text = JSON.stringify({ call, ...command } satisfies Call);
      this.#worker.postMessage(file ? [text, file] : text);
    });
  }

  /** Ends the Worker; its database is free then. */
  end(): void {
    this.#worker.terminate();
    for (const { reject } of this.#calls.values()) reject(new Error("the core has ended"));
    this.#calls.clear();
  }
}
