/** The longest edge of a thumbnail, pixels, and the most bytes of one (docs/protocol.md). */
const EDGE = 256;
const LIMIT = 16 * 1024;
const QUALITIES = [0.8, 0.65, 0.5, 0.35, 0.2];
/** Larger images are not decoded before they are sent. */
const DECODED = 64 * 1024 * 1024;

/** A small JPEG of an image, upright and on white, in Base64; empty if this browser can't make one. */
export async function thumbnail(file: Blob): Promise<string> {
  if (file.size > DECODED || !/^image\/(jpeg|png|webp|gif)$/.test(file.type)) return "";
  try {
    const image = await createImageBitmap(file);
    const scale = Math.min(1, EDGE / Math.max(image.width, image.height));
    const canvas = new OffscreenCanvas(Math.max(1, Math.round(image.width * scale)), Math.max(1, Math.round(image.height * scale)));
    const context = canvas.getContext("2d");
    if (!context) return "";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    image.close();
    for (const quality of QUALITIES) {
      const small = await canvas.convertToBlob({ type: "image/jpeg", quality });
      if (small.size <= LIMIT) return base64(new Uint8Array(await small.arrayBuffer()));
    }
  } catch {
    // One that can't be decoded goes without.
  }
  return "";
}

const base64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));

/** A thumbnail as it came, for an image element alone: it is never opened. */
export function thumbnailUrl(text: string): string {
  return URL.createObjectURL(new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], { type: "image/jpeg" }));
}
