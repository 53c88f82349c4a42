'use strict';

/* ---------- the table of a board ---------- */

(() => {
  const source = document.getElementById('board-data');
  if (!source) return;
  const CHUNK = 50; // rows of a <tbody>; board.css gives each one content-visibility: auto
  const SVG = 'http://www.w3.org/2000/svg';
  const { columns, search } = JSON.parse(source.textContent);
  const table = document.querySelector('table.board');
  const box = document.getElementById('box');
  const field = document.getElementById('search');
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
  const everyone = [...rows.keys()];
  const total = document.getElementById('count').textContent;

  let sorted = { column: -1, descending: false }; // -1: as the server wrote it, by rank
  let order = everyone;
  let view = everyone;

  /** Missing values last both ways; equal ones keep the order of the ranks. */
  function sort(column, descending) {
    const keys = columns[column].keys;
    const sign = descending ? -1 : 1;
    sorted = { column, descending };
    order = [...everyone].sort((a, b) => {
      if (keys[a] === null || keys[b] === null) return (keys[a] === null) - (keys[b] === null) || a - b;
      return sign * (keys[a] - keys[b]) || a - b;
    });
    heads.forEach((head, index) => {
      if (index === column) head.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
    show();
  }

  /** Rows that have all words of the search, in sorted order. */
  function show() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const next = words.length ? order.filter((i) => words.every((word) => search[i].includes(word))) : order;
    document.getElementById('count').textContent = next.length === rows.length ? total : `${next.length.toLocaleString('en')} of ${total}`;
    document.getElementById('no-match').hidden = next.length > 0;
    if (next.length !== view.length || next.some((i, k) => i !== view[k])) place(next);
    drawIntervals();
  }

  /** Moves the server's own rows into new chunks; the old chunks leave the document first, which is faster. */
  function place(next) {
    for (const body of [...table.tBodies]) body.remove();
    for (let start = 0; start < next.length; start += CHUNK) {
      const body = document.createElement('tbody');
      body.setAttribute('role', 'rowgroup');
      body.append(...next.slice(start, start + CHUNK).map((i) => rows[i]));
      table.append(body);
    }
    table.tBodies[table.tBodies.length - 1]?.classList.add('last');
    next.forEach((i, k) => rows[i].setAttribute('aria-rowindex', k + 2));
    table.setAttribute('aria-rowcount', next.length + 1);
    view = next;
    box.scrollTop = 0;
  }

  heads.forEach((head, index) => {
    const label = head.querySelector('.sort');
    const button = document.createElement('button');
    button.type = 'button';
    button.className = label.className;
    button.title = label.title;
    button.dataset.column = columns[index].name;
    button.append(...label.childNodes);
    label.replaceWith(button);
    button.addEventListener('click', () => {
      const again = sorted.column === index;
      sort(index, again ? !sorted.descending : columns[index].descending);
    });
    if (head.hasAttribute('aria-sort')) sorted.column = index;
  });

  let timer = 0;
  field.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(show, 60);
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, textarea')) return;
    event.preventDefault();
    field.focus();
  });

  /* Intervals are drawn for the rows on screen, on the scale of these rows: on that of a whole board, 0.3 points
   * cannot be seen. The header shows the ends of the scale. */

  const WIDTH = 100;
  let drawn = [];

  function element(name, attributes) {
    const node = document.createElementNS(SVG, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    return node;
  }

  function drawIntervals() {
    for (const glyph of drawn) glyph.remove();
    drawn = [];
    if (!view.length) return;
    const height = rows[view[0]].getBoundingClientRect().height;
    const from = Math.floor(box.scrollTop / height);
    const seen = view.slice(from, from + Math.ceil((box.clientHeight - table.tHead.offsetHeight) / height));
    columns.forEach((column, index) => {
      if (column.high) drawColumn(column, index, seen.filter((i) => column.keys[i] !== null && column.high[i] !== null));
    });
  }

  function drawColumn(column, index, seen) {
    const low = Math.min(...seen.map((i) => column.keys[i]));
    const high = Math.max(...seen.map((i) => column.high[i]));
    const [start, end] = heads[index].querySelectorAll('.scale i');
    start.textContent = seen.length ? low.toFixed(1) : '';
    end.textContent = seen.length ? high.toFixed(1) : '';
    const at = (value) => (4 + ((WIDTH - 8) * (value - low)) / (high - low || 1)).toFixed(1);
    for (const i of seen) {
      const [a, b] = [at(column.keys[i]), at(column.high[i])];
      const glyph = element('svg', { class: 'glyph', width: WIDTH, height: 14, 'aria-hidden': 'true' });
      glyph.append(
        element('path', { class: 'base', d: `M0 7H${WIDTH}` }),
        element('path', { class: 'span', d: `M${a} 7H${b}M${a} 3V11M${b} 3V11` }),
        element('circle', { cx: at(column.value[i]), cy: 7, r: 2.8 }),
      );
      rows[i].cells[index].append(glyph);
      drawn.push(glyph);
    }
  }

  let frame = 0;
  const later = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      drawIntervals();
    });
  };
  box.addEventListener('scroll', later, { passive: true });
  addEventListener('resize', later);
  drawIntervals();
})();
