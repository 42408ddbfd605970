// Characters that a reader would not see, or would take for others, made visible. Pure.

// Vietnamese letters beside ASCII, composed.
const VIETNAMESE = new Set(
  [...'ăâđêôơưàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ'].flatMap((letter) => [letter, letter.toUpperCase()]),
);
const TYPOGRAPHY = new Set([...'–—‘’“”…•·₫°']);

// Space-like, zero-width, joining and direction characters, and controls.
const UNSEEN = /[\u0000-\u001f\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufeff\uffa0\ufff9-\ufffb]/u;

const NAMES = new Map([
  [0x09, 'TAB'], [0x0a, 'LF'], [0x0d, 'CR'], [0xa0, 'NBSP'], [0xad, 'SHY'], [0x200b, 'ZWSP'], [0x200c, 'ZWNJ'],
  [0x200d, 'ZWJ'], [0x200e, 'LRM'], [0x200f, 'RLM'], [0x202d, 'LRO'], [0x202e, 'RLO'], [0xfeff, 'BOM'],
]);

/** `U+00D0`. */
export function codePoint(character) {
  return `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** All code points of a text, for letters that look alike. */
export function codePoints(text) {
  return Array.from(text, codePoint).join(' ');
}

/**
 * A text in pieces `{text, tag}`: a `tag` stands for a character that shows nothing, such as `NBSP`. Spaces at the ends and
 * the second of two in a row are `tag: '·'`, since they show nothing where they stand.
 */
export function pieces(text, { atStart = true, atEnd = true } = {}) {
  const out = [];
  let plain = '';
  const characters = Array.from(text);
  const flush = () => {
    if (plain) out.push({ text: plain });
    plain = '';
  };
  characters.forEach((character, place) => {
    const lone = character === ' ' && characters[place - 1] !== ' ' && (place > 0 || !atStart) && (place < characters.length - 1 || !atEnd);
    if (character === ' ' && !lone) {
      flush();
      out.push({ text: character, tag: '·' });
    } else if (UNSEEN.test(character)) {
      flush();
      out.push({ text: character, tag: NAMES.get(character.codePointAt(0)) ?? codePoint(character) });
    } else {
      plain += character;
    }
  });
  flush();
  return out;
}

/** The characters of a text that neither ASCII nor Vietnamese knows, each once: `Ð`, which is not `Đ`. */
export function strangers(text) {
  const out = [];
  for (const character of text.normalize('NFC')) {
    const known = (character >= ' ' && character <= '~') || VIETNAMESE.has(character) || TYPOGRAPHY.has(character);
    if (!known && !out.includes(character)) out.push(character);
  }
  return out;
}

/** `2021-08-21` as `21/08/2021`, the way dates are read here; null for anything else. */
export function dayFirst(value) {
  const found = /^(\d{4})-(\d{2})-(\d{2})$/.exec(value);
  return found ? `${found[3]}/${found[2]}/${found[1]}` : null;
}
