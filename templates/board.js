'use strict';

/*
 * The page of a board is complete without this file: all rows, the plot, the frontier. Here: sort, search, facets,
 * ranges, columns, the plot of the view, picking, exports, and a link that holds all of it. Numbers to sort by come from
 * the JSON in the page, texts from its rows.
 */
(() => {
  const CHUNK = 50; // rows of a <tbody>; board.css gives each one content-visibility: auto
  const AT_ONCE = 4 * CHUNK; // rows that are placed before the paint
  const MOST_PICKED = 8;
  const SVG = 'http://www.w3.org/2000/svg';
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($('board-data').textContent);
  const { columns, facets, entries } = data;
  const form = $('view');
  const box = $('box');
  const table = document.querySelector('table.board');
  const heads = [...table.tHead.rows[1].cells].slice(1); // the first one is above the tick boxes
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
  const everyone = [...rows.keys()];
  const total = $('count').textContent;
  const columnOf = (name) => columns.findIndex((column) => column.name === name);
  const model = columns.findIndex((column) => column.kind === 'model');
  const linkOf = (i) => rows[i].cells[model + 1].firstElementChild;
  const slugOf = (i) => linkOf(i).getAttribute('href').split('/').pop().slice(0, -5);
  const field = (name) => form.elements.namedItem(name);
  const start = { column: heads.findIndex((head) => head.hasAttribute('aria-sort')), descending: false };

  let sorted = start;
  let order = everyone; // all rows, sorted
  let view = everyone; // those that pass the filters
  let shown = everyone; // what stands in the table now
  let frontier = [];
  let finishing = 0; // what waits until the rows on screen are painted: the other rows, the plot
  let drawing = 0;
  const picked = new Set();

  const cached = [];
  /** What a cell shows, without what stands small behind it. */
  const textOf = (k, i) => cached[k]?.[i] ?? rows[i].cells[k + 1].firstChild.textContent.trim();
  const textsOf = (k) => (cached[k] ??= everyone.map((i) => textOf(k, i)));
  const numberIn = (text) => parseFloat(text.replaceAll(',', ''));
  const words = (k, i) => `${textOf(k, i)} ${columns[k].unit || columns[k].label}`;
  const valuesOf = (k) => (columns[k].values ??= columns[k].keys.map((key) => (key === null ? null : key * columns[k].scale)));

  /* ---------- sort and filter ---------- */

  /** Missing values last both ways; equal ones keep the order of the ranks. */
  function sort(next) {
    sorted = next;
    const { column, descending } = next;
    if (column < 0) order = everyone;
    else {
      const keys = columns[column].keys;
      const sign = descending ? -1 : 1;
      order = [...everyone].sort((a, b) => {
        if (keys[a] === null || keys[b] === null) return (keys[a] === null) - (keys[b] === null) || a - b;
        return sign * (keys[a] - keys[b]) || a - b;
      });
    }
    heads.forEach((head, k) => {
      if (k === column) head.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
  }

  let haystack;
  function searchTexts() {
    if (haystack) return haystack;
    const texts = columns.flatMap((column, k) => (column.kind === 'text' ? [textsOf(k)] : []));
    return (haystack = rows.map((row, i) => {
      const [link, by] = row.cells[model + 1].children;
      const entry = entries[i].includes('/') ? entries[i] : `${by.firstElementChild.textContent}/${link.textContent}${entries[i]}`;
      return [link.textContent, by.textContent, entry, ...texts.map((column) => column[i])].join(' ').toLowerCase();
    }));
  }

  /** The tests that a row must pass; a box that is not ticked and an empty field test nothing. */
  function tests() {
    const found = [];
    const wanted = field('q').value.toLowerCase().split(/\s+/).filter(Boolean);
    if (wanted.length) {
      const texts = searchTexts();
      found.push((i) => wanted.every((word) => texts[i].includes(word)));
    }
    for (const { name, keys, column } of facets) {
      const ticked = [...form.querySelectorAll(`[name="${CSS.escape(name)}"]:checked`)].map((tick) => +tick.dataset.key);
      const own = keys ?? columns[column].keys;
      if (ticked.length) found.push((i) => ticked.includes(own[i] ?? -1));
    }
    columns.forEach(({ name, higher }, k) => {
      if (higher === undefined) return;
      const [from, to] = [field(`${name}-from`).value, field(`${name}-to`).value];
      if (from === '' && to === '') return;
      // What the reader sees is compared: 25.56 is not less than 25.56, whatever stands behind the last digit.
      const numbers = textsOf(k).map(numberIn);
      found.push((i) => (from === '' ? !Number.isNaN(numbers[i]) : numbers[i] >= +from) && (to === '' || numbers[i] <= +to));
    });
    return found;
  }

  const axes = () => field('x') && { x: columnOf(field('x').value), y: columnOf(field('y').value) };

  /** Rows that no other one beats, from the best x; exact equals are both there. */
  function paretoOf(candidates) {
    if (!axes()) return [];
    const { x, y } = axes();
    const [xs, ys] = [columns[x].keys, columns[y].keys];
    const [dx, dy] = [x, y].map((k) => (columns[k].higher ? -1 : 1));
    let best = null;
    return candidates
      .filter((i) => xs[i] > 0 && ys[i] !== null)
      .sort((i, j) => dx * (xs[i] - xs[j]) || dy * (ys[i] - ys[j]) || i - j)
      .filter((i) => {
        const isOn = best === null || dy * ys[i] < dy * ys[best] || (ys[i] === ys[best] && xs[i] === xs[best]);
        if (isOn) best = i;
        return isOn;
      });
  }

  function show() {
    const all = tests();
    view = all.length ? order.filter((i) => all.every((test) => test(i))) : order;
    frontier = paretoOf(view);
    if (field('pareto')?.checked) {
      const keep = new Set(frontier);
      view = view.filter((i) => keep.has(i));
    }
    $('count').textContent = view.length === rows.length ? total : `${view.length.toLocaleString('en')} of ${total}`;
    $('no-match').hidden = view.length > 0;
    layOut();
    place();
    drawIntervals();
  }

  /** Everything after a change of the filters; sorting changes neither the plot nor the frontier. */
  function refresh() {
    show();
    for (const menu of form.querySelectorAll('#filters .menu')) {
      menu.querySelector('.on').textContent = [...menu.querySelectorAll('input')].filter(isTurned).length || '';
    }
    if (!plot) return;
    clearTimeout(drawing);
    drawing = afterPaint(() => {
      drawing = 0;
      draw();
      listFrontier();
    });
  }

  function afterPaint(task) {
    table.setAttribute('aria-busy', 'true');
    return setTimeout(() => {
      task();
      if (!drawing && !finishing) table.removeAttribute('aria-busy');
    }, 30);
  }

  /**
   * Moves the server's own rows into new chunks: those that can be seen at once, the others after the paint. Until then
   * the old chunks are hidden; taking 5,000 rows out of the document takes as long as all the rest.
   */
  function place() {
    if (view.length === shown.length && view.every((i, k) => i === shown[k])) return;
    const old = [...table.tBodies];
    for (const body of old) body.hidden = true;
    const add = (from, to) => {
      const bodies = [];
      for (let start = from; start < Math.min(to, view.length); start += CHUNK) {
        const body = document.createElement('tbody');
        body.setAttribute('role', 'rowgroup');
        body.append(...view.slice(start, start + CHUNK).map((i) => rows[i]));
        if (start + CHUNK >= view.length) body.className = 'last';
        bodies.push(body);
      }
      view.slice(from, to).forEach((i, k) => rows[i].setAttribute('aria-rowindex', from + k + 3));
      table.append(...bodies);
    };
    const finish = () => {
      finishing = 0;
      for (const body of old) body.remove();
      add(AT_ONCE, view.length);
    };
    add(0, AT_ONCE);
    table.setAttribute('aria-rowcount', view.length + 2);
    shown = view;
    if (top) box.scrollTop = top = 0;
    clearTimeout(finishing);
    if (rows.length <= AT_ONCE) finish();
    else finishing = afterPaint(finish);
  }

  /* ---------- columns: a style sheet of a few rules, so that no cell is touched ---------- */

  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [sheet];
  const phone = matchMedia('(max-width: 720px)');
  let isPhone = phone.matches; // asking lays the page out
  let rules = '';
  const groupsOff = () => new Set([...form.querySelectorAll('[name=columns]:not(:checked)')].map((tick) => tick.value));

  function layOut() {
    const off = groupsOff();
    const metric = field('metric').value;
    const one = isPhone && metric;
    const isSeen = ({ kind, name, group }) =>
      one ? kind === 'rank' || kind === 'model' || name === data.rank_by || name === metric : !off.has(group);
    const widths = columns.filter(isSeen).map(({ kind, width, name }) => {
      if (one && name === metric) return 'var(--w-metric)';
      return kind === 'model' ? `minmax(${width}, 1fr)` : width;
    });
    const least = widths.map((width) => width.replace(/minmax\((.*), 1fr\)/, '$1'));
    const hide = (selector) => `.board ${selector} { display: none !important; }`;
    let next = '';
    if (widths.length < columns.length) {
      next = `.board { --tracks: var(--w-pick) ${widths.join(' ')}; --least: calc(var(--w-pick) + ${least.join(' + ')}); }`;
      next += columns.map((column, k) => (isSeen(column) ? '' : hide(`tr:not(.groups) > :nth-child(${k + 2})`))).join('');
      let run = 0;
      columns.forEach(({ group }, k) => {
        if (k && columns[k - 1].group === group) return;
        run += 1;
        if (!one && off.has(group)) next += hide(`.groups > :nth-child(${run})`);
      });
      if (one) next += hide('.groups');
    }
    if (next !== rules) sheet.replaceSync((rules = next));
  }

  /* ---------- intervals: drawn for the rows on screen, on the scale of these rows ----------
   * On the scale of a whole board 0.3 points cannot be seen. The header shows the ends of the scale. */

  const WIDTH = 100;
  let drawn = [];
  let top = 0; // where the box is scrolled to, and the height of a row: asking for them lays the page out
  let height = 0;

  function element(name, attributes, text) {
    const node = document.createElementNS(SVG, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function drawIntervals() {
    for (const glyph of drawn) glyph.remove();
    drawn = [];
    if (!shown.length) return;
    height ||= rows[shown[0]].getBoundingClientRect().height;
    const from = Math.floor(top / height);
    const seen = shown.slice(from, from + Math.ceil(Math.min(0.8 * innerHeight, 1000) / height)); // as high as the box
    columns.forEach((column, k) => {
      if (column.kind === 'interval') drawColumn(column, k, seen.filter((i) => column.keys[i] !== null));
    });
  }

  function drawColumn({ of }, k, seen) {
    const spans = seen.map((i) => textOf(k, i).split('\u2013').map(numberIn));
    const low = Math.min(...spans.map(([end]) => end));
    const high = Math.max(...spans.map(([, end]) => end));
    const ends = heads[k].querySelectorAll('.scale i');
    [low, high].forEach((end, side) => {
      ends[side].textContent = seen.length ? end.toFixed(1) : '';
    });
    const at = (number) => (4 + ((WIDTH - 8) * (number - low)) / (high - low || 1)).toFixed(1);
    seen.forEach((i, n) => {
      const [a, b] = spans[n].map(at);
      const glyph = element('svg', { class: 'glyph', width: WIDTH, height: 14, 'aria-hidden': 'true' });
      glyph.append(
        element('path', { class: 'base', d: `M0 7H${WIDTH}` }),
        element('path', { class: 'span', d: `M${a} 7H${b}M${a} 3V11M${b} 3V11` }),
        element('circle', { cx: at(of === null ? (spans[n][0] + spans[n][1]) / 2 : numberIn(textOf(of, i))), cy: 7, r: 2.8 }),
      );
      rows[i].cells[k + 1].append(glyph);
      drawn.push(glyph);
    });
  }

  let frame = 0;
  const later = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      top = box.scrollTop;
      drawIntervals();
    });
  };
  box.addEventListener('scroll', later, { passive: true });
  addEventListener('resize', () => {
    height = 0;
    later();
  });

  /* ---------- plot: what bench/leaderboard/scatter.py draws, for the view and with 1 unit = 1 px ---------- */

  const plot = document.querySelector('#plot svg');
  const tip = $('tip');
  const LAYERS = 4; // where many points lie it is darker, with four elements in all
  let points = []; // the places of the rows in view, for the pointer
  let lit = null;
  let asServed = true; // the list of the frontier is still the server's

  function scaleOf(values, from, to, mayBeLog) {
    const low = values.reduce((a, b) => Math.min(a, b));
    const high = values.reduce((a, b) => Math.max(a, b));
    const isLog = mayBeLog && low > 0 && high / low >= 20;
    const of = isLog ? Math.log10 : (value) => value;
    const range = of(high) - of(low);
    const share = (value) => (range > 0 ? (of(Math.min(Math.max(value, low), high)) - of(low)) / range : 0.5);
    return { low, high, isLog, at: (value) => from + share(value) * (to - from) };
  }

  function ticksOf({ low, high, isLog }, most) {
    if (isLog) {
      let ticks = [];
      for (const [factors, step] of [[[1, 2, 5], 1], [[1, 3], 1], [[1], 1], [[1], 2], [[1], 3]]) {
        ticks = [];
        for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += 1) {
          if (power % step === 0) ticks.push(...factors.map((factor) => factor * 10 ** power));
        }
        ticks = ticks.filter((tick) => tick >= low && tick <= high);
        if (ticks.length <= most) break;
      }
      return ticks;
    }
    const least = (high - low) / most;
    if (!(least > 0)) return [low];
    const power = 10 ** Math.floor(Math.log10(least));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= least * (1 - 1e-9));
    const first = Math.ceil(low / step - 1e-9);
    const count = Math.floor(high / step + 1e-9) - first + 1;
    return Array.from({ length: count }, (_, k) => (first + k) * step);
  }

  function quantile(ordered, share) {
    const at = (ordered.length - 1) * share;
    const low = Math.floor(at);
    return ordered[low] + (at - low) * (ordered[Math.min(low + 1, ordered.length - 1)] - ordered[low]);
  }

  /** The worse quartile less 2.5 quartile ranges: a few outliers must not flatten all others. */
  function inside(values, higher) {
    const sign = higher ? 1 : -1;
    const ordered = values.map((value) => sign * value).sort((a, b) => a - b);
    const [first, third] = [quantile(ordered, 0.25), quantile(ordered, 0.75)];
    if (third <= first) return values;
    const end = Math.max(ordered[0], first - 2.5 * (third - first));
    return [...ordered.filter((value) => value >= end), end].map((value) => sign * value);
  }

  function draw() {
    const { x, y } = axes();
    const [xs, ys] = [valuesOf(x), valuesOf(y)];
    const width = Math.max(280, Math.round(plot.clientWidth));
    const height = Math.max(200, Math.round(plot.clientHeight));
    const [left, wall, top, floor] = [52, width - 18, 26, height - 46];
    const has = (i) => xs[i] > 0 && ys[i] !== null;
    const used = view.filter(has);
    plot.setAttribute('viewBox', `0 0 ${width} ${height}`);
    plot.replaceChildren();
    points = [];
    lit = null;
    $('plot-note').textContent = '';
    $('in-view').hidden = view.length === rows.length;
    const what = used.length ? `the frontier of ${frontier.length} is listed below the plot` : 'no entry in view has both values';
    plot.setAttribute('aria-label', `${columns[y].label} against ${columns[x].label}, a dot an entry: ${what}`);
    if (!used.length) {
      plot.append(element('text', { x: width / 2, y: height / 2, 'text-anchor': 'middle' }, what));
      return;
    }
    const isNumber = (k) => columns[k].kind === 'number';
    const scaled = [...new Set([...view, ...picked])].filter(has); // a picked row is shown though it is filtered out
    const sx = scaleOf(scaled.map((i) => xs[i]), left + 10, wall - 10, isNumber(x));
    const values = scaled.map((i) => ys[i]);
    const ends = [floor - 10, top + 10];
    let sy = scaleOf(values, ...ends, isNumber(y));
    if (!sy.isLog && !field('full').checked) sy = scaleOf(inside(values, columns[y].higher), ...ends, false);
    const fits = (i) => ys[i] >= sy.low && ys[i] <= sy.high;

    const grid = element('g', { class: 'axes' });
    const say = (tick) => tick.toLocaleString('en', { maximumFractionDigits: 4 });
    for (const tick of ticksOf(sx, Math.floor((wall - left) / 70))) {
      const at = sx.at(tick).toFixed(1);
      grid.append(element('path', { d: `M${at} ${top}V${floor}` }), element('text', { x: at, y: floor + 17, 'text-anchor': 'middle' }, say(tick)));
    }
    for (const tick of ticksOf(sy, 6)) {
      const at = sy.at(tick);
      grid.append(element('path', { d: `M${left} ${at.toFixed(1)}H${wall}` }), element('text', { x: left - 8, y: at + 4, 'text-anchor': 'end' }, say(tick)));
    }
    grid.append(element('text', { x: 0, y: 13 }, columns[y].label), element('text', { x: wall, y: height - 8, 'text-anchor': 'end' }, columns[x].label));

    // Rows outside the view are faded, not gone; those beyond the scale of the view are not drawn.
    const layers = Array.from({ length: 2 * LAYERS }, () => '');
    let [faded, edge] = ['', ''];
    const inView = new Set(view);
    const placeOf = (i) => ({ i, x: sx.at(xs[i]), y: fits(i) ? sy.at(ys[i]) : columns[y].higher ? floor - 4 : top + 4 });
    const at = (place) => `M${place.x.toFixed(1)} ${place.y.toFixed(1)}`;
    for (const i of everyone) {
      if (!has(i)) continue;
      if (!inView.has(i)) {
        if (fits(i) && xs[i] >= sx.low && xs[i] <= sx.high) faded += `${at(placeOf(i))}h0`;
        continue;
      }
      const spot = placeOf(i);
      points.push(spot);
      if (fits(i)) layers[(i % LAYERS) + (i < data.num_verified ? 0 : LAYERS)] += `${at(spot)}h0`;
      else edge += `${at(spot)}m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0`;
    }
    const steps = frontier.filter(fits).map(placeOf);
    let stairs = steps.length ? `M${steps[0].x.toFixed(1)} ${columns[y].higher ? floor : top}` : '';
    for (const step of steps) stairs += `H${step.x.toFixed(1)}V${step.y.toFixed(1)}`;
    if (stairs) stairs += `H${columns[x].higher ? left : wall}`;
    const cloud = element('g', { class: 'points' });
    cloud.append(element('path', { class: 'faded', d: faded }), ...layers.map((d, k) => element('path', { d, class: k < LAYERS ? '' : 'other' })));
    lit = element('circle', { class: 'lit', r: 5, visibility: 'hidden' });
    plot.append(grid, cloud, element('path', { class: 'edge', d: edge }), element('path', { class: 'frontier', d: stairs }), marks(width, floor), lit);

    const hidden = used.filter((i) => !fits(i)).length;
    const [side, edgeName, end] = columns[y].higher ? ['below', 'lower', sy.low] : ['above', 'upper', sy.high];
    const [noun, are] = hidden === 1 ? ['entry', 'is'] : ['entries', 'are'];
    if (hidden) $('plot-note').textContent = oneLine(`${say(hidden)} ${noun} ${side} ${say(+end.toFixed(1))} ${columns[y].unit} ${are} drawn hollow at the ${edgeName} edge.`);

    /** The picked rows, each with its name in the first place that covers no other one. */
    function marks(right, bottom) {
      const group = element('g', { class: 'marks' });
      const spots = [...picked].filter(has).map(placeOf);
      const taken = spots.map((spot) => [spot.x - 6, spot.y - 6, spot.x + 6, spot.y + 6]);
      for (const { i, x: px, y: py } of spots) {
        const name = linkOf(i).textContent;
        const most = Math.floor(right / 16);
        const text = name.length > most ? `${name.slice(0, most - 1)}\u2026` : name;
        const length = text.length * 7.6;
        const x0 = px + 9 + length < right ? px + 9 : Math.max(0, px - 9 - length);
        const rooms = [-8, 18, -24, 34, -40, 50].map((dy) => [x0, py + dy - 11, x0 + length, py + dy + 3]);
        const free = (room) => room[1] > 0 && room[3] < bottom && !taken.some((t) => room[0] < t[2] && room[2] > t[0] && room[1] < t[3] && room[3] > t[1]);
        const room = rooms.find(free) ?? rooms[1];
        taken.push(room);
        group.append(
          element('circle', { cx: px, cy: py, r: 5 }),
          element('text', { x: x0, y: room[3] - 3 }, text),
        );
      }
      return group;
    }
  }

  /** The frontier as links: what a keyboard and a screen reader use instead of the dots. */
  function listFrontier() {
    const { x, y } = axes();
    const list = document.querySelector('#frontier ol');
    if (asServed && state() === '') {
      [...list.children].forEach((item, k) => (item.dataset.row = frontier[k]));
      return;
    }
    asServed = false;
    document.querySelector('#frontier summary span').textContent = frontier.length;
    list.replaceChildren(
      ...frontier.map((i) => {
        const item = document.createElement('li');
        const link = linkOf(i).cloneNode(true);
        item.dataset.row = i;
        item.append(link, ` ${words(y, i)}, ${words(x, i)}${i < data.num_verified ? '' : ', self-reported'}`);
        return item;
      }),
    );
  }

  function light(i) {
    const spot = points.find((point) => point.i === i);
    if (!lit) return;
    lit.setAttribute('visibility', spot ? 'visible' : 'hidden');
    if (spot) for (const [key, value] of [['cx', spot.x], ['cy', spot.y]]) lit.setAttribute(key, value.toFixed(1));
  }

  /** The point at most 20 px from the pointer. */
  function nearest({ offsetX, offsetY }) {
    let [best, found] = [400, null];
    for (const point of points) {
      const distance = (point.x - offsetX) ** 2 + (point.y - offsetY) ** 2;
      if (distance < best) [best, found] = [distance, point];
    }
    return found;
  }

  if (plot) {
    for (const type of ['focusin', 'pointerover']) {
      $('frontier').addEventListener(type, (event) => light(+(event.target.closest('li')?.dataset.row ?? -1)));
    }
    for (const type of ['focusout', 'pointerleave']) $('frontier').addEventListener(type, () => light(-1));
    plot.addEventListener('pointermove', (event) => {
      const found = nearest(event);
      light(found ? found.i : -1);
      tip.hidden = !found;
      if (!found) return;
      const { x, y } = axes();
      tip.textContent = `${linkOf(found.i).textContent}: ${words(y, found.i)}, ${words(x, found.i)}`;
      tip.style.left = `${Math.max(0, Math.min(found.x + 12, plot.clientWidth - tip.offsetWidth))}px`;
      tip.style.top = `${found.y + 14}px`;
    });
    plot.addEventListener('pointerleave', () => {
      tip.hidden = true;
      light(-1);
    });
    plot.addEventListener('click', (event) => {
      const found = nearest(event);
      if (found) repick(found.i, !picked.has(found.i));
    });
    let width = plot.clientWidth;
    new ResizeObserver(() => {
      if (plot.clientWidth === width) return; // the first call comes right after the first drawing
      width = plot.clientWidth;
      draw();
    }).observe(plot);
  }

  /* ---------- picking for comparison ---------- */

  function pick(i, on) {
    const isRefused = on && !picked.has(i) && picked.size >= MOST_PICKED;
    if (on && !isRefused) picked.add(i);
    else if (!on) picked.delete(i);
    rows[i].cells[0].firstElementChild.checked = picked.has(i);
    rows[i].classList.toggle('picked', picked.has(i));
    $('tray').hidden = !picked.size;
    $('tray-text').textContent = isRefused
      ? `At most ${MOST_PICKED} can be compared: take one out first`
      : `${picked.size} of ${MOST_PICKED} picked`;
    $('compare').href = `../compare.html#${new URLSearchParams([...picked].map((k) => ['m', slugOf(k)]))}`;
  }

  function repick(i, on) {
    pick(i, on);
    if (plot) draw();
    saveSoon();
  }

  table.addEventListener('change', (event) => {
    const i = rows.indexOf(event.target.closest('tr'));
    if (i >= 0) repick(i, event.target.checked);
  });
  $('clear').addEventListener('click', () => {
    for (const i of [...picked]) pick(i, false);
    if (plot) draw();
    saveSoon();
    box.focus(); // the button that had the focus is gone
  });

  /* ---------- the view in the hash: it works under file:// and can be copied ---------- */

  const initial = (input) => (input.querySelector('[selected]') ?? input.firstElementChild)?.value ?? '';

  const isTurned = (input) => (input.type === 'checkbox' ? input.checked !== input.defaultChecked : input.value !== initial(input));

  /** What differs from the page as it opens; a tick box is named when it is turned. */
  function state() {
    const params = new URLSearchParams();
    for (const input of form.elements) {
      if (input.name && isTurned(input)) params.append(input.name, input.value);
    }
    if (sorted !== start) params.set('sort', (sorted.descending ? '-' : '') + columns[sorted.column].name);
    for (const i of picked) params.append('m', slugOf(i));
    return params.toString();
  }

  // A new address makes the browser look again at every link of the page: with 5,000 rows as slow as sorting them.
  let saving = 0;
  function save() {
    clearTimeout(saving);
    saving = 0;
    const now = state();
    history.replaceState(null, '', location.href.split('#')[0] + (now && `#${now}`));
  }
  function saveSoon() {
    clearTimeout(saving);
    saving = setTimeout(save, 250);
  }
  addEventListener('pagehide', () => saving && save());

  /** Unknown names, options and entries are ignored; a hash without `=` is an anchor and no view. */
  function restore() {
    const hash = location.hash.slice(1);
    if (!hash.includes('=')) return;
    const params = new URLSearchParams(hash);
    for (const input of form.elements) {
      if (!input.name) continue;
      const value = params.get(input.name);
      if (input.type === 'checkbox') input.checked = input.defaultChecked !== params.getAll(input.name).includes(input.value);
      else if (input.tagName === 'SELECT') input.value = [...input.options].some((option) => option.value === value) ? value : initial(input);
      else input.value = (value ?? '').slice(0, 200);
    }
    const [, minus, name] = /^(-?)(.*)$/s.exec(params.get('sort') ?? '');
    const column = columnOf(name);
    sort(column < 0 ? start : { column, descending: minus === '-' });
    const wanted = new Set(params.getAll('m').slice(0, 2 * MOST_PICKED));
    for (const i of [...picked]) if (!wanted.has(slugOf(i))) pick(i, false);
    if (wanted.size) for (const i of everyone) if (wanted.has(slugOf(i)) && picked.size < MOST_PICKED) pick(i, true);
  }

  /* ---------- exports: the rows and columns in view ---------- */

  const oneLine = (text) => text.replace(/[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]/g, '').replace(/\s+/g, ' ').trim();
  const TEX = { '\\': '\\textbackslash{}', '~': '\\textasciitilde{}', '^': '\\textasciicircum{}', '<': '\\textless{}', '>': '\\textgreater{}' };
  const texCell = (text) => oneLine(text).replace(/[\\&%$#_{}~^<>]/g, (sign) => TEX[sign] ?? `\\${sign}`);
  const mdCell = (text) => oneLine(text).replace(/[\\|`*_~<>[\]]/g, '\\$&');
  function csvCell(value) {
    if (typeof value !== 'string') return value ?? '';
    // A spreadsheet must not run it; numbers are no text, so -0.5 stays a number.
    const text = /^[=+\-@\t\r\n\0\uff1d\uff0b\uff0d\uff20]/.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  /** The columns in view: as data (name, value) and as text (label, text, whether it is a number). */
  function exported() {
    const [values, texts] = [[], []];
    const off = groupsOff();
    const numberOf = (digits = '', scale) => (/\d/.test(digits) ? +(numberIn(digits) / scale).toPrecision(12) : null);
    columns.forEach(({ name, label, kind, group, keys, scale }, k) => {
      if (off.has(group)) return;
      const small = (i) => rows[i].cells[k + 1].querySelector('small, .team')?.textContent ?? '';
      const own = (i) => textOf(k, i);
      if (kind === 'rank') {
        values.push(['rank', (i) => numberOf(own(i).replace('S', ''), 1)]);
        ['rank_low', 'rank_high'].forEach((end, side) => values.push([end, (i) => numberOf(small(i).split('\u2013')[side], 1)]));
        texts.push([label, (i) => (small(i) ? `${own(i)} (${small(i)})` : own(i)), true]);
      } else if (kind === 'model') {
        values.push([name, own], ['team', small]);
        texts.push([label, own, false], ['Team', small, false]);
      } else if (kind === 'interval') {
        ['low', 'high'].forEach((end, side) => values.push([`${name}.${end}`, (i) => numberOf(own(i).split('\u2013')[side], scale)]));
        texts.push([label, own, true]);
      } else {
        const isNumber = kind === 'percent' || kind === 'number';
        values.push([name, (i) => (isNumber || keys[i] === null ? keys[i] : own(i))]);
        texts.push([label, own, isNumber]);
      }
    });
    for (const { name, keys } of facets.filter((facet) => facet.keys)) {
      const ticks = new Map([...form.querySelectorAll(`[name="${CSS.escape(name)}"]`)].map((tick) => [+tick.dataset.key, tick.value]));
      values.push([name, (i) => ticks.get(keys[i]) ?? null]);
    }
    return { values, texts };
  }

  const EXPORTS = {
    csv() {
      const { values } = exported();
      const lines = [values.map(([name]) => name), ...view.map((i) => values.map(([, of]) => csvCell(of(i))))];
      return lines.map((cells) => `${cells.join(',')}\r\n`).join('');
    },
    json() {
      const { values } = exported();
      return `${JSON.stringify(view.map((i) => Object.fromEntries(values.map(([name, of]) => [name, of(i)]))), null, 1)}\n`;
    },
    md() {
      const { texts } = exported();
      const lines = [texts.map(([label]) => mdCell(label)), texts.map(([, , isNumber]) => (isNumber ? '---:' : '---'))];
      lines.push(...view.map((i) => texts.map(([, of]) => mdCell(of(i)))));
      return lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('');
    },
    tex() {
      const { texts } = exported();
      const line = (cells) => {
        const row = cells.join(' & ');
        return `${/^[[*]/.test(row) ? '{}' : ''}${row} \\\\\n`; // else it would be an argument of the line before it
      };
      const [name, needs, head] = view.length > 40 ? ['longtable', 'booktabs,longtable', '\\endhead\n'] : ['tabular', 'booktabs', ''];
      const align = texts.map(([, , isNumber]) => (isNumber ? 'r' : 'l')).join('');
      return `% Needs \\usepackage{${needs}}.\n\\begin{${name}}{${align}}\n\\toprule\n${line(texts.map(([label]) => texCell(label)))}\\midrule\n${head}${view
        .map((i) => line(texts.map(([, of]) => texCell(of(i)))))
        .join('')}\\bottomrule\n\\end{${name}}\n`;
    },
  };

  /* ---------- wiring ---------- */

  for (const i of everyone) {
    const tick = rows[i].cells[0].firstElementChild;
    tick.checked = false; // what a browser kept over a reload; the hash holds what is picked
    tick.ariaLabel = `Compare ${linkOf(i).textContent}`;
  }
  heads.forEach((head, k) => {
    const label = head.querySelector('.sort');
    const button = document.createElement('button');
    Object.assign(button, { type: 'button', className: label.className, title: label.title });
    button.dataset.column = columns[k].name;
    button.append(...label.childNodes);
    label.replaceWith(button);
    button.addEventListener('click', () => {
      sort({ column: k, descending: sorted.column === k ? !sorted.descending : columns[k].descending });
      show();
      saveSoon();
    });
  });

  // What is cut off is read by pointing at it; a title a cell from the start would make the page a third larger.
  box.addEventListener('pointerover', ({ target }) => {
    const cell = target.closest('td');
    if (cell && cell.scrollWidth > cell.clientWidth) cell.title = cell.textContent;
  });

  let timer = 0;
  document.addEventListener('input', (event) => {
    if (event.target.form !== form) return; // the axes belong to the form and stand outside it
    clearTimeout(timer);
    timer = setTimeout(() => {
      refresh();
      saveSoon();
    }, 60);
  });
  field('q').addEventListener('focus', searchTexts); // before the first letter, which would wait for it
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('reset', () =>
    setTimeout(() => {
      sort(start);
      refresh();
      saveSoon();
      if ($('no-match').contains(document.activeElement)) field('q').focus(); // its button is gone
    }),
  );
  $('more').addEventListener('click', (event) => {
    event.currentTarget.setAttribute('aria-expanded', $('filters').classList.toggle('open'));
  });
  $('link').addEventListener('click', async (event) => {
    const button = event.currentTarget;
    save();
    const done = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
    button.textContent = done ? 'Copied' : 'It is in the address bar';
    setTimeout(() => (button.textContent = 'Copy link'), 2500);
  });
  document.addEventListener('click', (event) => {
    const kind = event.target.dataset?.export;
    if (kind) {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob([EXPORTS[kind]()], { type: 'text/plain;charset=utf-8' }));
      link.download = `${data.board}.${kind}`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    }
    for (const menu of document.querySelectorAll('.menu[open]')) if (kind || !menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') {
      tip && (tip.hidden = true);
      const menu = event.target.closest('.menu[open]') ?? document.querySelector('.menu[open]');
      if (!menu) return;
      menu.open = false;
      menu.firstElementChild.focus();
    } else if (event.key === '/' && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest('input, textarea, select')) {
      event.preventDefault();
      field('q').focus();
    }
  });
  document.querySelector('.skip').addEventListener('click', (event) => {
    event.preventDefault(); // the hash holds the view
    $('main').focus();
    $('main').scrollIntoView();
  });
  phone.addEventListener('change', () => {
    isPhone = phone.matches;
    layOut();
    drawIntervals();
  });
  addEventListener('hashchange', () => {
    restore();
    refresh();
  });

  restore();
  refresh();
})();
