// Images and other files for tests, made here so that it is known what is in them.
import { crc32, deflateSync } from "node:zlib";

const chunk = (kind, content) => {
  const named = Buffer.concat([Buffer.from(kind, "latin1"), content]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(content.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
};

/** A PNG: a sea below a sky, and a note of where it was taken that nobody has to see. */
export function png(width, height, place = "the secret place") {
  const rows = [];
  for (let y = 0; y < height; y += 1) {
    const row = Buffer.alloc(1 + width * 3);
    for (let x = 0; x < width; x += 1) {
      const sun = (x - width * 0.7) ** 2 + (y - height * 0.3) ** 2 < (height * 0.12) ** 2;
      const sky = y < height * 0.6;
      const wave = Math.round(12 * Math.sin(x / 17 + y / 5));
      row.set(sun ? [247, 178, 101] : sky ? [178 - Math.round((y / height) * 60), 214, 222] : [15 + wave, 86 + wave, 112 + wave], 1 + x * 3);
    }
    rows.push(row);
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const text = chunk("tEXt", Buffer.from(`Comment\0${place}`, "latin1"));
  return Buffer.concat([signature, chunk("IHDR", head), text, chunk("IDAT", deflateSync(Buffer.concat(rows))), chunk("IEND", Buffer.alloc(0))]);
}

/** Bytes that no two places of a file have in common. */
export function bytes(length) {
  const all = Buffer.alloc(length);
  let state = 1;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    all[at] = state >>> 16;
  }
  return all;
}
