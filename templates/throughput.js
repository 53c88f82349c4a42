'use strict';

// Chooses series and events, and draws the series as bench/leaderboard/multiples.py does.
(() => {
  const id = (name) => document.getElementById(name);
  const data = JSON.parse(id('data').textContent);
  const WIDTH = 300, HEIGHT = 128, LEFT = 6, TOP = 22, BASE = 104, MANY = 4, DRAWN = 12;
  const [PROTOCOL, MACHINE, PRECISION, STATUS, TITLE, IDENTITY, SLUG, CHANGE, RUNS] = Array(9).keys();
  const hay = data.series.map((one) => `${one[TITLE]} ${one[IDENTITY]} ${data.statuses[one[STATUS]]}`.toLowerCase());
  const selects = [id('protocol'), id('machine'), id('precision')];
  const rows = [...document.querySelectorAll('#events tbody tr')];
  const short = (value) => String(+value.toFixed(2));
  const words = (value) => value >= 100
    ? Math.round(value).toLocaleString('en-US') : value.toFixed(1);

  const svg = (name, attributes, ...children) => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) {
      made.setAttribute(key, typeof value === 'number' ? short(value) : value);
    }
    made.append(...children);
    return made;
  };

  const drawing = (one) => {
    const runs = one[RUNS], count = runs.length;
    const width = (WIDTH - 2 * LEFT) / count;
    const top = Math.max(...runs.map((run) => Math.max(run[0], run[2] || 0)));
    const x = (index) => LEFT + (index + 0.5) * width;
    const edge = (index) => LEFT + index * width;
    const y = (value) => BASE - (BASE - TOP) * value / top;
    const sentence = count === 1 ? `one run: ${words(runs[0][0])} images a second`
      : `${count} runs, from ${words(runs[0][0])} to ${words(runs[count - 1][0])} images a second; largest change ${one[CHANGE]}`;
    const parts = [svg('path', { class: 'base', d: `M${LEFT} ${BASE}H${WIDTH - LEFT}` })];
    runs.forEach(([, , , , number], index) => {
      const tick = data.ticks[number];
      if (!tick) return;
      parts.push(svg('path', { class: 'tick', d: `M${short(edge(index))} ${TOP - 16}V${BASE + 5}` }, svg('title', {}, tick)));
      if (count < MANY) parts.push(svg('text', { class: 'what', x: edge(index), y: HEIGHT - 5 }, tick));
    });
    runs.forEach(([, low, high], index) => {
      if (low !== null && high !== null) {
        parts.push(svg('rect', { class: 'band', x: edge(index), y: y(high), width, height: y(low) - y(high) }));
      }
    });
    if (count > 1) {
      let line = `M${short(x(0))} ${short(y(runs[0][0]))}`;
      for (let index = 1; index < count; index++) line += `H${short(edge(index))}V${short(y(runs[index][0]))}`;
      parts.push(svg('path', { class: 'step', d: `${line}H${short(x(count - 1))}` }));
    }
    runs.forEach(([value, , , direction], index) => {
      const at = x(index), height = y(value);
      if (direction) {
        const corners = `M${short(at - 5.5)} ${short(height + 4 * direction)}H${short(at + 5.5)}L${short(at)} ${short(height - 5 * direction)}Z`;
        parts.push(svg('path', { class: direction > 0 ? 'faster' : 'slower', d: corners }));
      } else {
        parts.push(svg('circle', { class: 'run', cx: at, cy: height, r: 3.5 }));
      }
      if (count < MANY || index === 0 || index === count - 1) {
        parts.push(svg('text', { class: 'value', x: at, y: height - 9 }, words(value)));
      }
    });
    return svg('svg', { class: 'multiple', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': sentence }, ...parts);
  };

  const blank = id('multiples').firstElementChild.cloneNode(true);
  const figure = (one) => {
    const made = blank.cloneNode(true);
    const where = [data.machines[one[MACHINE]], data.precisions[one[PRECISION]], data.protocols[one[PROTOCOL]]];
    const status = data.statuses[one[STATUS]];
    const parts = made.querySelectorAll('bdi, b, .badge');
    [one[TITLE], one[IDENTITY], one[CHANGE], where.join(' \u00b7 '), status].forEach((text, index) => {
      parts[index].textContent = text;
    });
    parts[4].className = `badge ${status}`;
    made.querySelector('a').setAttribute('href', `submissions/${one[SLUG]}.html`);
    made.querySelector('svg').replaceWith(drawing(one));
    return made;
  };

  let chosen = [], shown = 0;
  const draw = (count) => {
    const next = chosen.slice(shown, shown + count);
    id('multiples').append(...next.map((index) => figure(data.series[index])));
    shown += next.length;
    const left = chosen.length - shown;
    id('count').textContent = `${shown} of ${chosen.length.toLocaleString('en-US')} drawn`;
    id('more').hidden = !left;
    id('more').textContent = `Show ${Math.min(DRAWN, left)} more`;
    id('no-match').hidden = chosen.length > 0;
  };

  const apply = () => {
    const wanted = selects.map((select) => select.value);
    const direction = Number(id('change').value);
    const parts = id('search').value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = data.series.map((one, index) => wanted.every((value, field) => value === '' || one[field] === Number(value))
      && parts.every((part) => hay[index].includes(part)));
    chosen = [...data.series.keys()].filter((index) => fits[index]
      && (!direction || data.series[index][RUNS].some((run) => run[3] === direction)));
    id('multiples').replaceChildren();
    shown = 0;
    draw(DRAWN);
    let count = 0;
    for (const row of rows) {
      const slower = Boolean(row.querySelector('.flag'));
      row.hidden = !fits[row.dataset.place] || direction === (slower ? 1 : -1);
      count += !row.hidden;
    }
    id('num-events').textContent = count === rows.length && count !== 1 ? `${count.toLocaleString('en-US')} events`
      : `${count.toLocaleString('en-US')} of ${rows.length.toLocaleString('en-US')} events`;
  };

  chosen = [...data.series.keys()];
  shown = Math.min(DRAWN, chosen.length);
  draw(0);
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
    draw(DRAWN);
    id('multiples').children[before].querySelector('a').focus();
  });
})();
