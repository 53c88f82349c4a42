'use strict';

// Chooses series and events, and draws the series as bench/leaderboard/multiples.py does.
(() => {
  const id = (name) => document.getElementById(name);
  const data = JSON.parse(id('data').textContent);
  const WIDTH = 300, HEIGHT = 128, LEFT = 6, TOP = 22, BASE = 104, MANY = 4, DRAWN = 12;
  const series = data.series.map(([protocol, machine, setting, status, title, identity, slug, change, runs]) => ({
    numbers: [protocol, machine, setting], status: data.statuses[status], title, identity, slug, change, runs,
    where: `${data.machines[machine]} \u00b7 ${data.settings[setting]} \u00b7 ${data.protocols[protocol]}`,
  }));
  const selects = [id('protocol'), id('machine'), id('setting')];
  const rows = [...document.querySelectorAll('#events tbody tr')];
  const whole = (value) => Math.round(value).toLocaleString('en-US');
  const words = (value) => value >= 100 ? whole(value) : value.toFixed(1);
  const short = (value) => typeof value === 'number' ? String(+value.toFixed(2)) : value;
  const path = (parts, ...values) => parts.reduce((text, part, index) => text + short(values[index - 1]) + part);
  const svg = (name, attributes, ...children) => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, short(value));
    made.append(...children);
    return made;
  };

  const drawing = ({ runs, change }) => {
    const count = runs.length, last = count - 1;
    const width = (WIDTH - 2 * LEFT) / count;
    const top = Math.max(...runs.map(([value, , high]) => Math.max(value, high)));
    const edge = (index) => LEFT + index * width;
    const y = (value) => BASE - (BASE - TOP) * value / top;
    const ticks = [], bands = [], marks = [];
    let line = '';
    runs.forEach(([value, low, high, direction, number], index) => {
      const tick = data.ticks[number];
      const left = edge(index), x = edge(index + 0.5), height = y(value);
      if (tick) ticks.push(svg('path', { class: 'tick', d: path`M${left} ${TOP - 16}V${BASE + 5}` }, svg('title', {}, tick)));
      if (tick && count < MANY) ticks.push(svg('text', { class: 'what', x: left, y: HEIGHT - 5 }, tick));
      if (low !== null && high !== null) bands.push(svg('rect', { class: 'band', x: left, y: y(high), width, height: y(low) - y(high) }));
      line += index ? path`H${left}V${height}` : path`M${x} ${height}`;
      marks.push(direction ? svg('path', {
        class: direction > 0 ? 'faster' : 'slower',
        d: path`M${x - 5.5} ${height + 4 * direction}H${x + 5.5}L${x} ${height - 5 * direction}Z`,
      }) : svg('circle', { class: 'run', cx: x, cy: height, r: 3.5 }));
      if (count < MANY || index % last === 0) marks.push(svg('text', { class: 'value', x, y: height - 9 }, words(value)));
    });
    if (last) bands.push(svg('path', { class: 'step', d: line + path`H${edge(last + 0.5)}` }));
    return svg('svg', {
      class: 'multiple', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img',
      'aria-label': last ? `${count} runs, from ${words(runs[0][0])} to ${words(runs[last][0])} images a second; largest change ${change}`
        : `one run: ${words(runs[0][0])} images a second`,
    }, svg('path', { class: 'base', d: `M${LEFT} ${BASE}H${WIDTH - LEFT}` }), ...ticks, ...bands, ...marks);
  };

  const blank = id('multiples').firstElementChild.cloneNode(true);
  const figure = (one) => {
    const made = blank.cloneNode(true);
    const parts = made.querySelectorAll('bdi, b, .badge');
    [one.title, one.identity, one.change, one.where, one.status].forEach((text, index) => {
      parts[index].textContent = text;
    });
    parts[4].className = `badge ${one.status}`;
    made.querySelector('a').setAttribute('href', `submissions/${one.slug}.html`);
    made.querySelector('svg').replaceWith(drawing(one));
    return made;
  };

  let chosen = series, shown = DRAWN;
  const draw = (from) => {
    id('multiples').append(...chosen.slice(from, shown).map(figure));
    const left = chosen.length - shown;
    id('count').textContent = `${whole(Math.min(shown, chosen.length))} of ${whole(chosen.length)} drawn`;
    id('more').hidden = left <= 0;
    id('more').textContent = `Show ${Math.min(DRAWN, left)} more`;
    id('no-match').hidden = chosen.length > 0;
  };

  const apply = () => {
    const direction = Number(id('change').value);
    const parts = id('search').value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = series.map((one) => {
      const hay = `${one.title} ${one.identity} ${one.status}`.toLowerCase();
      return selects.every(({ value }, index) => value === '' || one.numbers[index] === Number(value))
        && parts.every((part) => hay.includes(part));
    });
    chosen = series.filter(({ runs }, index) => fits[index] && (!direction || runs.some((run) => run[3] === direction)));
    shown = DRAWN;
    id('multiples').replaceChildren();
    draw(0);
    let count = 0;
    for (const row of rows) {
      row.hidden = !fits[row.dataset.place] || direction === (row.querySelector('.flag') ? 1 : -1);
      count += !row.hidden;
    }
    id('num-events').textContent = `${count} of ${rows.length} events`;
  };

  draw(series.length);
  let timer = 0;
  id('search').addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(apply, 60);
  });
  id('filters').addEventListener('change', apply);
  id('filters').addEventListener('submit', (event) => event.preventDefault());
  id('reset').addEventListener('click', () => {
    id('filters').reset();
    apply();
    id('search').focus();
  });
  id('more').addEventListener('click', () => {
    const before = shown;
    shown += DRAWN;
    draw(before);
    id('multiples').children[before].querySelector('a').focus();
  });
})();
