// The page of the browser test: it does what a person would, and reports to the test what it was told.
// The test (tests/browser.rs) names the server and the person to knock at in the address.

const { server, peer } = Object.fromEntries(new URLSearchParams(location.search));
const key = "5a".repeat(32);

function report(step, details) {
  return fetch("report", { method: "POST", body: JSON.stringify({ step, ...details }) });
}

/** A Worker with its profile, calls as promises, and events to wait for. */
class Core {
  #worker = new Worker("worker.js", { type: "module" });
  #calls = new Map();
  #waiting = [];
  #numbers = 0;

  constructor() {
    this.#worker.onerror = (error) => report("failed", { error: `the Worker failed: ${error.message}` });
    this.#worker.onmessage = ({ data }) => this.#hear(JSON.parse(data));
  }

  #hear(event) {
    if (event.event === "done") return this.#calls.get(event.call).resolve(event);
    if (event.event === "failed" && event.call !== null) return this.#calls.get(event.call).reject(new Error(JSON.stringify(event)));
    if (event.event === "failed") return report("failed", { error: JSON.stringify(event) });
    for (const waiting of this.#waiting.filter(({ wanted }) => wanted(event))) waiting.resolve(event);
  }

  event(wanted) {
    const { promise, resolve } = Promise.withResolvers();
    this.#waiting.push({ wanted, resolve });
    return promise;
  }

  call(command, details) {
    const call = this.#numbers++;
    const { promise, resolve, reject } = Promise.withResolvers();
    this.#calls.set(call, { resolve, reject });
    this.#worker.postMessage(JSON.stringify({ call, command, ...details }));
    return promise;
  }

  end() {
    this.#worker.terminate();
  }
}

async function error_of(promise) {
  try {
    return { unexpected: await promise };
  } catch (error) {
    return JSON.parse(error.message).error;
  }
}

async function run() {
  const first = new Core();
  await first.event(({ event }) => event === "ready");
  const closed = await error_of(first.call("whoami"));
  const opened = await first.call("open", { profile: "ben", key });
  const registered = await first.call("register", { name: "ben", server, shows: {} });
  await report("registered", { closed, opened, registered });

  const answer = first.event(({ event }) => event === "message");
  const sent = await first.call("start", { handle: peer, text: "hello from the browser" });
  await report("knocked", { sent });

  const { conversation, id, ...message } = await answer;
  await first.call("shown", { conversation, id });
  const taken = first.event(({ event, own, position }) => event === "delivery" && own && position !== null);
  await first.call("write", { who: conversation, post: { post: "text", text: "thank you", reply_to: null } });
  const reply = await taken;
  await report("answered", { message, reply });
  first.end();

  // All of it is on disk, and nobody without the key reads it.
  const second = new Core();
  await second.event(({ event }) => event === "ready");
  const refused = await error_of(second.call("open", { profile: "ben", key: "00".repeat(32) }));
  const reopened = await second.call("open", { profile: "ben", key });
  const { messages } = await second.call("history", { who: conversation, before: null, limit: null });
  await report("reopened", { refused, reopened, texts: messages.map(({ text }) => text) });
}

run().catch((error) => report("failed", { error: String(error) }));
