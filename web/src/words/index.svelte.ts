import { en, type Words } from "./en";
import { fr } from "./fr";

export type Language = "en" | "fr";
export const LANGUAGES: Record<Language, Words> = { en, fr };

const preferred = (): Language => (navigator.languages.some((one) => /^fr\b/i.test(one)) && !/^en\b/i.test(navigator.language) ? "fr" : "en");

class Speech {
  language = $state<Language>(preferred());
  readonly words = $derived<Words>(LANGUAGES[this.language]);
  readonly #time = $derived(new Intl.DateTimeFormat(this.language, { hour: "numeric", minute: "2-digit" }));
  readonly #day = $derived(new Intl.DateTimeFormat(this.language, { weekday: "long", day: "numeric", month: "long" }));
  readonly #year = $derived(new Intl.DateTimeFormat(this.language, { day: "numeric", month: "long", year: "numeric" }));
  readonly #short = $derived(new Intl.DateTimeFormat(this.language, { day: "numeric", month: "short" }));
  readonly #weekday = $derived(new Intl.DateTimeFormat(this.language, { weekday: "short" }));
  readonly #full = $derived(new Intl.DateTimeFormat(this.language, { dateStyle: "full", timeStyle: "short" }));
  readonly #list = $derived(new Intl.ListFormat(this.language, { type: "conjunction" }));

  time(ms: number): string {
    return this.#time.format(ms);
  }

  full(ms: number): string {
    return this.#full.format(ms);
  }

  list(names: string[]): string {
    return this.#list.format(names);
  }

  /** Above the messages of a day. */
  day(ms: number): string {
    const days = daysAgo(ms);
    if (days === 0) return this.words.talk.today;
    if (days === 1) return this.words.talk.yesterday;
    return (days < 300 ? this.#day : this.#year).format(ms);
  }

  /** In the list: the time today, the weekday within a week, the date before. */
  recent(ms: number): string {
    const days = daysAgo(ms);
    if (days <= 0) return this.time(ms);
    return (days < 7 ? this.#weekday : this.#short).format(ms);
  }

  duration(seconds: number): string {
    const { ago } = this.words;
    if (seconds % 604_800 === 0) return ago.weeks(seconds / 604_800);
    if (seconds % 86_400 === 0) return ago.days(seconds / 86_400);
    if (seconds % 3_600 === 0) return ago.hours(seconds / 3_600);
    return seconds % 60 === 0 ? ago.minutes(seconds / 60) : ago.seconds(seconds);
  }

  /** About so long: no finer than matters to whoever waits. */
  span(ms: number): string {
    const { ago } = this.words;
    const seconds = Math.ceil(ms / 1000);
    if (seconds < 120) return ago.seconds(seconds);
    return seconds < 7_200 ? ago.minutes(Math.ceil(seconds / 60)) : ago.hours(Math.ceil(seconds / 3_600));
  }

  /** Minutes and seconds, as on a clock. */
  clock(ms: number): string {
    const seconds = Math.max(0, Math.round(ms / 1000));
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }

  number(value: number): string {
    return new Intl.NumberFormat(this.language).format(value);
  }

  bytes(count: number): string {
    const [value, unit] = count < 1e6 ? [count / 1e3, "kilobyte"] : [count / 1e6, "megabyte"];
    return new Intl.NumberFormat(this.language, { style: "unit", unit, maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
  }
}

const midnight = (ms: number): number => new Date(ms).setHours(0, 0, 0, 0);

/** Whole days by the person's calendar, days of 23 and 25 hours included. */
const daysAgo = (ms: number): number => Math.round((midnight(Date.now()) - midnight(ms)) / 86_400_000);

export const sameDay = (one: number, other: number): boolean => midnight(one) === midnight(other);

export const speech = new Speech();
