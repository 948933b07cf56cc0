"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const form = $("filters"), shown = $("shown"), none = $("none"), unfold = $("unfold");
  const table = document.querySelector(".matrix");
  // The address is #ANCHOR?FILTERS; with no filters it is a plain anchor, which works without this script too.
  const FILTERS = /^(?:family|outcome|news|q)=/;
  let state = { anchor: "", filters: new URLSearchParams() }, opened = null, from = null, quiet = false;

  const rows = [], bodies = [];
  for (const body of table.tBodies) {
    if (body.classList.contains("f")) { bodies.push({ body, family: body.dataset.family, head: true }); continue; }
    const entry = { body, family: body.dataset.family, fold: body.querySelector("details"), rows: [], auto: false };
    const about = (body.id.slice(9) + " " + body.querySelector(".t").textContent).toLowerCase();
    for (const tr of body.querySelectorAll("tr.v")) {
      const cells = [...tr.cells].slice(1).map((td) => ({ td, set: new Set(td.classList) }));
      const row = { tr, cells, text: about + " " + tr.id.slice(4).toLowerCase() };
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

  // -- the drill-down
  const linkOf = (anchor) => {
    for (const link of table.querySelectorAll("td a")) if (link.getAttribute("href") === address(anchor, new URLSearchParams())) return link;
    return null;
  };
  const show = (anchor) => {
    const target = anchor && $(anchor), panel = target && target.closest(".p");
    for (const marked of document.querySelectorAll(".at")) marked.classList.remove("at");
    if (opened && opened !== panel) opened.classList.remove("open");
    const was = opened;
    opened = panel || null;
    if (panel) {
      panel.classList.add("open");
      if (target !== panel) target.classList.add("at");
      const link = linkOf(anchor);
      if (link) {
        link.parentElement.classList.add("at");
        const fold = link.closest("tbody").querySelector("details");
        if (!link.closest("tbody").classList.contains("one")) fold.open = true;
      }
      if (!from && link) from = link;
      for (const pre of panel.querySelectorAll(".cmd")) command(pre, target);
      panel.querySelector("h3").focus({ preventScroll: true });
      if (link && !was) link.scrollIntoView({ block: "nearest" });
    } else {
      if (was && from) from.focus({ preventScroll: true });
      from = null;
      const fold = target && (target.matches("details") ? target : target.matches(".s") && target.querySelector("details"));
      if (fold) { fold.open = true; if (target.matches("details")) target.querySelector("summary").focus({ preventScroll: true }); }
      if (target && state.filters.toString()) target.scrollIntoView();
    }
  };
  const command = (pre, target) => {
    const version = target.matches("span") && target.textContent;
    const name = pre.lastChild;  // the page names the worst version; say the one that was asked for
    if (version && /^[\w.+-]+$/.test(version)) {
      name.data = name.data.replace(/(--versions) \S+/, "$1 " + version);
    }
    copyable(pre);
  };
  const copyable = (pre) => {
    if (!navigator.clipboard || pre.querySelector("button")) return;
    const button = document.createElement("button");
    button.type = "button"; button.textContent = "Copy";
    button.addEventListener("click", () => navigator.clipboard.writeText(pre.lastChild.data).then(() => { button.textContent = "Copied"; }, () => { button.textContent = "Not allowed"; }));
    pre.prepend(button);
  };
  const close = () => { go(""); };
  const go = (anchor, push = true) => {
    const next = address(anchor, state.filters), bare = next === "#";
    history[push ? "pushState" : "replaceState"](null, "", bare ? location.pathname + location.search : next);
    update();
  };
  const update = () => {
    const before = state.filters.toString();
    state = parse();
    if (state.filters.toString() !== before || quiet === false) { fill(state.filters); apply(state.filters); quiet = true; }
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
    const link = event.target.closest && event.target.closest('a[href^="#"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    if (link.matches(".x")) { event.preventDefault(); close(); return; }
    let anchor = link.getAttribute("href").slice(1);
    try { anchor = decodeURIComponent(anchor); } catch { /* as it is */ }
    const target = $(anchor);
    if (!target) return;
    const panel = target.closest(".p");
    if (panel && !link.closest(".p")) from = link;
    if (panel || state.filters.toString()) {
      event.preventDefault(); go(anchor);
      if (!panel) target.scrollIntoView();
    } else if (opened) { from = null; }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && opened) { event.preventDefault(); close(); return; }
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
