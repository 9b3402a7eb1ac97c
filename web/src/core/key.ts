/**
 * The database's key: random, and stored wrapped by a key that the browser does not hand out. Who can read this browser's profile on
 * the device can read both; docs/threat-model.md says what that means.
 */
const STORE = "keys";
const NAME = "database";

type Kept = { wrapping: CryptoKey; nonce: Uint8Array<ArrayBuffer>; wrapped: ArrayBuffer };

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("alcyon", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("no IndexedDB"));
  });
}

function within<T>(database: IDBDatabase, mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, mode, { durability: "strict" });
    const request = act(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error ?? new Error("IndexedDB refused"));
  });
}

const hexadecimal = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** 64 hexadecimal digits; made the first time. */
export async function databaseKey(): Promise<string> {
  const database = await open();
  try {
    const kept = await within(database, "readonly", (store) => store.get(NAME) as IDBRequest<Kept | undefined>);
    if (kept) return hexadecimal(new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv: kept.nonce }, kept.wrapping, kept.wrapped)));
    const key = crypto.getRandomValues(new Uint8Array(32));
    const nonce = crypto.getRandomValues(new Uint8Array(12));
    const wrapping = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
    const wrapped = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, wrapping, key);
    // Durable before it is used: a database whose key was lost is lost.
    await within(database, "readwrite", (store) => store.put({ wrapping, nonce, wrapped } satisfies Kept, NAME));
    return hexadecimal(key);
  } finally {
    database.close();
  }
}
