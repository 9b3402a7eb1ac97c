import init from "./alcyon_web.js";
await init();
