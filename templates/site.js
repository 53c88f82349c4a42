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

document.documentElement.dataset.ready = 'yes';
