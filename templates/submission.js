'use strict';

/* Copying, and the search over all classes: their counts come from the file that the comparison reads. */

(() => {
  for (const button of document.querySelectorAll('.copy')) {
    const text = button.closest('p').nextElementSibling;
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = 'Copied';
      } catch {
        getSelection().selectAllChildren(text); // refused: Ctrl+C takes it from here
        button.textContent = 'Selected';
      }
    });
  }

  const MOST = 50;
  const names = {};
  let own;
  globalThis.benchCompare = (data) => {
    own = data;
  };
  globalThis.benchClasses = (table, classes) => {
    names[table] = classes;
  };
  const load = (file) =>
    new Promise((done) => {
      const script = document.createElement('script');
      script.src = `../compare/${file}.js`;
      script.onload = script.onerror = done;
      document.head.append(script);
    });
  const cell = (name, className, text) => {
    const node = document.createElement(name);
    node.className = className;
    node.textContent = text;
    return node;
  };

  for (const box of document.querySelectorAll('.class-search')) {
    const field = box.querySelector('input');
    const [said, table] = [box.querySelector('p'), box.querySelector('table')];
    let counts;
    let loading;
    const read = async () => {
      await load(box.dataset.slug);
      counts = own?.runs.find((run) => run.protocol === box.dataset.protocol)?.classes;
      if (counts) await load(`classes.${counts.table}`);
    };
    const show = async () => {
      await (loading ??= read());
      const all = counts && names[counts.table];
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      table.hidden = !all || !words.length;
      said.textContent = all ? '' : 'The counts could not be read; the CSV has them all.';
      if (table.hidden) return;
      const found = [...all.keys()].filter((i) => counts.total[i] && words.every((word) => all[i].join(' ').toLowerCase().includes(word)));
      said.textContent = `${found.length.toLocaleString('en')} of ${all.length.toLocaleString('en')} classes${found.length > MOST ? `, the first ${MOST}` : ''}`;
      table.tBodies[0].replaceChildren(
        ...found.slice(0, MOST).map((i) => {
          const row = document.createElement('tr');
          const head = cell('th', '', '');
          head.scope = 'row';
          head.append(cell('bdi', '', all[i][1]), ' ', cell('code', 'wnid', all[i][0]));
          row.append(head, cell('td', 'n', ((100 * counts.right[i]) / counts.total[i]).toFixed(2)), cell('td', '', `${counts.right[i]} of ${counts.total[i]}`));
          return row;
        }),
      );
    };
    field.addEventListener('input', show);
  }
})();
