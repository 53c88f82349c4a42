'use strict';

// Search and sorting of the class table; without a script it is whole and in the order of the indices.
(() => {
  const id = (name) => document.getElementById(name);
  const table = id('classes');
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const hay = rows.map((row) => [...row.cells].slice(0, 4).map((cell) => cell.textContent).join(' ').toLowerCase());
  const total = id('count').textContent;

  const search = () => {
    const words = id('search').value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, index) => {
      row.hidden = !words.every((word) => hay[index].includes(word));
      count += !row.hidden;
    });
    id('count').textContent = count === rows.length ? total : `${count} of ${total}`;
    id('no-match').hidden = count > 0;
  };
  let timer = 0;
  id('search').addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(search, 60);
  });

  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (head.tagName !== 'TH') return;
    const isNumber = head.classList.contains('n');
    const values = new Map(rows.map((row) => {
      const cell = row.cells[column];
      const text = cell.dataset.value ?? cell.textContent.replaceAll(',', '');
      return [row, isNumber ? (text === '' ? NaN : Number(text)) : text.toLowerCase()];
    }));
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'sort';
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener('click', () => {
      const sign = head.getAttribute('aria-sort') === 'ascending' ? -1 : 1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', sign > 0 ? 'ascending' : 'descending');
      const order = [...rows].sort((a, b) => {
        const one = values.get(a), two = values.get(b);
        if (one !== one || two !== two) return (one !== one) - (two !== two);
        return sign * (one < two ? -1 : one > two ? 1 : 0);
      });
      body.append(...order);
    });
  });
})();
