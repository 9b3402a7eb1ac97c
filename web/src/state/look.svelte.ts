import { speech, type Language } from "../words/index.svelte";

export type Theme = "system" | "light" | "dark";
export type TextSize = "small" | "medium" | "large" | "huge";

type Kept = { theme: Theme; textSize: TextSize; language: Language | null; notify: boolean };
const NAME = "alcyon-look";

/** How the page looks: kept in this browser alone, and nothing in it is secret. */
class Look {
  theme = $state<Theme>("system");
  textSize = $state<TextSize>("medium");
  notify = $state(false);

  constructor() {
    const { theme, textSize, language, notify } = JSON.parse(localStorage.getItem(NAME) ?? "{}") as Partial<Kept>;
    if (theme) this.theme = theme;
    if (textSize) this.textSize = textSize;
    if (language) speech.language = language;
    this.notify = notify ?? false;
    this.apply();
  }

  keep(): void {
    const kept: Kept = { theme: this.theme, textSize: this.textSize, language: speech.language, notify: this.notify };
    localStorage.setItem(NAME, JSON.stringify(kept));
    this.apply();
  }

  apply(): void {
    const root = document.documentElement;
    root.dataset["theme"] = this.theme;
    root.dataset["text"] = this.textSize;
    root.lang = speech.language;
  }
}

export const look = new Look();
