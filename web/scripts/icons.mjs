// Draws the icons' PNG forms from the SVG: `CHROMIUM=/usr/bin/chromium node scripts/icons.mjs`. They are committed.
import { readFileSync, writeFileSync } from "node:fs";

import { chromium } from "playwright-core";

const svg = readFileSync(new URL("../public/icon.svg", import.meta.url)).toString();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const [name, size, full] of [["icon-192", 192, false], ["icon-512", 512, false], ["icon-maskable-512", 512, true], ["icon-180", 180, true]]) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  // Where a system cuts the shape itself, the tile goes to the edges and the bird keeps to the middle.
  const drawn = full ? svg.replace('<rect width="128" height="128" rx="30" />', '<rect x="-20" y="-20" width="168" height="168" />').replace('viewBox="0 0 128 128"', 'viewBox="-14 -14 156 156"').replace('<rect width="128" height="128" fill', '<rect x="-20" y="-20" width="168" height="168" fill').replaceAll(/M0 (97|108)c22-([76]) 42-\2 64 0s42 \2 64 0v(31|20)H0z/g, "M-64 $1c22-$2 42-$2 64 0s42 $2 64 0 42-$2 64 0 42 $2 64 0v60H-64z") : svg;
  await page.setContent(`<style>*{margin:0}svg{display:block;width:${size}px;height:${size}px}</style>${drawn}`);
  writeFileSync(new URL(`../public/${name}.png`, import.meta.url), await page.screenshot({ omitBackground: true }));
}
await browser.close();
