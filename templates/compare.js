'use strict';

// The address holds the comparison: #m=<slug>&m=<slug>&base=... Each submission's data is a script that calls
// benchCompare; only what the search index lists is asked for.

const by = (id) => document.getElementById(id);
const put = (place, nodes) => document.querySelector(place).replaceChildren(...nodes);
const { most, metrics, costs, protocols } = JSON.parse(by('meanings').textContent);
const loads = new Map(); // from file to promise
const loaded = new Map(); // from slug to data
const classNames = {}; // from class table to [wnid, name]
const kept = ['base', 'p', 'a', 'b', 'x'];
let index = new Map(); // from slug to [slug, title, team]
let state;
let message = '';

globalThis.benchCompare = (data) => loaded.set(data.slug, data);
globalThis.benchClasses = (table, names) => (classNames[table] = names);
globalThis.benchIndex = (rows) => (index = new Map(rows.map((row) => [row[0], row])));

function load(file) {
  if (!loads.has(file)) {
    const script = h('script', { src: `compare/${file}.js` });
    loads.set(file, new Promise((done) => (script.onload = script.onerror = done)));
    document.head.append(script);
  }
  return loads.get(file);
}

/* ---------- statistics: as in bench.stats.paired ---------- */

/** McNemar's exact two-sided p, 2 P(X <= min(b, c)) for X ~ Bin(b + c, 1/2), by logarithms. */
function mcnemar(b, c) {
  const n = b + c;
  const m = Math.min(b, c);
  if (!n) return 1;
  let log = -n * Math.LN2;
  for (let i = 1; i <= m; i++) log += Math.log((n - m + i) / i);
  let sum = 0;
  for (let k = m, term = 1; term > 1e-18 * sum; k--) {
    sum += term;
    term *= k / (n - k + 1);
  }
  return Math.min(1, 2 * Math.exp(log) * sum);
}

const bytes = (run) => (run.bytes ??= Uint8Array.from(atob(run.bits), (character) => character.charCodeAt(0)));
const ones = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);

/** With the interval of Bonett and Price (2012). */
function paired(one, other) {
  const [x, y] = [bytes(one), bytes(other)];
  const n = one.dataset.num_samples;
  let [both, onlyA, onlyB] = [0, 0, 0];
  x.forEach((byte, i) => {
    both += ones[byte & y[i]];
    onlyA += ones[byte & ~y[i]];
    onlyB += ones[~byte & y[i]];
  });
  const [shareA, shareB] = [(onlyA + 1) / (n + 2), (onlyB + 1) / (n + 2)];
  const centre = shareA - shareB;
  const half = 1.959963984540054 * Math.sqrt((shareA + shareB - centre * centre) / (n + 2));
  return { both, onlyA, onlyB, neither: n - both - onlyA - onlyB, difference: (onlyA - onlyB) / n, low: Math.max(-1, centre - half), high: Math.min(1, centre + half), p: mcnemar(onlyA, onlyB) };
}

/** Newcombe's interval (1998, method 10) from the runs' own intervals. */
function unpaired([a, lowA, highA], [b, lowB, highB]) {
  const difference = a - b;
  if ([lowA, highA, lowB, highB].includes(null)) return { difference };
  return { difference, low: difference - Math.hypot(a - lowA, highB - b), high: difference + Math.hypot(highA - a, b - lowB) };
}

/** Why there is no paired test, if there is none. */
function unpairable(one, other) {
  if (one.version !== other.version) return 'unpaired: versions of the protocol differ';
  if (!one.bits || !other.bits) return 'unpaired: which images were right is not kept';
  return one.dataset.digest === other.dataset.digest && one.bits.length === other.bits.length ? '' : 'unpaired: dataset digests differ';
}

/** Adds Holm's adjusted p-values (1979). */
function holm(tests) {
  let most = 0;
  tests.sort((one, other) => one.p - other.p).forEach((test, k) => (test.holm = most = Math.max(most, Math.min(1, test.p * (tests.length - k)))));
}

/* ---------- words and nodes ---------- */

function h(name, attributes, ...children) {
  const node = /^(svg|path|rect|circle|text|title)$/.test(name) ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  node.append(...children.filter(Boolean));
  return node;
}
const bdi = (text) => h('bdi', {}, text);
const fixed = (value, digits) => value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const signed = (value, digits) => (value > 0 ? '+' : '') + fixed(value, digits);
const shown = (meaning, value) => fixed(value * meaning.scale, meaning.digits);
const label = (meaning) => meaning.title + (meaning.unit && `, ${meaning.unit}`);
const pText = (p) => (p >= 0.001 ? p.toFixed(3) : p ? p.toExponential(1) : '< 1e-300');
const runOf = (data, protocol) => data.runs.find((run) => run.protocol === protocol);
const top1Of = (data, protocol) => runOf(data, protocol)?.metrics.top1;

/** Fills a select and says what is chosen. */
function choose(id, options, initial) {
  const box = by(id);
  box.replaceChildren(...options.map(([value, text]) => h('option', { value }, text)));
  box.parentNode.hidden = !options.length;
  return (box.value = options.some(([value]) => value === state[id]) ? state[id] : initial ?? options[0]?.[0]);
}

/** Costs and speeds: how they are shown, and their value for a submission as [value, low, high]. */
function measures(models) {
  const speeds = [...new Set(models.flatMap((data) => data.speed.map((one) => one.label)))].sort();
  return [
    ...costs.map((meaning) => ({ ...meaning, of: (data) => (meaning.name in data.costs ? [data.costs[meaning.name]] : null) })),
    ...speeds.map((name) => ({ name, title: name, unit: 'img/s', scale: 1, digits: 0, higher: true, bar: true, of: (data) => data.speed.filter((one) => one.label === name).map((one) => [one.value, null, null, one.batch])[0] })),
  ].filter((one) => models.some(one.of));
}

/* ---------- the parts of the page ---------- */

function sideBySide(models, base) {
  const heads = models.map((data, k) => {
    const drop = h('button', { type: 'button', 'aria-label': `Remove ${data.title}` }, 'Remove');
    drop.onclick = () => {
      change(state.m.filter((slug) => slug !== data.slug));
      by('find').focus();
    };
    const radio = h('input', { type: 'radio', name: 'base', id: `base-${data.slug}` });
    radio.checked = data === base;
    radio.onchange = () => {
      state.base = data.slug;
      draw();
      by(radio.id).focus();
    };
    return h('th', { scope: 'col' }, `${k + 1} `, h('a', { href: `submissions/${data.slug}.html` }, bdi(data.title)), h('span', {}, bdi(data.team)), h('label', {}, radio, 'base'), drop);
  });
  const row = (title, cells) => h('tr', {}, h('th', { scope: 'row' }, title), ...cells.map((cell) => (cell ? h('td', {}, ...cell) : h('td', { class: 'nil' }, '\u2013'))));
  const group = (title) => h('tr', { class: 'group' }, h('th', { scope: 'rowgroup', colspan: models.length + 1 }, title));
  const numbers = (meaning, cells) => {
    const known = cells.filter(Boolean).map(([value]) => value);
    const best = new Set(known).size > 1 && meaning.higher !== null && Math[meaning.higher ? 'max' : 'min'](...known);
    const own = cells[models.indexOf(base)]?.[0];
    return row(label(meaning), cells.map((cell, k) => {
      if (!cell) return null;
      const [value, low, high, batch] = cell;
      return [
        h(value === best ? 'b' : 'span', {}, shown(meaning, value)),
        meaning.bar && h('svg', { width: 100, height: 8, 'aria-hidden': 'true' }, h('rect', { width: Math.max(0, (100 * value) / Math.max(...known)), height: 8 })),
        meaning.bar && batch && h('small', {}, `batch ${batch}`),
        low != null && h('small', {}, `${shown(meaning, low)}\u2013${shown(meaning, high)}`),
        models[k] !== base && own && h('small', {}, `${signed((value - own) * meaning.scale, meaning.digits)}, \u00d7${fixed(value / own, 3)}`),
      ];
    }));
  };
  const rows = protocols.flatMap(([protocol, title]) => {
    const runs = models.map((data) => runOf(data, protocol));
    const named = metrics.filter(({ name }) => runs.some((run) => run?.metrics[name]));
    if (!named.length) return [];
    return [
      group(title),
      row('Measured', runs.map((run) => run && [h('small', {}, [run.status, `${fixed(run.dataset.num_samples, 0)} images`, run.precision, `version ${run.version}`].filter(Boolean).join(', '))])),
      ...named.map((meaning) => numbers(meaning, runs.map((run) => run?.metrics[meaning.name]))),
    ];
  });
  put('#side thead tr', [h('td'), ...heads]);
  put('#side tbody', [...rows, group('Costs'), ...measures(models).map((one) => numbers(one, models.map(one.of)))]);
}

function differences(models, base, protocol, name) {
  const here = models.filter((data) => top1Of(data, protocol));
  const others = here.filter((data) => data !== base);
  const pairs = others.flatMap((a) => (here.includes(base) ? [[a, base]] : [])).concat(others.flatMap((a, k) => others.slice(k + 1).map((b) => [a, b])));
  const compared = pairs.map(([a, b]) => {
    const why = unpairable(runOf(a, protocol), runOf(b, protocol));
    const [x, y] = [top1Of(a, protocol), top1Of(b, protocol)];
    return { a, b, why, ratio: y[0] && fixed(x[0] / y[0], 4), ...(why ? unpaired(x, y) : paired(runOf(a, protocol), runOf(b, protocol))) };
  });
  holm(compared.filter((pair) => !pair.why));
  const rows = compared.map((pair) => {
    const cells = [
      signed(100 * pair.difference, 2),
      pair.ratio || '\u2013',
      'low' in pair ? `${signed(100 * pair.low, 2)} to ${signed(100 * pair.high, 2)}` : '\u2013',
      pair.why || 'paired',
      ...(pair.why ? Array(6).fill('\u2013') : [pText(pair.p), pText(pair.holm), ...[pair.both, pair.onlyA, pair.onlyB, pair.neither].map((count) => fixed(count, 0))]),
    ];
    return h('tr', {}, h('th', { scope: 'row' }, bdi(name(pair.a)), ' \u2212 ', bdi(name(pair.b)), pair.b === base && ' (base)'), ...cells.map((text, k) => h('td', { class: k === 3 ? 'wrap' : 'n' }, text)));
  });
  put('#gaps tbody', rows);
}

const along = (share) => 44 + 344 * share;
const up = (share) => 356 - 344 * share;
const dot = (x, y, far, text, title) => [h('circle', { cx: x, cy: y, r: 4, class: far ? 'out' : 'in' }, h('title', {}, title)), text && h('text', { class: 'name', x: x + 6, y: y - 5 }, text)].filter(Boolean);

function classes(models, protocol, name) {
  const here = models.filter((data) => runOf(data, protocol)?.classes);
  by('classes').hidden = here.length < 2;
  if (here.length < 2) return;
  const options = here.map((data) => [data.slug, name(data)]);
  const [a, b] = [choose('a', options), choose('b', options, here[1].slug)].map((slug) => runOf(loaded.get(slug), protocol).classes);
  const called = (i) => classNames[a.table]?.[i]?.[1] ?? `${i}`;
  const points = a.table === b.table ? a.right.map((right, i) => ({ i, y: right / a.total[i], x: b.right[i] / b.total[i] })).filter(({ x, y }) => x >= 0 && y >= 0) : [];
  const far = points.filter(({ x, y }) => x !== y).sort((p, q) => Math.abs(q.y - q.x) - Math.abs(p.y - p.x) || p.i - q.i).slice(0, 10);
  put('#classes g', points.flatMap((p) => dot(along(p.x), up(p.y), far.includes(p), far.includes(p) && `${far.indexOf(p) + 1}`, called(p.i))));
  put('#classes ol', far.map(({ i, x, y }) => h('li', {}, bdi(called(i)), `: ${fixed(100 * y, 1)} against ${fixed(100 * x, 1)} %, ${signed(100 * (y - x), 1)} points`)));
}

function cost(models, protocol, name) {
  const points = (axis) => models.map((data) => ({ data, x: axis.of(data)?.[0], y: top1Of(data, protocol)?.[0] })).filter(({ x, y }) => x > 0 && y >= 0);
  const axes = measures(models).filter((axis) => axis.higher !== null && points(axis).length > 1);
  by('cost').hidden = !axes.length;
  if (!axes.length) return;
  const chosen = choose('x', axes.map((axis) => [axis.name, label(axis)]));
  const axis = axes.find((one) => one.name === chosen);
  const all = points(axis).sort((p, q) => p.x - q.x || p.y - q.y);
  const spread = (value, values) => 0.08 + (0.84 * (value - Math.min(...values))) / (Math.max(...values) - Math.min(...values) || 1);
  for (const p of all) {
    p.left = along(spread(Math.log(p.x), all.map((q) => Math.log(q.x))));
    p.high = up(spread(p.y, all.map((q) => q.y)));
  }
  const beats = (p, q) => (axis.higher ? p.x >= q.x : p.x <= q.x) && p.y >= q.y && (p.x !== q.x || p.y !== q.y);
  const front = all.filter((p) => !all.some((q) => beats(q, p)));
  const path = front.map((p, k) => (k ? (axis.higher ? `V${p.high}H${p.left}` : `H${p.left}V${p.high}`) : `M${p.left} ${p.high}`));
  const best = [...all].sort((p, q) => q.y - p.y);
  put('#cost g', [
    h('path', { class: 'stairs', d: path.join('') }),
    ...[all[0], all.at(-1)].map((p) => h('text', { x: p.left, y: 372, 'text-anchor': 'middle' }, shown(axis, p.x))),
    ...[best[0], best.at(-1)].map((p) => h('text', { x: 38, y: p.high + 4, 'text-anchor': 'end' }, fixed(100 * p.y, 1))),
    ...all.flatMap((p) => dot(p.left, p.high, front.includes(p), `${models.indexOf(p.data) + 1}`, p.data.title)),
  ]);
  put('#cost ul', best.map((p) => h('li', {}, bdi(name(p.data)), `: ${fixed(100 * p.y, 2)} % at ${shown(axis, p.x)} ${axis.unit || axis.title}${front.includes(p) ? ', on the frontier' : ''}`)));
}

/* ---------- state ---------- */

function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  const all = [...new Set(given.getAll('m').map((slug) => slug.slice(0, 200)))];
  const [known, unknown] = [true, false].map((wanted) => all.filter((slug) => index.has(slug) === wanted));
  state = { m: known.slice(0, most) };
  for (const key of kept) state[key] = given.get(key)?.slice(0, 200);
  message = unknown.length ? `There is no submission ${unknown.slice(0, 20).join(', ')} on this site. ` : '';
  if (known.length > most) message += `At most ${most} are compared; left out: ${known.slice(most).map((slug) => index.get(slug)[1]).join(', ')}.`;
  return show();
}

function change(next, words = '') {
  state.m = next;
  message = words;
  return show();
}

async function show() {
  delete document.body.dataset.shown;
  await Promise.all(state.m.map(load));
  const tables = state.m.flatMap((slug) => loaded.get(slug)?.runs.map((run) => run.classes?.table)).filter(Boolean);
  await Promise.all(tables.map((table) => load(`classes.${table}`)));
  draw();
  document.body.dataset.shown = state.m.length;
}

function draw() {
  const models = state.m.map((slug) => loaded.get(slug)).filter(Boolean);
  const base = models.find((data) => data.slug === state.base) ?? models[0];
  const name = (data) => `${models.indexOf(data) + 1} ${data.title}`;
  by('said').textContent = message || (models.length === 1 ? 'Add one more to compare it with.' : '');
  by('empty').hidden = models.length;
  by('side').hidden = !models.length;
  by('gaps').hidden = models.length < 2;
  sideBySide(models, base);
  const count = ([id]) => models.filter((data) => top1Of(data, id)).length;
  const protocol = choose('p', protocols.filter((pair) => count(pair) > 1).sort((one, other) => count(other) - count(one)));
  document.querySelector('#gaps .none').hidden = protocol;
  document.querySelector('#gaps .scroll').hidden = !protocol;
  differences(models, base, protocol, name);
  classes(models, protocol, name);
  cost(models, protocol, name);
  const hash = new URLSearchParams(state.m.map((slug) => ['m', slug]));
  for (const key of kept) if (state[key]) hash.set(key, state[key]);
  history.replaceState(null, '', state.m.length ? `#${hash}` : location.pathname);
}

/* ---------- controls ---------- */

const field = by('find');

function matches() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = ([slug, title, team]) => !state.m.includes(slug) && words.every((word) => `${title} ${team}`.toLowerCase().includes(word));
  return words.length ? [...index.values()].filter(fits).slice(0, 8) : [];
}

function add(row) {
  field.value = '';
  suggest();
  field.focus();
  if (state.m.length < most) change([...state.m, row[0]]);
  else change(state.m, `${most} submissions are compared already; remove one before you add ${row[1]}.`);
}

function suggest() {
  const found = matches();
  by('none').hidden = found.length || !field.value.trim();
  put('#found', found.map((row) => {
    const button = h('button', { type: 'button' }, bdi(row[1]), ' ', h('span', { class: 'team' }, bdi(row[2])));
    button.onclick = () => add(row);
    return h('li', {}, button);
  }));
}

field.oninput = suggest;
field.onkeydown = (event) => {
  const [first] = matches();
  if (event.key === 'Enter' && first) add(first);
};
for (const id of kept.slice(1))
  by(id).onchange = () => {
    state[id] = by(id).value;
    draw();
  };
addEventListener('hashchange', () => location.hash.includes('=') && read());
addEventListener('DOMContentLoaded', read); // the search index is the next script
