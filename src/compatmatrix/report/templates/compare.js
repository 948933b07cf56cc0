"use strict";
// Any two versions: the kinds are those of `compatmatrix diff`, and are defined there; see report/diff.py.
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("compare-data").textContent), form = $("compare-form"), out = $("compare-answer");
  const { from, to } = form.elements, versions = [...from.options].map((one) => one.value), PASS = data.outcomes.findIndex((one) => one[2] === "pass");
  const kinds = [...document.querySelectorAll(".compare-meaning div")].map((one) => [one.children[0].textContent, one.children[1].textContent]);
  const LISTED = ["breaks", "fixes", "otherwise", "changed", "unknown"], LINKS = 400;
  const codes = data.codes.map((code) => code.split(" ").flatMap((word) => {
    const [did, times] = word.split("x");
    return Array(Number(times || 1)).fill(did.split(".").map(Number));
  }));
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const mark = (at) => {
    const [glyph, word, css] = data.outcomes[at];
    return make("span", { class: `m ${css}` }, make("i", { "aria-hidden": "true" }, glyph), ` ${word}`);
  };
  const kind = (a, b) => {
    if (!data.outcomes[a[0]][3] || !data.outcomes[b[0]][3]) return "unknown";
    if ((a[0] === PASS) !== (b[0] === PASS)) return a[0] === PASS ? "breaks" : "fixes";
    if (a[0] !== b[0] || a[1] !== b[1]) return a[0] === PASS ? "changed" : "otherwise";
    return a[2] === b[2] ? "same" : "inside";
  };

  // -- cells of one kind, those of a scenario that went the same way on one line
  const list = (found, version) => {
    const lines = new Map();
    for (const { row, a, b } of found.slice(0, LINKS)) {
      const [, scenario, label] = /^([^[]*)(.*)$/.exec(row.tr.id), key = [scenario, a[0], b[0]].join(" ");
      if (!lines.has(key)) {
        const way = a[0] === b[0] ? [mark(b[0])] : [mark(a[0]), " → ", mark(b[0])];
        lines.set(key, make("li", {}, make("code", {}, scenario), " ", ...way));
      }
      lines.get(key).append(" ", make("a", { class: "pill", href: `#${row.tr.id}@${version.replace(/\s+/g, "_")}` }, make("bdi", {}, label || "cell")));
    }
    const more = found.length > LINKS ? [make("li", { class: "muted" }, `and ${found.length - LINKS} more: compatmatrix diff lists them`)] : [];
    return make("ul", {}, ...lines.values(), ...more);
  };
  const draw = () => {
    const x = from.selectedIndex, y = to.selectedIndex, found = new Map(kinds.map(([name]) => [name, []]));
    data.rows.forEach((code, at) => {
      const a = codes[code][x], b = codes[code][y];
      found.get(kind(a, b)).push({ row: grid.rows[at], a, b });
    });
    const told = kinds.map(([name], at) => found.get(name).length && `${found.get(name).length} ${data.words[at]}`).filter(Boolean).join(", ");
    const stands = [...new Set([x, y])].map((at) => document.querySelectorAll(".matrix thead th")[at + 1].querySelector(".sub")).map((one, at) => one && `${versions[[x, y][at]]}: ${one.textContent}`).filter(Boolean);
    $("compare-command").textContent = `compatmatrix diff --versions ${versions[x]} ${versions[y]}`;
    out.replaceChildren(
      make("p", { class: "compare-sentence" }, `${data.rows.length} cells: ${told}.`),
      ...stands.map((text) => make("p", { class: "muted small" }, text)),
      ...kinds.filter(([name]) => LISTED.includes(name) && found.get(name).length).map(([name, meaning]) => {
        const fold = make("details", { "data-kind": name }, make("summary", {}, make("b", {}, String(found.get(name).length)), ` ${name} `, make("span", { class: "muted" }, meaning)));
        fold.addEventListener("toggle", () => { if (fold.open && fold.children.length < 2) fold.append(list(found.get(name), versions[y])); });
        fold.open = name === "breaks";
        return fold;
      }),
    );
  };
  const update = () => {
    const at = (name, otherwise) => { const index = versions.indexOf(page.get(name)); return index < 0 ? otherwise : index; };
    const key = [at("from", Math.max(versions.length - 2, 0)), at("to", versions.length - 1)];
    if (form.hidden || from.selectedIndex !== key[0] || to.selectedIndex !== key[1]) {
      [from.selectedIndex, to.selectedIndex] = key;
      form.hidden = false;
      draw();
    }
  };
  const pick = () => { draw(); page.put({ from: from.value, to: to.value }); };
  form.addEventListener("change", pick);
  form.addEventListener("submit", (event) => event.preventDefault());
  $("compare-swap").addEventListener("click", () => { [from.selectedIndex, to.selectedIndex] = [to.selectedIndex, from.selectedIndex]; pick(); });
  out.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();  // a plain anchor would drop what is compared
    page.go(page.anchorOf(link));
  });
  $("compare-neighbours").open = false;
  page.on(update);
  update();
})();
