import { sharing } from "./shared.svelte";

/** Where one is, as the address says it: links and the way back work as they do everywhere. */
export type Place =
  | { at: "list" | "new" | "settings" }
  | { at: "talk"; conversation: string }
  | { at: "about"; conversation: string }
  | { at: "request"; request: string };

const ID = /^[a-z2-7]{1,64}$/;

function read(hash: string): Place {
  const [at, id] = hash.replace(/^#\/?/, "").split("/");
  if (at === "new" || at === "settings") return { at };
  if (id !== undefined && ID.test(id)) {
    if (at === "talk" || at === "about") return { at, conversation: id };
    if (at === "request") return { at, request: id };
  }
  return { at: "list" };
}

function write(there: Place): string {
  switch (there.at) {
    case "list":
      return "#/";
    case "talk":
    case "about":
      return `#/${there.at}/${there.conversation}`;
    case "request":
      return `#/request/${there.request}`;
    default:
      return `#/${there.at}`;
  }
}

class Now {
  now = $state<Place>(read(location.hash));
  /** A link into a group that the page was opened by; what follows the `#` never went to a server. */
  link = $state(location.pathname === "/join" && location.hash.length > 1 ? location.href : "");
}

export const place = new Now();
/** Another app shares something: the service worker has sent the page here. */
void sharing.begin(location.hash === "#/share");
if (location.hash === "#/share") history.replaceState(null, "", "/#/");
if (place.link) {
  history.replaceState(null, "", "/#/new");
  place.now = { at: "new" };
}

export function go(there: Place, replace = false): void {
  const hash = write(there);
  if (hash === location.hash) return;
  history[replace ? "replaceState" : "pushState"](null, "", hash);
  arrived();
}

const listeners: (() => void)[] = [];
export const onArrival = (act: () => void): void => void listeners.push(act);

function arrived(): void {
  place.now = read(location.hash);
  for (const act of listeners) act();
}

addEventListener("popstate", arrived);
