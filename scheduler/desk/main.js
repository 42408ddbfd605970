// Starts the desk: who is here, in which language, and the wiring of the parts.

import { Api } from './api.js';
import { persist } from './backoff.js';
import { Desk } from './desk.js';
import * as dialogs from './dialogs.js';
import { h } from './dom.js';
import { Drafts } from './drafts.js';
import { Forms } from './forms.js';
import { Frame } from './frame.js';
import { loadWords, storeLanguage, storedLanguage, translate } from './i18n.js';
import { isComposing, listen, takesText } from './keys.js';
import { Presence, sessionState } from './presence.js';
import { Sender } from './sender.js';
import { Shelf } from './shelf.js';
import { Stash } from './stash.js';

const LOGIN = '/desk/login';
const now = () => performance.now();
const random = Math.random;

const trouble = { error: null, until: 0, wake: new Set() };

/** Waits, or until the network is back, or somebody says "now". */
function wait(seconds) {
  return new Promise((resolve) => {
    const go = () => {
      clearTimeout(timer);
      trouble.wake.delete(go);
      resolve();
    };
    const timer = setTimeout(go, seconds * 1000);
    trouble.wake.add(go);
  });
}

const wakeAll = () => [...trouble.wake].forEach((go) => go());

async function start() {
  let words = await loadWords(storedLanguage() ?? 'vi');
  translate(document, words);
  const frame = new Frame(document);
  const api = new Api();
  const told = (error, seconds) => {
    trouble.error = error;
    trouble.until = now() + seconds * 1000;
  };
  let desk = null;
  const showTrouble = () => frame.network(words, trouble.error && { status: trouble.error.status, seconds: (trouble.until - now()) / 1000 }, desk?.sender.pending ?? 0, wakeAll);
  const well = () => {
    trouble.error = null;
    showTrouble();
  };

  let session;
  try {
    session = await persist(() => api.session(), { isPassing: (error) => error.passing, random, wait: (seconds, error) => { told(error, seconds); showTrouble(); return wait(seconds); } });
    well();
  } catch (error) {
    location.replace(error.status === 401 ? LOGIN : `${LOGIN}?error=unavailable`);
    return;
  }
  if (!storedLanguage() && session.language && session.language !== words.language) {
    words = await loadWords(session.language);
    translate(document, words);
  }
  frame.nodes.account.textContent = session.account;

  const stash = new Stash(sessionStorage);
  const kept = stash.open(session.account);
  const shelf = new Shelf();
  const forms = new Forms((method, body) => api.call(method, body));
  const drafts = new Drafts({ call: (method, body) => api.call(method, body), stash });
  const query = new URLSearchParams(location.search);
  const filter = Object.fromEntries(['job', 'finding'].filter((name) => query.get(name)).map((name) => [name, query.get(name)]));
  const on = {
    changed: () => { desk?.refresh(); if (trouble.error) showTrouble(); },
    filled: (isNew) => desk.filled(isNew),
    settled: (item, answer) => desk.outcomes.settled(item, answer),
    refused: (item, error) => desk.outcomes.refused(item, error),
    trouble: (error, seconds) => { told(error, seconds); showTrouble(); },
    well: () => trouble.error && well(),
  };
  const sender = new Sender({ api, shelf, stash, on, wait, random, filter });
  desk = new Desk({ api, shelf, stash, sender, drafts, forms, frame, words, session, page: document, now, random });

  const began = now();
  let ending = false;
  const presence = new Presence({
    page: document,
    view: window,
    now,
    on: {
      renew: () => desk.outcomes.renew(),
      parting: () => { if (!ending) { desk.outcomes.parting(); presence.tellOthers(); } },
      second: () => {
        desk.second(now());
        if (trouble.error) showTrouble();
        if (ending) return;
        const state = sessionState({ now: now(), lastInput: presence.lastInput, idle: session.idle_seconds || 1800, end: began + (session.absolute_seconds || 36_000) * 1000 });
        if (state.state === 'over') leave(state.last ? 'expired' : 'idle');
        else frame.session(words, state, () => api.session().catch(() => {}));
      },
    },
  });

  /** Cards go back before the session ends; what could not be sent is named first. */
  async function leave(why) {
    if (ending) return;
    sender.flush();
    if (shelf.current) await Promise.race([drafts.save(shelf.current), wait(2)]);
    await Promise.race([sender.inLine(() => {}), wait(2)]);
    if (!why && sender.pending && !(await dialogs.confirm(words, words.say('leave.title'), words.say('leave.pending', { n: sender.pending }), words.say('leave.yes')))) return;
    ending = true;
    await api.call('release').catch(() => {});
    await fetch('/desk/logout', { method: 'POST', credentials: 'same-origin', headers: { 'x-emend-csrf': api.csrf } }).catch(() => {});
    // After an idle end the same account may go on where it was; a sign-out leaves nothing behind.
    if (!why) stash.clear();
    location.replace(why ? `${LOGIN}?error=${why}` : LOGIN);
  }

  api.onSignedOut = () => {
    if (ending) return;
    ending = true;
    dialogs.open(words.say('signed_out.title'), () => [h('p', {}, words.say('signed_out.text')), h('div', { class: 'buttons' }, h('a', { class: 'button primary', href: LOGIN, autofocus: true }, words.say('signed_out.again')))]);
  };

  async function turn() {
    const language = words.language === 'vi' ? 'en' : 'vi';
    words = await loadWords(language);
    storeLanguage(language);
    translate(document, words);
    desk.reword(words);
  }

  const actions = {
    enter: () => desk.accept(),
    e: () => desk.view?.edit(),
    s: () => desk.skip(),
    u: () => desk.undo(),
    m: () => desk.other(),
    c: () => desk.cluster(),
    d: () => desk.decisions(),
    '?': () => dialogs.help(words),
    0: () => (desk.group.view ?? desk.view)?.keep(),
  };
  for (let place = 1; place <= 9; place += 1) actions[place] = () => (desk.group.view ?? desk.view)?.select(place - 1);
  listen(document, actions, dialogs.isOpen);
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || isComposing(event) || dialogs.isOpen()) return;
    if (takesText(event.target)) desk.view?.focus();
    else desk.group.view?.leave();
  });
  const press = (id, act) => document.getElementById(id).addEventListener('click', act);
  press('accept', actions.enter);
  press('skip', actions.s);
  press('undo', actions.u);
  press('other', actions.m);
  press('decisions', actions.d);
  press('help', actions['?']);
  press('language', turn);
  press('leave', () => leave());
  window.addEventListener('online', wakeAll);
  window.addEventListener('beforeunload', (event) => {
    // Answers that never reached the server would be lost with the tab; everything else is saved.
    if (!ending && trouble.error && sender.pending) event.preventDefault();
  });

  presence.start();
  desk.show();
  sender.resume(kept.outbox);
  sender.fill(kept.current);
}

start();
