// The card on the desk: one question at a time, its value large, the values to choose from, and what bears on it.

import { chosen } from './answer.js';
import { freshId, h, kbd, only } from './dom.js';
import { remarks, shownNode } from './values.js';
import { beside, wholeRecord } from './fields.js';

/** `desk`: words, form(job), label(work, field), and what a card may ask for: changed, accept, reveal, step, cluster. */
export class CardView {
  constructor(desk, work) {
    this.desk = desk;
    this.work = work;
    this.issue = work.whole ? null : work.issues[work.step];
    this.radios = [];
    this.node = this.#build();
    this.update();
  }

  focus() {
    this.heading.focus({ preventScroll: true });
  }

  /** Takes a proposal, from 0. */
  select(index) {
    if (!this.issue || index >= this.issue.options.length) return false;
    this.#choose({ from: 'option', index });
    return true;
  }

  keep() {
    if (this.work.whole) {
      this.work.asItStands = true;
      this.#told();
    } else {
      this.#choose({ from: 'keep' });
    }
  }

  edit() {
    if (!this.issue) {
      this.node.querySelector('[data-edit]')?.click();
      return;
    }
    const hidden = this.issue.masked && !(this.issue.field in this.work.revealed);
    if (hidden) {
      this.desk.reveal(this.issue.field, () => this.edit());
      return;
    }
    const before = this.work.choices[this.issue.field];
    if (before?.from !== 'edit') this.#choose({ from: 'edit', value: chosen(this.work, this.issue) ?? this.#now() });
    this.input.value = this.work.choices[this.issue.field].value;
    this.input.focus({ preventScroll: true });
    this.inputRow.scrollIntoView({ block: 'nearest' });
    this.input.select();
  }

  problem(text) {
    only(this.problemNode, text ?? '');
  }

  /** Shows the present choice without building anything anew: what is being typed in stays alive. */
  update() {
    if (!this.issue) {
      if (this.keepAll) this.keepAll.checked = this.work.asItStands;
      return;
    }
    const choice = this.work.choices[this.issue.field];
    const value = chosen(this.work, this.issue);
    for (const { radio, is } of this.radios) radio.checked = Boolean(choice) && is(choice);
    this.inputRow.hidden = choice?.from !== 'edit';
    // Unless something is chosen, the value is compared with the best proposal: that is what the eye looks for.
    const against = value ?? this.issue.options[0]?.value ?? this.#now();
    only(this.nowNode, shownNode(this.desk.words, this.#field(), this.#now(), against, 'before', { big: true, spoken: false }));
    if (choice?.from === 'edit') only(this.preview, this.#typed(value));
  }

  #now() {
    return this.work.revealed[this.issue.field] ?? this.issue.value;
  }

  #field() {
    return this.desk.field(this.work, this.issue.field);
  }

  #typed(value) {
    const { words } = this.desk;
    if (value === this.#now()) return words.say('edit.same');
    return [shownNode(words, this.#field(), this.#now(), value, 'after'), remarks(words, value, this.#now()).map((text) => h('span', { class: 'remark' }, text))];
  }

  #choose(choice) {
    this.work.choices[this.issue.field] = choice;
    this.#told();
  }

  #told() {
    this.work.touched = true;
    this.problem('');
    this.update();
    this.desk.changed(this.work);
  }

  #build() {
    const { words } = this.desk;
    const id = freshId('card');
    this.heading = h('h1', { id, tabindex: '-1' }, this.#question());
    this.problemNode = h('p', { class: 'problem', role: 'alert' });
    const main = h('div', { class: 'card-main' }, this.#eyebrow(), this.heading, this.#notes(), this.issue ? this.#ask() : this.#askWhole(), this.problemNode, this.#alike());
    return h('article', { class: this.work.whole ? 'card whole' : 'card', 'aria-labelledby': id }, main, this.work.whole ? null : beside(this.desk, this.work, words));
  }

  #question() {
    const { words } = this.desk;
    if (this.work.card.failure) {
      const key = `failure.${this.work.card.failure}`;
      const text = words.say(key);
      return text === key ? words.say('failure.other') : text;
    }
    const finding = this.issue?.findings[0] ?? this.work.card.findings?.[0];
    return finding ? this.desk.findingText(this.work, finding) : words.say('finding.check', { field: this.desk.label(this.work, this.issue?.field ?? '') });
  }

  #eyebrow() {
    const { words } = this.desk;
    const steps = this.work.whole ? [] : this.work.issues;
    return h(
      'div',
      { class: 'eyebrow' },
      h('span', {}, words.say('card.record', { seq: String(this.work.review.seq) })),
      this.desk.jobName(this.work) && h('span', { class: 'job' }, this.desk.jobName(this.work)),
      steps.length > 1 &&
        h(
          'ol',
          { class: 'steps', 'aria-label': words.say('card.steps') },
          steps.map((issue, step) =>
            h(
              'li',
              {},
              h(
                'button',
                { type: 'button', class: 'step', 'aria-current': step === this.work.step ? 'step' : null, on: { click: () => this.desk.step(step) } },
                h('span', { class: 'step-mark', 'aria-hidden': 'true' }, chosen(this.work, issue) === undefined ? String(step + 1) : '✓'),
                this.desk.label(this.work, issue.field),
              ),
            ),
          ),
        ),
    );
  }

  #notes() {
    const { words } = this.desk;
    const more = (this.issue?.findings ?? []).slice(1).map((finding) => this.desk.findingText(this.work, finding));
    if (this.work.card.round === 3) more.push(words.say('card.third'));
    if (this.work.restored) more.push(words.say('card.draft'));
    // In the third round it matters that one of the two gave no value at all.
    for (const answer of this.work.card.answers ?? []) {
      if (answer.kind !== 'values') more.push(words.say(`theirs.${answer.kind}`, { reason: answer.reason ?? '' }));
    }
    return more.length > 0 && h('ul', { class: 'notes' }, more.map((text) => h('li', {}, text)));
  }

  #ask() {
    const { words } = this.desk;
    const label = this.desk.label(this.work, this.issue.field);
    const name = freshId('choice');
    this.nowNode = h('p', { class: 'now-value' });
    const hidden = this.issue.masked && !(this.issue.field in this.work.revealed);
    return [
      h(
        'section',
        { class: 'now' },
        h('h2', {}, h('span', { class: 'field-label' }, label), h('span', { class: 'quiet' }, words.say('card.now'))),
        this.nowNode,
        this.#remarks(this.#now()),
        hidden && h('button', { type: 'button', class: 'small', on: { click: () => this.desk.reveal(this.issue.field) } }, words.say('reveal.button')),
      ),
      h(
        'fieldset',
        { class: 'options' },
        h('legend', {}, words.say(this.issue.options.length ? 'card.choose' : 'card.choose_none')),
        this.issue.options.map((option, index) => this.#option(name, option, index)),
        this.#row(name, '0', words.say('choice.keep'), (choice) => choice.from === 'keep', () => this.keep()),
        this.#row(name, 'e', words.say('choice.edit'), (choice) => choice.from === 'edit', () => this.edit(), this.#typing(label)),
      ),
    ];
  }

  #remarks(value, before = null) {
    return remarks(this.desk.words, value, before).map((text) => h('span', { class: 'remark' }, text));
  }

  #option(name, option, index) {
    const { words } = this.desk;
    const said = h(
      'span',
      { class: 'said' },
      shownNode(words, this.#field(), this.#now(), option.value, 'after', { big: true }),
      this.#remarks(option.value, this.#now()),
      option.by.includes('person') && h('span', { class: 'remark' }, words.say('choice.person')),
    );
    return this.#row(name, String(index + 1), said, (choice) => choice.from === 'option' && choice.index === index, () => this.select(index));
  }

  #row(name, key, said, is, take, extra = null) {
    const radio = h('input', { type: 'radio', name, on: { change: take } });
    this.radios.push({ radio, is });
    return h('div', { class: 'option' }, h('label', {}, radio, kbd(key), said), extra);
  }

  #typing(label) {
    const { words } = this.desk;
    this.preview = h('p', { class: 'preview' });
    this.input = h('input', {
      type: 'text',
      class: 'typed',
      lang: 'vi',
      autocomplete: 'off',
      autocapitalize: 'off',
      spellcheck: 'false',
      maxlength: '2000',
      'aria-label': words.say('edit.label', { field: label }),
      data: { enter: '' },
      on: {
        input: () => this.#choose({ from: 'edit', value: this.input.value }),
        blur: () => this.desk.blurred(this.work),
      },
    });
    const list = this.#field()?.values;
    const datalist = list && h('datalist', { id: freshId('values') }, list.map((one) => h('option', { value: one.value }, one[`label_${words.language}`])));
    if (datalist) this.input.setAttribute('list', datalist.id);
    const choice = this.work.choices[this.issue.field];
    if (choice?.from === 'edit') this.input.value = choice.value;
    this.inputRow = h('div', { class: 'typing', hidden: true }, this.input, datalist, this.preview);
    return this.inputRow;
  }

  #askWhole() {
    const { words } = this.desk;
    this.keepAll = h('input', { type: 'checkbox', on: { change: () => { this.work.asItStands = this.keepAll.checked; this.#told(); } } });
    return [
      wholeRecord(this.desk, this.work, words, () => this.#told()),
      h('div', { class: 'option' }, h('label', {}, this.keepAll, kbd('0'), words.say('choice.keep_all'))),
    ];
  }

  #alike() {
    const { alike } = this.work.card;
    if (!(alike >= 6) || this.work.whole || this.work.issues.length !== 1) return null;
    const { words } = this.desk;
    return h(
      'aside',
      { class: 'alike', 'aria-label': words.say('alike.label') },
      h('p', {}, words.say('alike.offer', { n: alike - 1 })),
      h('button', { type: 'button', on: { click: () => this.desk.cluster() } }, words.say('alike.button'), kbd('c')),
    );
  }
}
