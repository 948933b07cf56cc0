"use strict";
// The table as runs: neighbouring versions that joined, row by row; drawn as ranges or version by version.
const grid = (() => {
  const table = document.querySelector(".matrix");
  const heads = [...table.tHead.rows[0].cells].slice(1).map((th) => ({ th, link: th.querySelector("a"), sub: [...th.querySelectorAll(".sub")].map((one) => one.textContent).join() }));
  const names = heads.map((head) => head.link.textContent);
  const dense = "dense" in table.dataset;
  const entries = [], rows = [], sums = [];

  const read = (tr) => {
    const runs = [];
    let at = 0;
    for (const td of [...tr.cells].slice(1)) {
      const set = new Set(td.classList), count = td.colSpan;
      if (![...set].some((one) => one.length > 1 && !one.startsWith("n-"))) set.add("pass");  // a pass has no class of its own
      const minor = td.dataset.m ? td.dataset.m.split(" ").map(Number) : set.has("m") ? [0] : [];
      let run = runs[runs.length - 1];
      if (!set.has("j") || !run) runs.push(run = { from: at, count: 0, td, set, minor: [], tds: [], hit: false });
      run.minor.push(...minor.map((one) => one + run.count));
      run.tds.push({ td, first: at, last: at + count - 1 });
      run.count += count;
      at += count;
    }
    return { tr, runs, drawn: 0 };
  };
  for (const body of table.tBodies) {
    const family = body.dataset.family;
    if (body.classList.contains("f")) { entries.push({ body, family, head: true, cell: body.rows[0].cells[0] }); continue; }
    const about = (body.id.slice(9) + " " + body.querySelector(".t").textContent).toLowerCase();
    const entry = { body, family, about, fold: body.querySelector("details"), rows: [], sum: null, single: body.classList.contains("one"), auto: false };
    for (const tr of body.rows) {
      const row = read(tr);
      if (tr.classList.contains("v")) { row.text = about + " " + tr.id.toLowerCase(); row.entry = entry; entry.rows.push(row); rows.push(row); } else { entry.sum = row; sums.push(row); }
    }
    entries.push(entry);
  }

  let ranges = dense, visible = names.map(() => true), starts = names.map(() => true), key = [dense, ...visible, ...starts].join(), stamp = 0;

  const cell = (run, first, last, span) => {
    const td = run.td.cloneNode(true), link = td.querySelector("a"), old = td.querySelector(".r");
    if (old) old.remove();
    if (link) link.setAttribute("href", link.getAttribute("href").replace(/@[^@]*$/, "@" + encodeURIComponent(names[first].replace(/\s+/g, "_"))));
    if (first !== last) {
      const range = document.createElement("small");
      range.className = "r"; range.textContent = `${names[first]}–${names[last]}`;
      (link || td).append(" ", range);
    }
    td.colSpan = span;
    td.classList.toggle("m", run.minor.some((one) => one + run.from >= first && one + run.from <= last));
    td.classList.toggle("d", run.set.has("d") && first === run.from);
    td.classList.toggle("hit", run.hit);
    return { td, first, last };
  };
  const draw = (row) => {
    if (row.drawn === stamp) return;
    row.drawn = stamp;
    const cells = [row.tr.cells[0]];
    for (const run of row.runs) {
      run.tds = [];
      let first = -1, last = -1, span = 0;
      for (let at = run.from; at < run.from + run.count; at++) {
        if (!visible[at]) continue;
        if (!ranges) { run.tds.push(cell(run, at, at, 1)); continue; }
        if (first < 0) first = at;
        last = at; span += starts[at];
      }
      if (span) run.tds.push(cell(run, first, last, span));
      for (const one of run.tds) cells.push(one.td);
    }
    row.tr.replaceChildren(...cells);
  };
  const boundaries = () => {
    const found = names.map(() => !ranges);
    if (ranges) {
      for (const row of rows) if (row.ok !== false) for (const run of row.runs) found[run.from] = true;
      for (let at = 1; at < names.length; at++) if (heads[at].sub !== heads[at - 1].sub) found[at] = true;
    }
    // A group starts at its first visible version.
    let open = true;
    return visible.map((shown, at) => { open = open || found[at]; const start = open && shown; if (start) open = false; return start; });
  };
  /** Draws what is shown: columns that are the same in every row shown are one, where ranges are wanted. */
  const layout = () => {
    const now = boundaries(), next = [ranges, ...visible, ...now].join();
    if (next !== key) {
      key = next; starts = now; stamp++;
      let columns = 1;
      for (let at = 0; at < names.length; at++) {
        const { th, link } = heads[at];
        th.hidden = !starts[at];
        if (!starts[at]) continue;
        columns++;
        let last = at;
        for (let to = at + 1; to < names.length && !starts[to]; to++) if (visible[to]) last = to;
        link.textContent = last === at ? names[at] : `${names[at]}–${names[last]}`;
      }
      for (const entry of entries) if (entry.head) entry.cell.colSpan = columns;
      table.style.setProperty("--columns", columns - 1);
    }
    for (const row of rows) if (row.ok !== false) draw(row);
    for (const entry of entries) if (entry.sum && !entry.body.hidden) draw(entry.sum);
  };
  const find = (row, version) => {
    draw(row);
    const at = names.indexOf(version);
    return row.runs.flatMap((run) => run.tds).find((one) => one.first <= at && at <= one.last);
  };
  const columns = () => starts.filter(Boolean).length;
  return {
    table, names, dense, entries, rows, layout, draw, find, columns,
    get ranges() { return ranges; }, set ranges(on) { ranges = on; },
    get visible() { return visible; }, set visible(list) { visible = list; },
  };
})();
