'use strict';

/*
 * Every page is complete without this file. One classic script: modules, workers and requests do not work under
 * file://. Text reaches the page through textContent only, styles through classes: the pages run under
 * script-src 'self' and style-src 'self'.
 */

/* ---------- theme ---------- */

(() => {
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
  const button = document.getElementById('theme');
  const say = () => {
    button.textContent = isDark() ? 'Light theme' : 'Dark theme';
  };
  say();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', say);
  button.addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    say();
    try {
      localStorage.setItem('theme', root.dataset.theme);
    } catch {
      // Refused: the choice lasts for this page only.
    }
  });
})();

/* ---------- copy ---------- */

for (const button of document.querySelectorAll('[data-copy-from]')) {
  const label = button.textContent;
  button.addEventListener('click', async () => {
    const source = document.getElementById(button.dataset.copyFrom);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(source); // no clipboard without a secure origin: the keyboard does the rest
      button.textContent = 'Selected';
    }
    setTimeout(() => {
      button.textContent = label;
    }, 1500);
  });
}

document.documentElement.dataset.ready = 'yes'; // last: the scripts of the page run before this one
