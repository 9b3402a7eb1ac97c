/** The Worker: loads the core, which then speaks for itself (crates/alcyon-web). */
import init from "$wasm/alcyon_web.js";
import url from "$wasm/alcyon_web_bg.wasm?url";
import integrity from "virtual:wasm-integrity";

await init({ module_or_path: fetch(url, { integrity }) });
