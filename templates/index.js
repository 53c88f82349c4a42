'use strict';

/* The search over all submissions. Their list is a script file, because requests do not work under file://; it is
 * loaded when somebody turns to the box. What is found are links in order: arrows go through them. */

(() => {
  const MOST = 20;
  const box = document.getElementById('find');
  const list = document.getElementById('found');
  const count = document.getElementById('found-count');
  let entries = null;

  window.benchIndex = (rows) => {
    entries = rows.map((row) => [...row, `${row[1]} ${row[2]}`.toLowerCase()]);
    show();
  };

  function load() {
    if (load.done) return;
    load.done = true;
    const script = document.createElement('script');
    script.src = box.dataset.index;
    document.head.append(script);
  }

  function link([slug, title, team]) {
    const anchor = document.createElement('a');
    anchor.href = `submissions/${slug}.html`;
    for (const [text, css] of [[title, ''], [team, 'team']]) {
      const part = document.createElement('bdi');
      part.textContent = text;
      part.className = css;
      anchor.append(part, ' ');
    }
    const item = document.createElement('li');
    item.append(anchor);
    return item;
  }

  /** Entries with all words, those whose title begins with the first word before the others. */
  function show() {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    list.hidden = !words.length || !entries;
    if (list.hidden) {
      list.replaceChildren();
      count.textContent = '';
      return;
    }
    const found = entries.filter((entry) => words.every((word) => entry[3].includes(word)));
    const first = (entry) => entry[3].startsWith(words[0]);
    const shown = [...found.filter(first), ...found.filter((entry) => !first(entry))].slice(0, MOST);
    list.replaceChildren(...shown.map(link));
    list.hidden = !shown.length;
    const more = shown.length < found.length ? `, the first ${MOST} shown` : '';
    count.textContent = `${found.length.toLocaleString('en')} of ${entries.length.toLocaleString('en')} submissions${more}`;
  }

  box.addEventListener('focus', load);
  box.addEventListener('input', () => {
    load();
    show();
  });
  box.parentElement.addEventListener('keydown', (event) => {
    const links = [...list.querySelectorAll('a')];
    const at = links.indexOf(document.activeElement);
    if (event.key === 'Escape') {
      box.value = '';
      show();
      box.focus();
    } else if (event.key === 'Enter' && at < 0 && links.length) {
      links[0].click();
    } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && links.length) {
      event.preventDefault();
      (links[at + (event.key === 'ArrowDown' ? 1 : -1)] ?? (event.key === 'ArrowUp' ? box : links[at])).focus();
    }
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, textarea')) return;
    event.preventDefault();
    box.focus();
  });
  if (box.value) load(); // the browser may restore what was typed
})();
