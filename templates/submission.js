'use strict';

// Copying, and the search over all classes, whose counts come from the file that the compare page reads.

for (const button of document.querySelectorAll('.copy')) {
  const text = button.parentNode.nextElementSibling;
  button.onclick = () =>
    navigator.clipboard.writeText(text.textContent).then(
      () => (button.textContent = 'Copied'),
      () => getSelection().selectAllChildren(text), // refused: Ctrl+C takes it from here
    );
}

const names = {};
let runs;
globalThis.benchCompare = (data) => (runs = data.runs);
globalThis.benchClasses = (table, classes) => (names[table] = classes);

const load = (file) =>
  new Promise((done) => {
    const script = document.createElement('script');
    script.src = `../compare/${file}.js`;
    script.onload = script.onerror = done;
    document.head.append(script);
  });

for (const box of document.querySelectorAll('.class-search')) {
  const { slug, protocol, table } = box.dataset;
  const [field, said, list] = box.querySelectorAll('input, p, ul');
  let loading;
  field.oninput = async () => {
    await (loading ??= load(slug).then(() => load(`classes.${table}`)));
    const { total, right } = runs.find((run) => run.protocol === protocol).classes;
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const lines = names[table].map(([wnid, name], i) => `${name} (${wnid}): ${((100 * right[i]) / total[i]).toFixed(2)}%, ${right[i]} of ${total[i]}`);
    const found = lines.filter((line, i) => total[i] && words.every((word) => names[table][i].join(' ').toLowerCase().includes(word)));
    said.textContent = words.length ? `${found.length} of ${lines.length} classes${found.length > 50 ? ', the first 50:' : ''}` : '';
    list.replaceChildren(
      ...found.slice(0, words.length && 50).map((line) => {
        const item = document.createElement('li');
        item.textContent = line;
        return item;
      }),
    );
  };
}
