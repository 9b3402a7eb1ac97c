// The page's build. ALCYON_WASM names the folder with the core's bindings (`cargo xtask web` sets it).
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { resolve } from "node:path";

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

const wasm = resolve(process.env.ALCYON_WASM ?? "../target/web-core");
const out = resolve(process.env.ALCYON_WEB_APP_OUT ?? "../target/web-app");

/** What the Worker's WebAssembly has to be, for `fetch` to hold it against. */
function integrityOfWasm() {
  const name = "virtual:wasm-integrity";
  return {
    name: "wasm-integrity",
    resolveId: (id) => (id === name ? `\0${name}` : undefined),
    load(id) {
      if (id !== `\0${name}`) return undefined;
      const hash = createHash("sha384").update(readFileSync(resolve(wasm, "alcyon_web_bg.wasm"))).digest("base64");
      return `export default ${JSON.stringify(`sha384-${hash}`)};`;
    },
  };
}

/** The licences of the packages that are in the bundle, beside it: their terms ask for that. */
function noticesOfPackages() {
  return {
    name: "notices-of-packages",
    generateBundle(_, bundle) {
      const folders = new Set();
      for (const { moduleIds = [] } of Object.values(bundle)) {
        for (const id of moduleIds) {
          const found = /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id);
          if (found && existsSync(resolve(found[1], "package.json"))) folders.add(found[1]);
        }
      }
      const notices = [...folders].sort().map((folder) => {
        const { name, version, license } = JSON.parse(readFileSync(resolve(folder, "package.json")).toString());
        const text = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
        return `${name} ${version} (${license})\n\n${text ? readFileSync(resolve(folder, text)).toString().trim() : ""}\n`;
      });
      this.emitFile({ type: "asset", fileName: "licences.txt", source: notices.join(`\n${"-".repeat(72)}\n\n`) });
    },
  };
}

export default defineConfig({
  plugins: [svelte(), integrityOfWasm(), noticesOfPackages()],
  worker: { format: "es", plugins: () => [integrityOfWasm()] },
  resolve: { alias: { "$wasm": wasm } },
  build: {
    target: "es2022",
    outDir: out,
    emptyOutDir: true,
    // Nothing inline: the Content-Security-Policy has no exception for it.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
