"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const form = $("filters"), shown = $("shown"), none = $("none"), unfold = $("unfold"), picked = $("picked");
  const { table, entries, rows, names } = grid, NAMES = ["q", "family", "outcome", "news", "differs", "since"];
  let filled = null;

  // -- the form, and the values in the address that it stands for
  const read = () => {
    const data = new FormData(form), found = {};
    for (const name of NAMES) found[name] = data.getAll(name).filter(Boolean).join(",");
    const versions = data.getAll("version");
    found.versions = versions.length === names.length || !versions.length ? "" : versions.join(",");
    found.ranges = data.has("ranges") === grid.dense ? "" : data.has("ranges") ? "on" : "off";
    return found;
  };
  const wanted = () => [...NAMES, "versions", "ranges"].map((name) => page.get(name)).join("\n");
  const fill = () => {
    form.elements.q.value = page.get("q");
    form.elements.family.value = page.get("family");
    if (form.elements.since) form.elements.since.value = page.get("since");
    for (const name of ["outcome", "news", "differs"]) {
      const values = page.list(name);
      for (const box of form.querySelectorAll(`input[name=${name}]`)) box.checked = values.includes(box.value);
    }
    const versions = page.list("versions").filter((one) => names.includes(one));
    for (const box of form.querySelectorAll("input[name=version]")) box.checked = !versions.length || versions.includes(box.value);
    form.elements.ranges.checked = page.get("ranges") ? page.get("ranges") === "on" : grid.dense;
  };

  const apply = () => {
    const words = page.get("q").toLowerCase().split(/\s+/).filter(Boolean), family = page.get("family");
    const outcomes = page.list("outcome"), news = page.list("news").map((one) => "n-" + one), differs = page.list("differs");
    const versions = page.list("versions").filter((one) => names.includes(one));
    grid.visible = names.map((name) => !versions.length || versions.includes(name));
    grid.ranges = page.get("ranges") ? page.get("ranges") === "on" : grid.dense;
    const since = form.elements.since ? form.elements.since.selectedIndex : 0;
    const all = !versions.length, byCell = outcomes.length + news.length + differs.length + (since > 0) > 0;
    const runOf = (td) => td.dataset.s ?? td.parentNode.dataset.s;
    const seen = (run) => all || grid.visible.slice(run.from, run.from + run.count).includes(true);
    const fits = (run) => (!outcomes.length || outcomes.some((one) => run.set.has(one))) && (!news.length || news.some((one) => run.set.has(one)))
      && (!differs.length || (differs.includes("clearly") && run.set.has("d")) || (differs.includes("slightly") && run.minor.length > 0))
      && (since < 1 || (runOf(run.td) !== undefined && runOf(run.td) < since)) && seen(run);
    let count = 0, head = null, any = false;
    const finish = () => { if (head) head.body.hidden = !any; };
    for (const entry of entries) {
      if (entry.head) { finish(); head = entry; any = false; continue; }
      const inFamily = !family || entry.family === family, byTitle = words.every((word) => entry.about.includes(word));
      let some = 0;
      for (const row of entry.rows) {
        let ok = inFamily && words.every((word) => row.text.includes(word));
        if (ok && byCell) ok = row.runs.some(fits);
        for (const run of row.runs) {
          const hit = ok && byCell && fits(run);
          if (run.hit !== hit) { run.hit = hit; for (const one of run.tds) one.td.classList.toggle("hit", hit); }
        }
        row.ok = ok;
        if (row.tr.hidden === ok) row.tr.hidden = !ok;
        some += ok;
      }
      count += some; any = any || some > 0;
      if (entry.body.hidden === some > 0) entry.body.hidden = !some;
      const open = some > 0 && !entry.single && (byCell || (words.length > 0 && !byTitle));
      if (open && !entry.fold.open) { entry.fold.open = entry.auto = true; }
      else if (!open && entry.auto) { entry.fold.open = entry.auto = false; }
    }
    finish();
    grid.layout();
    const variants = count === rows.length ? `${count} variants` : `${count} of ${rows.length} variants`, columns = grid.columns();
    const chosen = grid.visible.filter(Boolean).length;
    shown.value = columns < names.length ? `${variants}; ${chosen} of ${names.length} versions in ${columns} ${columns === 1 ? "column" : "columns"}` : variants;
    picked.textContent = chosen === names.length ? `all ${names.length}` : `${chosen} of ${names.length}`;
    none.hidden = count > 0;
  };

  // -- what the address names: an element, or a cell, CELL@VERSION, whose details are in another page
  const byRow = new Map(rows.map((row) => [row.tr.id, row]));
  const byTr = new Map(rows.map((row) => [row.tr, row]));
  const cellOf = (anchor) => {
    const at = anchor.lastIndexOf("@"), row = at > 0 && byRow.get(anchor.slice(0, at));
    return row && grid.find(row, anchor.slice(at + 1));
  };
  const permalink = (td) => {
    const row = byTr.get(td.parentElement), one = row && row.runs.flatMap((run) => run.tds).find((each) => each.td === td);
    return one ? `${row.tr.id}@${names[one.first]}` : "";
  };
  const show = () => {
    const anchor = page.anchor;
    for (const marked of table.querySelectorAll(".at")) marked.classList.remove("at");
    const found = anchor && !$(anchor) && cellOf(anchor), target = found ? found.td.parentElement : anchor && $(anchor);
    if (!target) return;
    if (found) found.td.classList.add("at");
    if (target.matches(".v")) {
      target.classList.add("at");
      const body = target.closest("tbody");
      if (!body.classList.contains("one")) body.querySelector("details").open = true;
    }
    const fold = target.matches("details") ? target : target.matches(".s") && target.querySelector("details");
    if (fold) fold.open = true;
    if (found) found.td.querySelector("a").focus({ preventScroll: true });
    if (found || target.matches(".v")) (found ? found.td : target).scrollIntoView({ block: "center", inline: "nearest" });
    else if (fold || page.any()) target.scrollIntoView();
  };
  const refresh = () => {
    const now = wanted();
    if (now === filled) return;
    filled = now; fill(); apply();
  };
  let last = null;
  const update = () => { refresh(); if (page.anchor !== last) { last = page.anchor; show(); } };

  form.addEventListener("input", () => { const found = read(); page.put(found); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => page.put(Object.fromEntries([...NAMES, "versions", "ranges"].map((name) => [name, ""])))));
  for (const button of form.querySelectorAll("[data-pick]")) {
    button.addEventListener("click", () => {
      for (const box of form.querySelectorAll("input[name=version]")) box.checked = button.dataset.pick === "all";
      page.put(read());
    });
  }
  unfold.addEventListener("click", () => {
    const open = unfold.textContent === "Unfold all";
    for (const entry of entries) if (entry.fold) { entry.fold.open = open; entry.auto = false; }
    unfold.textContent = open ? "Fold all" : "Unfold all";
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const href = link.getAttribute("href"), td = link.closest(".matrix td"), fold = link.closest("details[id]");
    if (href.startsWith("#") && page.any() && $(page.anchorOf(link))) {
      event.preventDefault();  // a plain anchor would drop the filters
      last = null;
      page.go(page.anchorOf(link));
    } else if (href.startsWith("details/")) {
      page.at(td ? permalink(td) : fold ? fold.id : page.anchor);  // the way back leads to where one left
    }
  });
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const td = step && event.target.closest && event.target.closest(".matrix td"), row = td && byTr.get(td.parentElement);
    if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
    const cells = row.runs.flatMap((run) => run.tds), at = cells.findIndex((one) => one.td === td);
    let next = cells[at + step[1]];
    if (step[0]) {
      let to = rows.indexOf(row) + step[0];
      while (rows[to] && rows[to].tr.offsetParent === null) to += step[0];
      next = rows[to] && grid.find(rows[to], names[cells[at].first]);
    }
    if (next && next.td !== td) { event.preventDefault(); next.td.querySelector("a").focus(); }
  });
  // -- which run this is, and whether the next one is late
  const overdue = $("overdue"), other = $("otherrun");
  if (overdue) {
    const days = (Date.now() - new Date(document.querySelector("time").dateTime)) / 864e5;
    overdue.querySelector("span").textContent = Math.floor(days);
    overdue.hidden = days <= overdue.dataset.days;
  }
  const whichRun = () => {
    const run = page.get("run"), link = other.querySelector("a");
    other.hidden = !run || run === other.dataset.run;
    if (other.hidden) return;
    other.querySelector("b + b").textContent = run;
    link.hidden = !form.elements.since || ![...form.elements.since.options].some((option) => option.value === run);
    link.setAttribute("href", `runs/${encodeURIComponent(run)}.json`);
  };
  page.on(whichRun);
  whichRun();
  page.on(update);
  form.hidden = false;
  update();
  if (!filled) refresh();
})();
