/** One tab has the core at a time; another may ask for it. */
const LOCK = "alcyon-core";
const channel = new BroadcastChannel("alcyon-turn");

export type Turn = { release(): void };

/** Takes the lock if it is free. */
export function takeIfFree(): Promise<Turn | null> {
  return hold({ ifAvailable: true });
}

/** Asks whoever has it to let go, and waits for that. */
export function takeOver(): Promise<Turn | null> {
  channel.postMessage("take-over");
  return hold({});
}

/** Somebody else wants it. */
export function onWanted(act: () => void): void {
  channel.onmessage = ({ data }) => {
    if (data === "take-over") act();
  };
}

function hold(options: LockOptions): Promise<Turn | null> {
  return new Promise((resolve, reject) => {
    const held = navigator.locks.request(LOCK, options, (lock) => {
      if (!lock) return resolve(null);
      return new Promise<void>((release) => resolve({ release }));
    });
    held.catch(reject);
  });
}
