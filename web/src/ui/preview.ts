/** The longest edge of a thumbnail, pixels, and the most bytes of one (docs/protocol.md). */
const EDGE = 256;
const LIMIT = 16 * 1024;
const QUALITIES = [0.8, 0.65, 0.5, 0.35, 0.2];
/** Larger images are not decoded before they are sent. */
const DECODED = 64 * 1024 * 1024;

/** The edge of a picture of a person or a group, pixels, and the most bytes of one. */
const PORTRAIT_EDGE = 96;
const PORTRAIT_LIMIT = 4 * 1024;
const PORTRAIT_QUALITIES = [0.85, ...QUALITIES, 0.1, 0.05];

/** A small JPEG of an image, upright and on white, in Base64; empty if this browser can't make one. */
export function thumbnail(file: Blob): Promise<string> {
  return made(file, QUALITIES, LIMIT, (image) => {
    const scale = Math.min(1, EDGE / Math.max(image.width, image.height));
    const [width, height] = [Math.max(1, Math.round(image.width * scale)), Math.max(1, Math.round(image.height * scale))];
    return { width, height, from: [0, 0, image.width, image.height] };
  });
}

/** The same of the square in the middle, as small as the picture of a person or a group has to be. */
export function portrait(file: Blob): Promise<string> {
  return made(file, PORTRAIT_QUALITIES, PORTRAIT_LIMIT, (image) => {
    const edge = Math.min(image.width, image.height);
    return { width: PORTRAIT_EDGE, height: PORTRAIT_EDGE, from: [(image.width - edge) / 2, (image.height - edge) / 2, edge, edge] };
  });
}

type Cut = { width: number; height: number; from: [x: number, y: number, width: number, height: number] };

async function made(file: Blob, qualities: number[], limit: number, cut: (image: ImageBitmap) => Cut): Promise<string> {
  if (file.size > DECODED || !/^image\/(jpeg|png|webp|gif)$/.test(file.type)) return "";
  try {
    const image = await createImageBitmap(file);
    const { width, height, from } = cut(image);
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    if (!context) return "";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = "high";
    context.drawImage(image, ...from, 0, 0, width, height);
    image.close();
    for (const quality of qualities) {
      const small = await canvas.convertToBlob({ type: "image/jpeg", quality });
      if (small.size <= limit) return base64(new Uint8Array(await small.arrayBuffer()));
    }
  } catch {
    // One that can't be decoded goes without.
  }
  return "";
}

const base64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));

/** A thumbnail or a picture as it came, for an image element alone: it is never opened. */
export function jpegUrl(text: string): string {
  return URL.createObjectURL(new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], { type: "image/jpeg" }));
}
