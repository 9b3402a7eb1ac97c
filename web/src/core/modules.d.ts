declare module "$wasm/alcyon_web.js" {
  export default function init(options: { module_or_path: Promise<Response> }): Promise<unknown>;
}

declare module "$wasm/alcyon_web_bg.wasm?url" {
  const url: string;
  export default url;
}

declare module "virtual:wasm-integrity" {
  const integrity: string;
  export default integrity;
}

/** Of the Shape Detection API, which TypeScript does not know; not every browser has it. */
interface CodeDetector {
  detect(source: HTMLVideoElement): Promise<{ rawValue: string }[]>;
}
declare var BarcodeDetector: { new (options: { formats: string[] }): CodeDetector; getSupportedFormats(): Promise<string[]> } | undefined;
