// What differs between two values, letter by letter. Pure: no DOM, so that it is tested without a browser.
//
// A letter is what a reader calls one: `ễ` is one letter whether it is stored as one code point or as three. Two
// letters that look the same but are stored differently do differ here: that is the fault which nobody would see.

const segmenter = typeof Intl === 'object' && Intl.Segmenter ? new Intl.Segmenter('vi', { granularity: 'grapheme' }) : null;

// Above this many cells the table of the comparison would be felt as a pause; the middle then counts as replaced.
const MOST_CELLS = 1_000_000;

/** The letters of a text as a reader counts them. */
export function letters(text) {
  if (segmenter) return Array.from(segmenter.segment(text), (part) => part.segment);
  // Browsers of before 2024 have no segmenter. A base with its marks is what matters for Vietnamese.
  return text.match(/\P{M}\p{M}*|\p{M}+/gsu) ?? [];
}

/**
 * The shortest way from `before` to `after` as runs `{op, text}`: `same`, `del` (only before) and `ins` (only after).
 * Where letters are replaced, what goes stands before what comes.
 */
export function diff(before, after) {
  const a = letters(before);
  const b = letters(after);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;

  const runs = [];
  add(runs, 'same', a.slice(0, head));
  middle(runs, a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  add(runs, 'same', a.slice(a.length - tail));
  return legible(ordered(runs));
}

function middle(runs, a, b) {
  if (a.length * b.length > MOST_CELLS) {
    add(runs, 'del', a);
    add(runs, 'ins', b);
    return;
  }
  const common = commonLengths(a, b);
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      add(runs, 'same', [a[i]]);
      i += 1;
      j += 1;
    } else if (common[i + 1][j] >= common[i][j + 1]) {
      add(runs, 'del', [a[i]]);
      i += 1;
    } else {
      add(runs, 'ins', [b[j]]);
      j += 1;
    }
  }
  add(runs, 'del', a.slice(i));
  add(runs, 'ins', b.slice(j));
}

// common[i][j]: the length of the longest common subsequence of a[i..] and b[j..].
function commonLengths(a, b) {
  const table = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      table[i][j] = a[i] === b[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
    }
  }
  return table;
}

function add(runs, op, some) {
  if (some.length === 0) return;
  const last = runs.at(-1);
  if (last?.op === op) last.text += some.join('');
  else runs.push({ op, text: some.join('') });
}

// Between two equal runs all that goes comes first, then all that comes: one replacement reads as one.
function ordered(runs) {
  const out = [];
  for (const run of runs) {
    const last = out.at(-1);
    if (run.op === 'del' && last?.op === 'ins') {
      const earlier = out.at(-2);
      if (earlier?.op === 'del') earlier.text += run.text;
      else out.splice(-1, 0, run);
    } else if (last?.op === run.op) {
      last.text += run.text;
    } else {
      out.push(run);
    }
  }
  return out;
}

// `12` that became `21` is one letter kept between one that came and one that went; true, and a riddle to read. Such a
// letter joins the change around it.
function legible(runs) {
  const out = [];
  for (let i = 0; i < runs.length; i += 1) {
    const [before, run, after] = [out.at(-1), runs[i], runs[i + 1]];
    const lone = run.op === 'same' && letters(run.text).length === 1;
    const shifted = lone && before && after && before.op !== 'same' && after.op !== 'same' && before.op !== after.op;
    const pure = shifted && out.at(-2)?.op !== (before.op === 'ins' ? 'del' : 'ins') && runs[i + 2]?.op !== (after.op === 'del' ? 'ins' : 'del');
    if (!pure) {
      out.push({ ...run });
      continue;
    }
    out.pop();
    const [gone, come] = before.op === 'del' ? [before.text + run.text, run.text + after.text] : [run.text + after.text, before.text + run.text];
    out.push({ op: 'del', text: gone }, { op: 'ins', text: come });
    i += 1;
  }
  return out;
}

/** One side of a comparison: `before` with what goes marked, `after` with what comes marked. */
export function side(runs, which) {
  const other = which === 'before' ? 'ins' : 'del';
  return runs.filter((run) => run.op !== other);
}

/** The changes as pairs `{from, to}`, for whoever hears and does not see them. */
export function replacements(runs) {
  const out = [];
  for (let i = 0; i < runs.length; i += 1) {
    const run = runs[i];
    if (run.op === 'del') {
      const next = runs[i + 1]?.op === 'ins' ? runs[(i += 1)].text : '';
      out.push({ from: run.text, to: next });
    } else if (run.op === 'ins') {
      out.push({ from: '', to: run.text });
    }
  }
  return out;
}

/** Whether two different texts look the same because only their encoding differs (NFC and NFD). */
export function onlyEncoding(before, after) {
  return before !== after && before.normalize('NFC') === after.normalize('NFC');
}
