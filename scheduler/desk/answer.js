// What a reviewer has chosen for one card, and the answer that it makes. Pure.
//
// A card is worked through field by field. A choice is `{from: 'option', index}`, `{from: 'keep'}` or
// `{from: 'edit', value}`.

export const keyOf = (review) => `${review.job_id}/${review.seq}`;

/** The card's questions in order: a field, what was found about it, and the values offered. */
export function issuesOf(card) {
  const fields = card.fields ?? [];
  const findings = (card.findings ?? []).filter((finding) => finding.field);
  const names = fields.filter((field) => field.at_issue).map((field) => field.name);
  for (const finding of findings) if (!names.includes(finding.field)) names.push(finding.field);
  return names.map((name) => {
    const field = fields.find((one) => one.name === name);
    const about = findings.filter((finding) => finding.field === name);
    return {
      field: name,
      value: field?.value ?? '',
      masked: Boolean(field?.masked),
      findings: about,
      options: optionsOf(name, about, card.answers ?? [], field?.value ?? ''),
    };
  });
}

// The rules' proposals, best first, then what the first two people said where they differ. Each value once; the value
// that the field has is not offered again, "keep" stands for it.
function optionsOf(name, findings, answers, value) {
  const options = [];
  const offer = (text, by) => {
    const known = options.find((option) => option.value === text);
    if (known) known.by.push(by);
    else options.push({ value: text, by: [by] });
  };
  for (const finding of findings) for (const proposal of finding.proposals ?? []) offer(proposal, 'rule');
  for (const answer of answers) {
    if (answer.kind !== 'values') continue;
    for (const one of answer.values ?? []) if (one.field === name) offer(one.value, 'person');
  }
  return options.filter((option) => option.value !== value);
}

/** Whether the card is about the whole record: rules gave up on it, or the finding names no field. */
export function isWhole(card) {
  return Boolean(card.failure) || !(card.findings ?? []).some((finding) => finding.field);
}

/** A lease as the desk works on it. */
export function workOf(lease) {
  const work = {
    review: lease.review,
    key: keyOf(lease.review),
    epoch: lease.epoch,
    token: lease.token,
    card: lease.card,
    issues: issuesOf(lease.card),
    whole: isWhole(lease.card),
    step: 0,
    choices: {},
    edits: {},
    asItStands: false,
    revealed: {},
    touched: false,
    restored: false,
  };
  if (lease.card.draft) restore(work, lease.card.draft);
  return work;
}

/** Takes up a draft again: whatever it says of a field at issue is a choice, of another field an edit. */
export function restore(work, draft) {
  if (draft.kind !== 'values') return;
  for (const { field, value } of draft.values ?? []) {
    const issue = work.whole ? null : work.issues.find((one) => one.field === field);
    const shown = work.card.fields?.find((one) => one.name === field);
    if (!issue) {
      // What is not on the card was not decided on it: nothing invisible goes into an answer.
      if (shown && value !== shown.value) work.edits[field] = value;
      continue;
    }
    const index = issue.options.findIndex((option) => option.value === value);
    if (index >= 0) work.choices[field] = { from: 'option', index };
    else if (value === issue.value) work.choices[field] = { from: 'keep' };
    else work.choices[field] = { from: 'edit', value };
    work.restored = true;
  }
  if (Object.keys(work.edits).length) work.restored = true;
}

/** The value chosen for a field at issue; undefined while there is none. */
export function chosen(work, issue) {
  const choice = work.choices[issue.field];
  if (!choice) return undefined;
  if (choice.from === 'option') return issue.options[choice.index]?.value;
  if (choice.from === 'keep') return work.revealed[issue.field] ?? issue.value;
  return tidy(choice.value);
}

/** What is typed is stored composed and without spaces at its ends. */
export function tidy(text) {
  return text.normalize('NFC').trim();
}

/**
 * What still stands in the way of an answer: `{why: 'choose', step}` or `{why: 'reveal', field}` (a value that is hidden
 * can be neither kept nor changed: what is shown of it is not the value); null when nothing does.
 */
export function obstacle(work) {
  if (work.whole) {
    const changed = Object.keys(changedFields(work)).length > 0;
    if (!changed && !work.asItStands) return { why: 'whole' };
    return hiddenIssue(work, (issue) => !(issue.field in work.edits));
  }
  const step = work.issues.findIndex((issue) => chosen(work, issue) === undefined);
  if (step >= 0) return { why: 'choose', step };
  return hiddenIssue(work, (issue) => work.choices[issue.field].from === 'keep');
}

function hiddenIssue(work, keeps) {
  const hidden = work.issues.find((issue) => issue.masked && keeps(issue) && !(issue.field in work.revealed));
  return hidden ? { why: 'reveal', field: hidden.field } : null;
}

/** Edits that do change something. */
export function changedFields(work) {
  const out = {};
  for (const [field, value] of Object.entries(work.edits)) {
    const now = work.revealed[field] ?? work.card.fields?.find((one) => one.name === field)?.value ?? '';
    if (tidy(value) !== now) out[field] = tidy(value);
  }
  return out;
}

/** Fields that the answer would leave empty although they hold something: a person is asked once more. */
export function emptied(work) {
  const values = answerOf(work).values;
  return values.filter(({ field, value }) => value === '' && (work.card.fields?.find((one) => one.name === field)?.value ?? '') !== '').map(({ field }) => field);
}

/** The answer, or the draft of one: only what is chosen. */
export function answerOf(work) {
  const changed = changedFields(work);
  const values = [];
  for (const issue of work.issues) {
    const value = work.whole ? changed[issue.field] ?? shown(work, issue) : chosen(work, issue);
    if (value !== undefined) values.push({ field: issue.field, value });
  }
  for (const [field, value] of Object.entries(changed)) {
    if (!values.some((one) => one.field === field)) values.push({ field, value });
  }
  return { kind: 'values', values };
}

// A hidden value that was not looked at has nothing to be sent for it.
function shown(work, issue) {
  if (issue.masked && !(issue.field in work.revealed)) return undefined;
  return work.revealed[issue.field] ?? issue.value;
}
