'use strict';

/*
 * The address holds the comparison (#m=<slug>&m=<slug>&base=...). Each submission's data is a script that calls
 * benchCompare. Only submissions that the search index lists are loaded, so a wrong address asks for nothing.
 */

const { most: MOST, metrics: METRICS, costs: COSTS, protocols: PROTOCOLS } = JSON.parse(document.getElementById('meanings').textContent);
const DASH = '\u2013';
const by = (id) => document.getElementById(id);
const out = by('out');
const loaded = new Map(); // from slug to data
const classNames = new Map(); // from class table to [wnid, name]
const loads = new Map(); // from file to promise
let index = new Map(); // from slug to [slug, title, team]
let state = { m: [], unknown: [], over: [] };
let refused = '';

/* ---------- data ---------- */

globalThis.benchCompare = (data) => loaded.set(data.slug, data);
globalThis.benchClasses = (table, names) => classNames.set(table, names);
globalThis.benchIndex = (rows) => {
  index = new Map(rows.map((row) => [row[0], row]));
};

function load(file) {
  if (!loads.has(file)) {
    const script = document.createElement('script');
    const done = new Promise((resolve) => {
      script.onload = script.onerror = resolve;
    });
    loads.set(file, done);
    script.src = `compare/${file}.js`;
    document.head.append(script);
  }
  return loads.get(file);
}

/* ---------- statistics: as in bench.stats.paired ---------- */

const Z = 1.959963984540054;

/** The exact two-sided p of McNemar's test: 2 P(X <= min(b, c)), X ~ Bin(b + c, 1/2); sums in logarithms. */
function mcnemar(b, c) {
  const n = b + c;
  const m = Math.min(b, c);
  if (!n) return 1;
  let log = -n * Math.LN2;
  for (let i = 1; i <= m; i++) log += Math.log((n - m + i) / i);
  let [sum, term] = [0, 1];
  for (let k = m; k >= 0 && term > 1e-18 * sum; k--) {
    sum += term;
    term *= k / (n - k + 1);
  }
  return Math.min(1, 2 * Math.exp(log) * sum);
}

const ONES = Uint8Array.from({ length: 256 }, (_, byte) => [...byte.toString(2)].filter((bit) => bit === '1').length);
const bytes = (run) => (run.bytes ??= Uint8Array.from(atob(run.bits), (character) => character.charCodeAt(0)));

/** The paired comparison of two runs by their bits (Bonett and Price 2012 for the interval). */
function paired(runA, runB) {
  const [x, y] = [bytes(runA), bytes(runB)];
  const n = runA.dataset.num_samples;
  let [both, onlyA, onlyB] = [0, 0, 0];
  x.forEach((byte, i) => {
    both += ONES[byte & y[i]];
    onlyA += ONES[byte & ~y[i] & 255];
    onlyB += ONES[~byte & y[i] & 255];
  });
  const [shareA, shareB] = [(onlyA + 1) / (n + 2), (onlyB + 1) / (n + 2)];
  const centre = shareA - shareB;
  const half = Z * Math.sqrt((shareA + shareB - centre * centre) / (n + 2));
  const ends = { low: Math.max(-1, centre - half), high: Math.min(1, centre + half) };
  return { both, onlyA, onlyB, neither: n - both - onlyA - onlyB, difference: (onlyA - onlyB) / n, ...ends, p: mcnemar(onlyA, onlyB) };
}

/** Newcombe's interval (1998, method 10) from the two runs' own intervals; it ignores that the images are the same. */
function unpaired([a, lowA, highA], [b, lowB, highB]) {
  if ([lowA, highA, lowB, highB].includes(null)) return { difference: a - b };
  return { difference: a - b, low: a - b - Math.hypot(a - lowA, highB - b), high: a - b + Math.hypot(highA - a, b - lowB) };
}

/** Why there is no paired test of two runs, or an empty text. */
function unpairable(a, b) {
  if (a.version !== b.version) return 'measured under different versions of the protocol';
  if (!a.bits || !b.bits) return 'which images were right is not kept for both';
  if (!a.dataset.digest || a.dataset.digest !== b.dataset.digest) return 'the digests of the datasets differ';
  return a.bits.length === b.bits.length ? '' : 'the numbers of images differ';
}

/** Holm's adjusted p-values (1979), over all tests of the page. */
function holm(tests) {
  let worst = 0;
  [...tests].sort((one, other) => one.p - other.p).forEach((test, k) => {
    worst = Math.max(worst, Math.min(1, test.p * (tests.length - k)));
    test.holm = worst;
  });
}

/* ---------- words and nodes ---------- */

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const key in attributes) if (attributes[key] !== undefined) node.setAttribute(key, attributes[key]);
  node.append(...children.filter((child) => child !== ''));
  return node;
}
const el = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
const bdi = (text) => el('bdi', {}, text);
const fixed = (value, digits) => value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const signed = (value, digits) => (value > 0 ? '+' : '') + fixed(value, digits).replace('-', '\u2212');
const shown = (meaning, value) => fixed(value * meaning.scale, meaning.digits);
const span = (meaning, low, high) => (low === null || high === null || low === undefined ? '' : `${shown(meaning, low)}${DASH}${shown(meaning, high)}`);
const label = (meaning) => meaning.title + (meaning.unit ? `, ${meaning.unit}` : '');
const pText = (p) => (p >= 0.001 ? p.toFixed(3) : p ? p.toExponential(1) : '< 1e-300');
const title = (id) => PROTOCOLS.find(([name]) => name === id)?.[1] ?? id;
const runOf = (data, protocol) => data.runs.find((run) => run.protocol === protocol);
const numbered = (models, data) => `${models.indexOf(data) + 1} ${data.title}`;

function card(heading, note, ...children) {
  const id = `h-${heading.toLowerCase().replace(/\W+/g, '-')}`;
  return el('section', { class: 'card', 'aria-labelledby': id }, el('div', { class: 'bar' }, el('h2', { id }, heading), note ? el('p', { class: 'count' }, note) : ''), ...children);
}

function select(id, text, options, chosen) {
  const box = el('select', { id }, ...options.map(([value, words]) => el('option', { value }, words)));
  box.value = chosen;
  box.addEventListener('change', () => {
    state[id] = box.value;
    draw();
  });
  return el('label', {}, `${text} `, box);
}

function scroll(name, ...children) {
  return el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `${name}, scrollable table` }, ...children);
}

function table(caption, heads, rows) {
  const head = heads.map((text, k) => el('th', { scope: 'col', class: k ? 'n' : undefined }, text));
  const body = rows.map(([first, ...cells]) => el('tr', {}, el('th', { scope: 'row' }, first), ...cells.map((cell) => el('td', { class: 'n' }, cell))));
  return scroll(caption, el('table', { class: 'plain' }, el('caption', {}, caption), el('thead', {}, el('tr', {}, ...head)), el('tbody', {}, ...body)));
}

/* ---------- side by side ---------- */

function sideBySide(models, base) {
  const groups = [];
  for (const [protocol, name] of PROTOCOLS) {
    const runs = models.map((data) => runOf(data, protocol));
    if (!runs.some(Boolean)) continue;
    const metrics = METRICS.filter((meaning) => runs.some((run) => run?.metrics[meaning.name]));
    groups.push([
      name,
      ...metrics.map((meaning) => [meaning, runs.map((run) => run?.metrics[meaning.name] ?? null)]),
      ['Images', runs.map((run) => run && fixed(run.dataset.num_samples, 0))],
      ['Status', runs.map((run) => run?.status)],
      ['Arithmetic', runs.map((run) => run?.precision)],
      ['Version', runs.map((run) => run?.version)],
      ['Date', runs.map((run) => run?.date)],
    ]);
  }
  const costs = COSTS.map((meaning) => [meaning, models.map((data) => costOf(data, meaning.name))]).filter(([, cells]) => cells.some(Boolean));
  if (costs.length) groups.push(['Costs', ...costs]);
  const speeds = [...new Set(models.flatMap((data) => data.speed.map((one) => one.label)))].sort();
  const img = (name) => ({ title: name, unit: 'img/s', scale: 1, digits: 0, higher: true });
  if (speeds.length) groups.push(['Throughput', ...speeds.map((name) => [img(name), models.map((data) => speedOf(data, name))])]);

  const head = models.map((data, k) => {
    const drop = el('button', { type: 'button', id: `drop-${data.slug}`, 'aria-label': `Remove ${data.title}` }, 'Remove');
    drop.addEventListener('click', () => change(state.m.filter((slug) => slug !== data.slug)));
    const radio = el('input', { type: 'radio', name: 'base', id: `base-${data.slug}` });
    radio.checked = data === base;
    radio.addEventListener('change', () => {
      state.base = data.slug;
      draw();
    });
    return el('th', { scope: 'col' }, `${k + 1} `, el('a', { href: `submissions/${data.slug}.html` }, bdi(data.title)), el('span', {}, bdi(data.team)), el('label', {}, radio, 'base'), drop);
  });
  const rows = groups.flatMap(([name, ...lines]) => [
    el('tr', { class: 'group' }, el('th', { scope: 'rowgroup' }, name), ...models.map(() => el('td', {}))),
    ...lines.map((line) => sideRow(line, models.indexOf(base))),
  ]);
  const box = scroll('Side by side', el('table', { class: 'plain' }, el('thead', {}, el('tr', {}, el('td', {}), ...head)), el('tbody', {}, ...rows)));
  box.classList.add('side');
  return card('Side by side', 'Best underlined; small: 95% interval, and difference and ratio to the base', box);
}

function sideRow([meaning, cells], at) {
  if (typeof meaning === 'string') return el('tr', {}, el('th', { scope: 'row' }, meaning), ...cells.map((cell) => el('td', cell ? {} : { class: 'nil' }, cell ? bdi(cell) : DASH)));
  const known = cells.filter(Boolean).map(([value]) => value);
  const best = meaning.higher === null || new Set(known).size < 2 ? null : meaning.higher ? Math.max(...known) : Math.min(...known);
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, label(meaning)),
    ...cells.map((cell, k) => {
      if (!cell) return el('td', { class: 'nil' }, DASH);
      const interval = span(meaning, cell[1], cell[2]);
      const own = cells[at];
      const gap = k !== at && own ? `${signed((cell[0] - own[0]) * meaning.scale, meaning.digits)}${own[0] ? `, \u00d7${fixed(cell[0] / own[0], 3)}` : ''}` : '';
      const value = el(cell[0] === best ? 'b' : 'span', { class: cell[0] === best ? 'best' : undefined }, shown(meaning, cell[0]));
      return el('td', {}, value, interval && el('small', {}, interval), gap && el('small', {}, gap));
    }),
  );
}

function costOf(data, name) {
  const run = data.runs.find((one) => name in one.costs);
  return run ? [run.costs[name]] : null;
}
function speedOf(data, name) {
  const found = data.speed.find((one) => one.label === name);
  return found ? [found.value, found.low, found.high] : null;
}

/* ---------- differences ---------- */

function differences(models, base, protocol) {
  const here = models.filter((data) => runOf(data, protocol)?.metrics.top1);
  const first = here.includes(base) ? here.filter((data) => data !== base).map((data) => [data, base]) : [];
  const others = here.filter((data) => data !== base);
  const pairs = [...first, ...others.flatMap((a, k) => others.slice(k + 1).map((b) => [a, b]))].map(([a, b]) => {
    const [runA, runB] = [runOf(a, protocol), runOf(b, protocol)];
    const why = unpairable(runA, runB);
    const [x, y] = [runA.metrics.top1, runB.metrics.top1];
    return { a, b, why, ratio: x[0] / y[0], ...(why ? unpaired(x, y) : paired(runA, runB)) };
  });
  const tests = pairs.filter((pair) => !pair.why);
  holm(tests);
  const point = { scale: 100, digits: 2 };
  const ends = (pair) => (pair.low === undefined ? DASH : `${signed(100 * pair.low, 2)} to ${signed(100 * pair.high, 2)}`);
  const names = (pair) => el('span', {}, bdi(numbered(models, pair.a)), ' \u2212 ', bdi(numbered(models, pair.b)), pair.b === base ? ' (base)' : '');
  const gap = (pair) => el('b', {}, signed(pair.difference * point.scale, point.digits));
  const rows = pairs.map((pair) => [names(pair), gap(pair), Number.isFinite(pair.ratio) ? fixed(pair.ratio, 4) : DASH, ends(pair), pair.why || 'paired', pair.why ? DASH : pText(pair.p), pair.why ? DASH : pText(pair.holm)]);
  const agreement = tests.map((pair) => [names(pair), ...[pair.both, pair.onlyA, pair.onlyB, pair.neither].map((count) => fixed(count, 0))]);
  out.dataset.pairs = JSON.stringify(pairs.map(({ a, b, ...rest }) => ({ a: a.slug, b: b.slug, ...rest })));
  return card(
    'Differences in top-1',
    title(protocol),
    pairs.length ? table('Difference in points, A \u2212 B', ['A \u2212 B', 'Points', 'Ratio', '95% interval', 'Interval and test', 'McNemar p', `Holm p, of ${tests.length}`], rows) : el('p', { class: 'none' }, 'Fewer than two of them have a top-1 under this protocol.'),
    agreement.length ? table('Agreement, in images', ['A \u2212 B', 'Both right', 'Only A right', 'Only B right', 'None right'], agreement) : '',
    el('p', { class: 'note' }, 'Paired: exact McNemar test on the same images and the interval of Bonett and Price. Unpaired: Newcombe\u2019s interval, wider, as it ignores that the images are the same. Holm: adjusted for all tests of this table. A small p says that a difference is there, not that it matters.'),
  );
}

/* ---------- classes ---------- */

const SIZE = 400;
const EDGE = 44;

function frame(name, xName, yName, ...shapes) {
  const [end, middle] = [SIZE - 12, (EDGE + SIZE - 12) / 2];
  return svg('svg', { viewBox: `0 0 ${SIZE} ${SIZE}`, width: SIZE, height: SIZE, role: 'img', 'aria-label': name },
    svg('path', { class: 'axis', d: `M${EDGE} 12V${SIZE - EDGE}H${end}` }), ...shapes,
    svg('text', { x: middle, y: SIZE - 6, 'text-anchor': 'middle' }, xName),
    svg('text', { x: 12, y: middle - 20, 'text-anchor': 'middle', transform: `rotate(-90 12 ${middle - 20})` }, yName));
}
const along = (share) => EDGE + share * (SIZE - 12 - EDGE);
const up = (share) => SIZE - EDGE - share * (SIZE - 12 - EDGE);
const ticks = (texts) => texts.flatMap(([share, text, vertical]) => svg('text', vertical ? { x: EDGE - 6, y: up(share) + 4, 'text-anchor': 'end' } : { x: along(share), y: SIZE - EDGE + 16, 'text-anchor': 'middle' }, text));

function classes(models, protocol) {
  const here = models.filter((data) => runOf(data, protocol)?.classes);
  if (here.length < 2) return '';
  const a = here.find((data) => data.slug === state.a) ?? here[0];
  const b = here.find((data) => data.slug === state.b && data !== a) ?? here.find((data) => data !== a);
  const [one, other] = [runOf(a, protocol).classes, runOf(b, protocol).classes];
  const choices = here.map((data) => [data.slug, numbered(models, data)]);
  const picks = el('div', { class: 'picks' }, select('a', 'A, upwards', choices, a.slug), select('b', 'B, to the right', choices, b.slug));
  if (one.table !== other.table) return card('Class by class', title(protocol), picks, el('p', { class: 'none' }, 'Their classes differ.'));
  const names = classNames.get(one.table) ?? [];
  const points = one.right.map((right, i) => ({ i, x: other.right[i] / other.total[i], y: right / one.total[i] })).filter(({ x, y }) => Number.isFinite(x + y));
  const far = [...points].filter(({ x, y }) => x !== y).sort((p, q) => Math.abs(q.y - q.x) - Math.abs(p.y - p.x) || p.i - q.i).slice(0, 10);
  const dots = points.map((point) => svg('circle', { cx: along(point.x).toFixed(1), cy: up(point.y).toFixed(1), r: 3, class: far.includes(point) ? 'out' : undefined }, svg('title', {}, names[point.i]?.[1] ?? `${point.i}`)));
  const marks = far.map((point, k) => svg('text', { class: 'name', x: along(point.x) + 5, y: up(point.y) - 5 }, `${k + 1}`));
  const scale = [0, 0.5, 1].flatMap((share) => [[share, 100 * share], [share, 100 * share, true]]);
  const drawing = frame(`Top-1 by class: ${a.title} against ${b.title}, ${points.length} classes`, 'B, %', 'A, %', svg('path', { class: 'even', d: `M${along(0)} ${up(0)}L${along(1)} ${up(1)}` }), ...ticks(scale), ...dots, ...marks);
  const list = far.map(({ i, x, y }) => el('li', {}, bdi(names[i]?.[1] ?? `${i}`), `: ${fixed(100 * y, 1)} against ${fixed(100 * x, 1)} %, ${signed(100 * (y - x), 1)} points`));
  return card('Class by class', title(protocol), picks, el('div', { class: 'drawn' }, drawing, el('div', {}, el('h3', {}, 'Largest differences, A \u2212 B'), el('ol', {}, ...list))));
}

/* ---------- cost ---------- */

function bars(models) {
  const labels = [...new Set(models.flatMap((data) => data.speed.map((one) => one.label)))].sort();
  const tables = labels.map((name) => {
    const cells = models.map((data) => [data, speedOf(data, name)]).filter(([, speed]) => speed);
    const top = Math.max(...cells.map(([, speed]) => speed[0]));
    const bar = (value) => svg('svg', { width: 160, height: 8, 'aria-hidden': 'true' }, svg('path', { class: 'base', d: 'M0 4H160' }), svg('rect', { width: (160 * value) / top, height: 8 }));
    const built = table(name, ['Model', 'Images a second', ''], cells.map(([data, speed]) => [bdi(numbered(models, data)), fixed(speed[0], 0), bar(speed[0])]));
    for (const row of built.querySelectorAll('tbody tr')) row.lastChild.className = 'share';
    built.querySelector('thead tr').lastChild.append(el('span', { class: 'hidden' }, 'Bar'));
    return built;
  });
  return tables.length ? card('Throughput', 'A table for each device, arithmetic and batch size', el('div', { class: 'columns' }, ...tables)) : '';
}

function pareto(models, protocol) {
  const axes = [
    ...COSTS.filter((meaning) => meaning.higher !== null).map((meaning) => ({ ...meaning, of: (data) => costOf(data, meaning.name) })),
    ...[...new Set(models.flatMap((data) => data.speed.map((one) => one.label)))].sort().map((name) => ({ name, title: name, unit: 'img/s', scale: 1, digits: 0, higher: true, of: (data) => speedOf(data, name) })),
  ];
  const top1 = METRICS.find((meaning) => meaning.name === 'top1');
  const placed = (axis) => models.map((data) => ({ data, x: axis.of(data)?.[0], y: runOf(data, protocol)?.metrics.top1?.[0] })).filter(({ x, y }) => x > 0 && y !== undefined);
  const usable = axes.filter((axis) => placed(axis).length > 1);
  if (!usable.length || !top1) return '';
  const axis = usable.find((one) => one.name === state.x) ?? usable[0];
  const points = placed(axis);
  const better = (p, q) => (axis.higher ? p.x >= q.x : p.x <= q.x) && p.y >= q.y && (p.x !== q.x || p.y !== q.y);
  const front = points.filter((p) => !points.some((q) => better(q, p))).sort((p, q) => p.x - q.x || p.y - q.y);
  const [logs, ys] = [points.map(({ x }) => Math.log(x)), points.map(({ y }) => y)];
  const place = (values, value) => 0.08 + (0.84 * (value - Math.min(...values))) / (Math.max(...values) - Math.min(...values) || 1);
  const at = ({ x, y }) => [along(place(logs, Math.log(x))), up(place(ys, y))];
  const stairs = front.map((point, k) => {
    const [left, high] = at(point);
    if (!k) return `M${left} ${high}`;
    return axis.higher ? `V${high}H${left}` : `H${left}V${high}`;
  });
  const dots = points.flatMap((point) => {
    const [left, high] = at(point);
    return [svg('circle', { cx: left, cy: high, r: 5, class: front.includes(point) ? 'out' : undefined }), svg('text', { class: 'name', x: left + 8, y: high - 6 }, `${models.indexOf(point.data) + 1}`)];
  });
  const ends = [Math.min, Math.max].flatMap((pick) => {
    const [x, y] = [pick(...points.map((point) => point.x)), pick(...ys)];
    return [[place(logs, Math.log(x)), shown(axis, x)], [place(ys, y), shown(top1, y), true]];
  });
  const list = [...points].sort((p, q) => q.y - p.y).map((point) => el('li', {}, bdi(numbered(models, point.data)), `: ${shown(top1, point.y)} % at ${shown(axis, point.x)} ${axis.unit}${front.includes(point) ? ', on the frontier' : ''}`));
  const drawing = frame(`Top-1 against ${label(axis)} for ${points.length} submissions`, `${label(axis)}, logarithmic`, label(top1), svg('path', { class: 'stairs', d: stairs.join('') }), ...ticks(ends), ...dots);
  return card('Accuracy and cost', title(protocol), el('div', { class: 'picks' }, select('x', 'Cost', usable.map((one) => [one.name, label(one)]), axis.name)), el('div', { class: 'drawn' }, drawing, el('div', {}, el('h3', {}, 'From the best down'), el('ul', {}, ...list))));
}

/* ---------- state ---------- */

function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  const one = (name) => (given.get(name) ?? '').slice(0, 200);
  const all = [...new Set(given.getAll('m').map((slug) => slug.slice(0, 200)))].filter(Boolean);
  const known = all.filter((slug) => index.has(slug));
  state = { m: known.slice(0, MOST), unknown: all.filter((slug) => !index.has(slug)).slice(0, 20), over: known.slice(MOST), base: one('base'), p: one('p'), a: one('a'), b: one('b'), x: one('x') };
  refused = '';
  return show();
}

function write() {
  const kept = new URLSearchParams(state.m.map((slug) => ['m', slug]));
  for (const name of ['base', 'p', 'a', 'b', 'x']) if (state[name]) kept.set(name, state[name]);
  history.replaceState(null, '', state.m.length ? `#${kept}` : location.pathname + location.search);
}

function change(next, message = '') {
  const lost = document.activeElement?.id.startsWith('drop-');
  Object.assign(state, { m: next, unknown: [], over: [] });
  refused = message;
  write();
  if (lost) by('find').focus();
  return show();
}

async function show() {
  delete out.dataset.shown;
  await Promise.all(state.m.map((slug) => load(slug)));
  const tables = new Set(state.m.flatMap((slug) => loaded.get(slug)?.runs.map((run) => run.classes?.table)).filter(Boolean));
  await Promise.all([...tables].map((name) => load(`classes.${name}`)));
  draw();
}

function draw() {
  const focused = document.activeElement?.id;
  const models = state.m.map((slug) => loaded.get(slug)).filter(Boolean);
  const words = [refused];
  if (state.unknown.length) words.push(`There is no submission ${state.unknown.join(', ')} on this site.`);
  if (state.over.length) words.push(`At most ${MOST} are compared; left out: ${state.over.map((slug) => index.get(slug)[1]).join(', ')}.`);
  if (!models.length) words.push('Nothing is compared yet. Find a submission above and add it, tick models on a board, or follow \u201cCompare\u201d on a submission\u2019s page.');
  else if (models.length === 1) words.push('Add one more to compare it with.');
  by('said').textContent = words.filter(Boolean).join(' ');
  by('link').hidden = !models.length;
  out.replaceChildren();
  delete out.dataset.pairs;
  if (models.length) {
    const base = models.find((data) => data.slug === state.base) ?? models[0];
    const count = (id) => models.filter((data) => runOf(data, id)?.metrics.top1).length;
    const usable = PROTOCOLS.map(([id]) => id).filter((id) => count(id) > 1).sort((one, other) => count(other) - count(one));
    const protocol = usable.includes(state.p) ? state.p : usable[0];
    out.append(sideBySide(models, base));
    if (protocol) {
      if (usable.length > 1) out.append(el('div', { class: 'picks' }, select('p', 'Compare under', usable.map((id) => [id, title(id)]), protocol)));
      out.append(differences(models, base, protocol), classes(models, protocol), pareto(models, protocol));
    } else if (models.length > 1) out.append(card('Differences', '', el('p', { class: 'none' }, 'No protocol has a top-1 for two of them, so there is nothing to test.')));
    out.append(bars(models));
    write();
  }
  if (focused && by(focused) && document.activeElement !== by(focused)) by(focused).focus();
  out.dataset.shown = models.length;
}

/* ---------- controls ---------- */

const field = by('find');

function matches() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [];
  if (words.length)
    for (const row of index.values()) {
      if (!state.m.includes(row[0]) && words.every((word) => `${row[1]} ${row[2]}`.toLowerCase().includes(word))) found.push(row);
      if (found.length === MOST) break;
    }
  return found;
}

function add(slug) {
  field.value = '';
  suggest();
  field.focus();
  if (state.m.length < MOST) return change([...state.m, slug]);
  return change(state.m, `${MOST} submissions are compared already, which is the most; remove one before you add ${index.get(slug)[1]}.`);
}

function suggest() {
  const items = matches().map(([slug, name, team]) => {
    const button = el('button', { type: 'button' }, bdi(name), ' ', el('span', { class: 'team' }, bdi(team)));
    button.addEventListener('click', () => add(slug));
    return el('li', {}, button);
  });
  if (!items.length && field.value.trim()) items.push(el('li', { class: 'none' }, 'No submission has all of these words.'));
  by('found').replaceChildren(...items);
}

field.addEventListener('input', suggest);
field.addEventListener('keydown', (event) => {
  const [first] = matches();
  if (event.key === 'Enter' && first) add(first[0]);
});
by('link').addEventListener('click', async () => {
  let said = 'Link copied';
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    said = 'Refused: copy the address';
  }
  by('link').textContent = said;
});
addEventListener('hashchange', () => {
  if (!location.hash || location.hash.includes('=')) read();
});
// The index is the script after this one; without it the page says that it knows no submission.
document.addEventListener('DOMContentLoaded', read);
