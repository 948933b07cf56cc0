"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const form = $("filters"), shown = $("shown"), none = $("none"), unfold = $("unfold");
  const table = document.querySelector(".matrix");
  // The address is #ANCHOR?FILTERS; with no filters it is a plain anchor, which works without this script too.
  const FILTERS = /^(?:family|outcome|news|q)=/;
  let state = { anchor: "", filters: new URLSearchParams() }, filled = false;

  const rows = [], bodies = [];
  for (const body of table.tBodies) {
    if (body.classList.contains("f")) { bodies.push({ body, family: body.dataset.family, head: true }); continue; }
    const entry = { body, family: body.dataset.family, fold: body.querySelector("details"), rows: [], auto: false };
    const about = (body.id.slice(9) + " " + body.querySelector(".t").textContent).toLowerCase();
    for (const tr of body.querySelectorAll("tr.v")) {
      const cells = [...tr.cells].slice(1).map((td) => ({ td, set: new Set(td.classList) }));
      const row = { tr, cells, text: about + " " + tr.id.toLowerCase() };
      entry.rows.push(row); rows.push(row);
    }
    entry.about = about; bodies.push(entry);
  }

  const parse = () => {
    let hash = location.hash.slice(1);
    try { hash = decodeURIComponent(hash); } catch { /* a bare % is part of the text */ }
    const raw = location.hash.slice(1), at = raw.lastIndexOf("?");
    if (at >= 0 && FILTERS.test(raw.slice(at + 1))) {
      return { anchor: hash.slice(0, hash.lastIndexOf("?")), filters: new URLSearchParams(raw.slice(at + 1)) };
    }
    return { anchor: hash, filters: new URLSearchParams() };
  };
  const address = (anchor, filters) => {
    const query = filters.toString();
    return "#" + encodeURI(anchor).replace(/%5B/g, "[").replace(/%5D/g, "]") + (query ? "?" + query : "");
  };
  const read = () => {
    const found = new URLSearchParams(), data = new FormData(form);
    for (const name of ["q", "family", "outcome", "news"]) {
      const values = data.getAll(name).filter(Boolean);
      if (values.length) found.set(name, values.join(","));
    }
    return found;
  };
  const fill = (filters) => {
    form.elements.q.value = filters.get("q") || "";
    form.elements.family.value = filters.get("family") || "";
    for (const name of ["outcome", "news"]) {
      const wanted = (filters.get(name) || "").split(",");
      for (const box of form.querySelectorAll(`input[name=${name}]`)) box.checked = wanted.includes(box.value);
    }
  };
  const list = (filters, name) => (filters.get(name) || "").split(",").filter(Boolean);

  const apply = (filters) => {
    const words = (filters.get("q") || "").toLowerCase().split(/\s+/).filter(Boolean);
    const family = filters.get("family") || "", outcomes = list(filters, "outcome"), news = list(filters, "news");
    const byCell = outcomes.length > 0 || news.length > 0;
    const fits = (cell) => (!outcomes.length || outcomes.some((o) => cell.set.has(o))) && (!news.length || news.some((n) => cell.set.has("n-" + n)));
    let count = 0, head = null, any = false;
    const finish = () => { if (head) head.body.hidden = !any; };
    for (const entry of bodies) {
      if (entry.head) { finish(); head = entry; any = false; continue; }
      const inFamily = !family || entry.family === family;
      const byTitle = words.every((word) => entry.about.includes(word));
      let some = 0;
      for (const row of entry.rows) {
        let ok = inFamily && words.every((word) => row.text.includes(word));
        if (byCell) {
          let hit = false;
          for (const cell of row.cells) {
            const fit = ok && fits(cell);
            hit = hit || fit;
            if (cell.dim !== (ok && !fit)) { cell.dim = ok && !fit; cell.td.classList.toggle("dim", cell.dim); }
          }
          ok = hit;
        } else {
          for (const cell of row.cells) if (cell.dim) { cell.dim = false; cell.td.classList.remove("dim"); }
        }
        if (row.tr.hidden === ok) row.tr.hidden = !ok;
        some += ok;
      }
      count += some; any = any || some > 0;
      entry.body.hidden = !some;
      const open = some > 0 && (byCell || (words.length > 0 && !byTitle));
      if (open && !entry.fold.open) { entry.fold.open = entry.auto = true; }
      else if (!open && entry.auto) { entry.fold.open = entry.auto = false; }
    }
    finish();
    shown.value = count === rows.length ? `${count} variants` : `${count} of ${rows.length} variants`;
    none.hidden = count > 0;
  };

  // -- what the address names: an element, or a cell, CELL@VERSION, whose details are in another page
  const cellOf = (anchor) => {
    const row = $(anchor.slice(0, Math.max(anchor.lastIndexOf("@"), 0)));
    return row && [...row.querySelectorAll("td a")].find((link) => anchorOf(link) === anchor);
  };
  const anchorOf = (link) => {
    const raw = link.getAttribute("href").split("#")[1] || "";
    try { return decodeURIComponent(raw); } catch { return raw; }
  };
  const show = (anchor) => {
    for (const marked of table.querySelectorAll(".at")) marked.classList.remove("at");
    const link = anchor && !$(anchor) && cellOf(anchor), target = link ? link.closest("tr") : anchor && $(anchor);
    if (!target) return;
    if (link) link.parentElement.classList.add("at");
    if (target.matches(".v")) {
      target.classList.add("at");
      const body = target.closest("tbody");
      if (!body.classList.contains("one")) body.querySelector("details").open = true;
    }
    const fold = target.matches("details") ? target : target.matches(".s") && target.querySelector("details");
    if (fold) fold.open = true;
    if (link) link.focus({ preventScroll: true });
    if (link || target.matches(".v")) target.scrollIntoView({ block: "center" });
    else if (fold || state.filters.toString()) target.scrollIntoView();
  };
  const update = () => {
    const before = state.filters.toString();
    state = parse();
    if (state.filters.toString() !== before || !filled) { fill(state.filters); apply(state.filters); filled = true; }
    show(state.anchor);
  };

  form.addEventListener("input", () => {
    state.filters = read(); apply(state.filters);
    history.replaceState(null, "", state.anchor || state.filters.toString() ? address(state.anchor, state.filters) : location.pathname + location.search);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => form.dispatchEvent(new Event("input"))));
  unfold.addEventListener("click", () => {
    const open = unfold.textContent === "Unfold all";
    for (const entry of bodies) if (entry.fold) { entry.fold.open = open; entry.auto = false; }
    unfold.textContent = open ? "Fold all" : "Unfold all";
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const href = link.getAttribute("href");
    if (href.startsWith("#") && state.filters.toString() && $(anchorOf(link))) {
      event.preventDefault();  // a plain anchor would drop the filters
      history.pushState(null, "", address(anchorOf(link), state.filters));
      update();
    } else if (href.startsWith("details/")) {
      // The way back leads to where one left: to the cell, or to the opened cause.
      const fold = link.closest("details[id]"), anchor = link.closest("td") ? anchorOf(link) : fold ? fold.id : state.anchor;
      history.replaceState(null, "", address(anchor, state.filters));
    }
  });
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const td = step && event.target.closest && event.target.closest(".matrix td");
    if (!td || event.altKey || event.ctrlKey || event.metaKey) return;
    const visible = rows.filter((row) => row.tr.offsetParent !== null);
    const at = visible.findIndex((row) => row.tr === td.parentElement), column = td.cellIndex - 1;
    const next = visible[at + step[0]] && visible[at + step[0]].cells[column + step[1]];
    if (next) { event.preventDefault(); next.td.firstElementChild.focus(); }
  });
  addEventListener("hashchange", update);
  addEventListener("popstate", update);
  form.hidden = false;
  update();
})();
