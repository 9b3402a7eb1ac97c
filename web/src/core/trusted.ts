/** The only scripts that the page starts: its Worker and its service worker, by the names that the build gave them. */
type Policy = { createScriptURL(url: string): string };

const rules = {
  createScriptURL(url: string): string {
    const { origin, pathname } = new URL(url, location.origin);
    const known = /^\/assets\/worker-[\w-]+\.js$/.test(pathname) || pathname === "/sw.js";
    if (origin !== location.origin || !known) throw new TypeError("no script of ours");
    return pathname;
  },
};

const factory = (globalThis as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } }).trustedTypes;
const policy: Policy = factory?.createPolicy("alcyon", rules) ?? rules;

/** A script's address, as browsers with Trusted Types want it. */
export const scriptUrl = (url: string): string => policy.createScriptURL(url);
