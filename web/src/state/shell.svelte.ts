import { scriptUrl } from "../core/trusted";

/** The page's own files, kept by the service worker. */
class Shell {
  /** A newer build waits. */
  waiting = $state<ServiceWorker | null>(null);

  /** Loads the newer build. */
  renew(): void {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    this.waiting?.postMessage("take-over");
  }
}

export const shell = new Shell();

export function keepShell(): void {
  if (!("serviceWorker" in navigator)) return;
  void navigator.serviceWorker
    .register(scriptUrl("/sw.js"), { updateViaCache: "none" })
    .then((registration) => {
      const look = (): void => {
        if (registration.waiting && navigator.serviceWorker.controller) shell.waiting = registration.waiting;
      };
      look();
      registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", look));
    })
    // Without it everything works but opening offline.
    .catch(() => undefined);
}
