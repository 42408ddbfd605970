// Starts the operator's pages: who is here, in which language, which job, and the clock that asks again.

import { Api } from '../api.js';
import { h, only } from '../dom.js';
import { loadWords, storeLanguage, storedLanguage, translate } from '../i18n.js';
import { JobPage } from './job.js';
import { ListPage } from './list.js';
import { Poll } from './poll.js';

const LOGIN = '/desk/login';
const at = (id) => document.getElementById(id);

/** The job in the address; `null` for the list. */
function asked() {
  return new URLSearchParams(location.search).get('job');
}

async function start() {
  let words = await loadWords(storedLanguage() ?? 'vi');
  translate(document, words);
  const leave = () => location.replace(LOGIN);
  const api = new Api({ onSignedOut: leave });
  const ops = new Api({ base: '/ops/api/', onSignedOut: leave });
  const job = asked();
  let page;
  let session;

  function open() {
    page = job === null ? new ListPage(words) : new JobPage(words, { failed: () => ops.look(`failed?id=${encodeURIComponent(job)}`) });
    only(at('main'), page.node);
    document.title = `${page.title} · Emend`;
  }

  open();
  const poll = new Poll({
    ask: async () => {
      if (!session) {
        session = await api.session();
        at('account').textContent = session.account;
        at('desk').hidden = !session.roles.some((role) => role === 'lead' || role === 'reviewer');
      }
      return ops.look(job === null ? 'jobs' : `job?id=${encodeURIComponent(job)}`);
    },
    show: (answer) => {
      page.show(answer);
      document.title = `${page.title} · Emend`;
      fresh(null);
    },
    trouble: (error, seconds) => {
      if (error.status === 404) page.missing();
      fresh(words.say(error.status === 404 ? 'ops.no_job' : 'ops.stale', { span: words.span(seconds) }));
    },
    page: document,
    view: window,
  });

  /** What is shown is as it was a moment ago, or else it says since when it is not. */
  function fresh(text) {
    const node = at('fresh');
    node.classList.toggle('stale', text !== null);
    // Only what changes is written, or a screen reader would read it out each time.
    const now = text ?? words.say('ops.live');
    if (node.textContent !== now) only(node, h('span', { class: 'lamp', 'aria-hidden': 'true' }), now);
  }

  at('language').addEventListener('click', async () => {
    const language = words.language === 'vi' ? 'en' : 'vi';
    words = await loadWords(language);
    storeLanguage(language);
    translate(document, words);
    open();
    poll.again();
  });
  at('leave').addEventListener('click', async () => {
    poll.stop();
    await fetch('/desk/logout', { method: 'POST', credentials: 'same-origin', headers: { 'x-emend-csrf': api.csrf } }).catch(() => {});
    leave();
  });
  poll.start();
}

start();
