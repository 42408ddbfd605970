// The page's words. One file per language, the same keys in each; a key's text may have plural forms.

export const LANGUAGES = ['vi', 'en'];
const STORED = 'emend.language';

export class Words {
  constructor(language, table) {
    this.language = language;
    this.table = table;
    this.numbers = new Intl.NumberFormat(language);
    this.plurals = new Intl.PluralRules(language);
  }

  /** The text of a key. `{name}` stands for an argument, numbers are written as the language does; `n` picks the plural. */
  say(key, args = {}) {
    let text = this.table[key];
    if (text && typeof text === 'object') text = text[this.plurals.select(args.n ?? 0)] ?? text.other;
    if (text === undefined) return key;
    return text.replace(/\{(\w+)\}/g, (whole, name) => {
      const value = args[name];
      if (value === undefined) return whole;
      return typeof value === 'number' ? this.numbers.format(value) : String(value);
    });
  }

  /** A length of time in words, in its largest unit: `3 phút`. */
  span(seconds) {
    const whole = Math.max(0, Math.ceil(seconds));
    if (whole < 60) return this.#unit(whole, 'second');
    if (whole < 3600) return this.#unit(Math.ceil(whole / 60), 'minute');
    if (whole < 48 * 3600) return this.#unit(Math.round(whole / 3600), 'hour');
    return this.#unit(Math.round(whole / 86400), 'day');
  }

  /** How long ago something was. */
  ago(seconds) {
    if (seconds < 45) return this.say('time.just_now');
    return this.say('time.ago', { span: this.span(seconds) });
  }

  #unit(value, unit) {
    return new Intl.NumberFormat(this.language, { style: 'unit', unit, unitDisplay: 'long' }).format(value);
  }
}

/** `4:59`. */
export function clock(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/** The language chosen in this browser, if any. It is no secret and no person's data. */
export function storedLanguage() {
  try {
    const language = localStorage.getItem(STORED);
    return LANGUAGES.includes(language) ? language : null;
  } catch {
    return null;
  }
}

export function storeLanguage(language) {
  try {
    localStorage.setItem(STORED, language);
  } catch {
    // It then holds for this page only.
  }
}

export async function loadWords(language) {
  const response = await fetch(new URL(`./i18n/${language}.json`, import.meta.url), { credentials: 'same-origin' });
  if (!response.ok) throw new Error(`words: HTTP ${response.status}`);
  return new Words(language, await response.json());
}

/** Writes the words into the parts of the page that stand still. */
export function translate(root, words) {
  root.documentElement.lang = words.language;
  for (const node of root.querySelectorAll('[data-say]')) node.textContent = words.say(node.dataset.say);
  // The way to the other language is written in that language.
  for (const node of root.querySelectorAll('[data-say="top.language"]')) node.lang = LANGUAGES.find((language) => language !== words.language);
  for (const node of root.querySelectorAll('[data-say-label]')) node.setAttribute('aria-label', words.say(node.dataset.sayLabel));
}
