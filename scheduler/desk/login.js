// The sign-in page: its words, its errors, and nothing that the form needs in order to be sent.

import { loadWords, storeLanguage, storedLanguage, translate } from './i18n.js';

async function show(language) {
  const words = await loadWords(language);
  translate(document, words);
  document.title = `${words.say('login.title')} · Emend`;
  const code = new URLSearchParams(location.search).get('error');
  const known = code && `login.error.${code}` in words.table;
  document.getElementById('error').textContent = code ? words.say(known ? `login.error.${code}` : 'login.error.other') : '';
  return words;
}

let words = await show(storedLanguage() ?? 'vi');
document.getElementById('language').addEventListener('click', async () => {
  words = await show(words.language === 'vi' ? 'en' : 'vi');
  storeLanguage(words.language);
});
const password = document.getElementById('login-password');
document.getElementById('show').addEventListener('change', (event) => {
  password.type = event.target.checked ? 'text' : 'password';
});
document.getElementById('form').addEventListener('submit', (event) => {
  // Twice the same attempt would count as two against the throttle.
  event.target.querySelector('[type=submit]').disabled = true;
});
