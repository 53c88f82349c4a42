'use strict';

// In <head>, before the first paint: the chosen theme must not flash, and the style sheet shows the controls that
// need a script only where there is one.
document.documentElement.classList.add('js');
try {
  const theme = localStorage.getItem('theme');
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
} catch {
  // Some browsers refuse localStorage under file:// and in private windows.
}
