"use strict";
// Which version to pin. The rules are those of `compatmatrix pin`: the data has them applied to each scenario and
// version; here they are added up, and the fewest versions are chosen.
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("pin-data").textContent), form = $("pin-form"), out = $("pin-answer");
  const versions = data.versions.map(([name, label, requirement, note, column, lock, number]) => ({ name, label, requirement, note, column, lock, number }));
  const scenarios = data.scenarios.map(([id, cells, file], at) => {
    const states = [];
    for (let i = 0; i < data.rows[at].length; i += 2) for (let n = data.rows[at][i + 1]; n > 0; n--) states.push(data.states[data.rows[at][i]]);
    return { id, cells, at, family: id.split("/")[0], file: file || `details/${id.replace("/", ".")}.html`, states };
  });
  const families = [...new Set(scenarios.map((one) => one.family))];
  const STEPS = 200000;

  // -- the form: a family is one need, and so is a scenario of a family that is not ticked as a whole
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const tick = (value, ...text) => make("label", { class: "tick" }, make("input", { type: "checkbox", name: "need", value }), " ", ...text);
  const plural = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;
  for (const family of families) {
    const own = scenarios.filter((one) => one.family === family);
    const picks = own.map((one) => tick(one.id, one.id.slice(family.length + 1) || one.id, " ", make("small", {}, String(one.cells))));
    const fold = make("details", {}, make("summary", {}, `single scenarios of ${family} (${own.length})`), make("div", { class: "pin-ticks" }, ...picks));
    $("pin-needs").append(make("div", { class: "pin-family" }, tick(family, make("b", {}, family), " ", make("small", {}, plural(own.reduce((sum, one) => sum + one.cells, 0), "cell"))), fold));
  }
  const boxes = [...form.querySelectorAll("input[name=need]")];
  const ticked = () => {
    const on = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    return families.flatMap((family) => on.has(family) ? [family] : scenarios.filter((one) => one.family === family && on.has(one.id)).map((one) => one.id));
  };

  // -- the evidence of one need in one version
  const worse = (a, b) => !b || (a && (a[0] - b[0] || a[5] - b[5] || a[1] - b[1]) < 0) ? a : b;
  const weigh = (need, v, accept) => {
    const sum = { need, works: 0, risk: 0, against: 0, open: 0, skipped: 0, cells: 0, first: 0 };
    let firstOpen = 0;
    for (const one of scenarios) {
      if (one.family !== need && one.id !== need) continue;
      const [works, known, against, open, skipped, ...worst] = one.states[v];
      const [ofKnown, ofAgainst, ofOpen] = worst.map((cell) => cell && [...cell, one.at]);
      sum.works += works; sum.open += open; sum.skipped += skipped; sum.cells += one.cells;
      sum.against += against + (accept ? 0 : known); sum.risk += accept ? known : 0;
      sum.first = worse(ofAgainst, sum.first);
      if (!accept) sum.first = worse(ofKnown, sum.first);
      firstOpen = worse(ofOpen, firstOpen);
    }
    sum.first = sum.first || firstOpen;
    sum.blockers = sum.against + sum.open;
    sum.serves = !sum.blockers && sum.works > 0;
    return sum;
  };

  // -- the fewest rows that together have every column: the first such set in the order of the rows; null: too many
  const cover = (serves, count) => {
    const useful = serves.map((row, i) => row.some(Boolean) && !serves.some((other, j) => j < i && row.every((yes, n) => !yes || other[n])) ? i : -1).filter((i) => i >= 0);
    const rest = useful.map((_, at) => serves[0].map((__, n) => useful.slice(at).some((i) => serves[i][n])));
    let steps = 0;
    const search = (at, left, open) => {
      if (!open.length) return [];
      if (!left || ++steps > STEPS) return null;
      for (let i = at; i < useful.length; i++) {
        if (!open.every((n) => rest[i][n])) return null;
        const row = serves[useful[i]], still = open.filter((n) => !row[n]);
        if (still.length === open.length) continue;
        const found = search(i + 1, left - 1, still);
        if (found) return [useful[i], ...found];
        if (steps > STEPS) return null;
      }
      return null;
    };
    const all = [...Array(count).keys()];
    for (let size = 1; size <= useful.length && steps <= STEPS; size++) {
      const found = search(0, size, all);
      if (found) return found;
    }
    return null;
  };

  const advise = (needs, prefer, accept) => {
    const order = versions.map((_, i) => i);
    if (prefer === "oldest") order.reverse();
    const found = order.map((v) => needs.map((need) => weigh(need, v, accept)));
    const served = needs.map((_, n) => n).filter((n) => found.some((row) => row[n].serves));
    const serves = found.map((row) => served.map((n) => row[n].serves));
    const single = serves.findIndex((row) => row.length && row.every(Boolean));
    const chosen = !served.length ? [] : single >= 0 ? [single] : cover(serves, served.length);
    const environment = (at) => {
      const own = found[at].filter((one) => one.serves), places = found[at].map((one, n) => one.serves ? n : -1).filter((n) => n >= 0);
      const risky = accept ? scenarios.filter((one) => own.some((each) => each.need === one.family || each.need === one.id) && one.states[order[at]][1]) : [];
      return { version: versions[order[at]], evidence: own, risks: risky.map((one) => [one.states[order[at]][1], [...one.states[order[at]][5], one.at]]), admissible: order.filter((_, i) => places.every((n) => found[i][n].serves)).map((v) => versions[v]) };
    };
    const rejected = order.map((v, i) => ({ version: versions[v], failed: found[i].filter((one) => !one.serves) })).filter((one) => one.failed.length).map((one) => {
      const against = one.failed.filter((each) => each.against), from = against.length ? against : one.failed;
      return { ...one, ruledOut: against.length > 0, first: from.reduce((first, each) => worse(each.first, first), 0), blockers: one.failed.reduce((sum, each) => sum + each.blockers, 0) };
    });
    const unserved = needs.map((need, n) => ({ need, n })).filter(({ n }) => !served.includes(n)).map(({ need, n }) => {
      const far = (row) => [row[n].works ? 0 : 1, row[n].blockers];
      let best = -1;
      for (let i = 0; i < found.length; i++) if (best < 0 || far(found[i])[0] - far(found[best])[0] < 0 || (far(found[i])[0] === far(found[best])[0] && far(found[i])[1] < far(found[best])[1])) best = i;
      return { need, closest: best < 0 ? null : versions[order[best]], evidence: best < 0 ? null : found[best][n] };
    });
    return { needs, prefer, accept, unserved, rejected, tooMany: chosen === null, environments: (chosen || []).map(environment), admissible: order.filter((_, i) => found[i].every((one) => one.serves)).map((v) => versions[v]) };
  };

  // -- the answer in words, as the command says it
  const sentence = (advice) => {
    const count = advice.needs.length, all = count === 1 ? "the need" : count === 2 ? "both needs" : `all ${count} needs`;
    const pins = advice.environments.map((one) => one.version.requirement);
    if (advice.tooMany) return "There are too many versions and needs to find the smallest set here; the command finds it.";
    if (!versions.length) return "The run measured no version: nothing is known.";
    if (advice.unserved.length) return `No tested version serves ${advice.unserved.map((one) => one.need).join(", ")}${pins.length ? `; for the rest of the needs pin ${pins.join(" and ")}` : ""}.`;
    if (pins.length > 1) return `No single version serves ${all}: it takes ${pins.length} environments, ${pins.join(", ")}.`;
    const sum = (name) => advice.environments[0].evidence.reduce((all, one) => all + one[name], 0), risks = sum("risk"), skipped = sum("skipped");
    const how = advice.admissible.length === 1 ? `the only tested version that serves ${all}` : `the ${advice.prefer} of ${advice.admissible.length} tested versions that serve ${all}`;
    return `Pin ${pins[0]}: ${how}${risks ? `, with ${plural(risks, "accepted risk")}` : ""}${skipped ? `; ${plural(skipped, "cell")} could not be tested` : ""}${otherwise(advice.environments[0]).length ? "; only with this lock" : ""}.`;
  };
  const counted = (one) => {
    const told = [[one.works, "passed"], [one.risk, "accepted"], [one.against, "against it"], [one.open, "without an answer"], [one.skipped, "skipped"]].filter(([number]) => number);
    return `${plural(one.cells, "cell")}: ${told.map(([number, word]) => `${number} ${word}`).join(", ")}`;
  };
  // Two columns may hold one number with different locks: it counts only where all of them are in the list.
  const releases = (list) => data.numbers.filter((number) => versions.every((one) => one.number !== number || list.includes(one)));
  const otherwise = (one) => versions.filter((each) => each.number && each.number === one.version.number && !one.admissible.includes(each));
  const between = (list) => list.slice(1).map((above, i) => `${list[i]} < version < ${above}`);
  const span = (list) => {
    const good = releases(list);
    if (good.length < 2) return null;
    const within = data.numbers.slice(data.numbers.indexOf(good[0]), data.numbers.indexOf(good[good.length - 1]) + 1);
    const bad = within.filter((number) => !good.includes(number)).map((number) => `,!=${number}`).join("");
    return { text: `transformers>=${good[0]}${bad},<=${good[good.length - 1]}`, gaps: between(within) };
  };
  const renovate = (one) => {
    const rule = { description: `Only versions that compatmatrix tested and that serve ${one.evidence.map((each) => each.need).join(", ")}`, matchDatasources: ["pypi"], matchPackageNames: ["transformers"] };
    const numbers = releases(one.admissible);
    if (one.version.number && numbers.length) rule.allowedVersions = `/^(?:${numbers.map((number) => number.replace(/[.+!-]/g, "\\$&")).join("|")})$/`;
    else rule.enabled = false;
    return JSON.stringify({ packageRules: [rule] }, null, 2);
  };
  const quoted = (text) => /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'"'"'`)}'`;
  const command = (advice) => ["compatmatrix pin", ...advice.needs.map((need) => `--need ${quoted(need)}`), ...(advice.prefer === "oldest" ? ["--prefer oldest"] : []), ...(advice.accept ? ["--allow-known '*'"] : []), "--output pins"].join(" ");

  const code = (text) => make("code", {}, text);
  const link = (first, version) => {
    const [outcome, , label, issue, flaky, at] = first, one = scenarios[at], own = data.labels[label] || one.id.split("/").pop();
    const href = `${one.file}#${encodeURIComponent(own.replace(/\s+/g, "_"))}@${encodeURIComponent(version.column)}`;
    return [make("a", { href }, make("bdi", {}, one.id + data.labels[label])), ` ${flaky ? "flaky" : data.outcomes[outcome]}${issue >= 0 ? `, known issue ${data.issues[issue]}` : ""}`];
  };
  const list = (items) => make("ul", {}, ...items);
  const item = (...parts) => make("li", {}, ...parts);
  const drawEnvironment = (one) => {
    const { version } = one, numbers = releases(one.admissible), range = span(one.admissible), skipped = one.evidence.reduce((sum, each) => sum + each.skipped, 0);
    const lines = one.evidence.map((each) => item("serves ", code(each.need), `, ${counted(each)}`));
    if (version.note) lines.push(item(version.note));
    if (skipped) lines.push(item(`${plural(skipped, "cell")} could not be tested on the machine of this run (skipped): untested, neither for nor against it`));
    const others = otherwise(one).map((each) => each.column);
    if (others.length) lines.push(item(`Only with this lock: with the lock of column ${others.join(", ")} it does not serve this.`));
    if (numbers.length > 1) lines.push(item("tested and admissible: ", code(`transformers in {${numbers.join(", ")}}`)));
    if (range) lines.push(item("as a range ", code(range.text), " takes in what was not tested: ", range.gaps.join(", ")));
    if (version.lock) lines.push(item(make("a", { href: version.lock }, "constraints with hashes"), ": the lock that was tested"));
    const risks = one.risks.map(([count, first]) => item(...link(first, version), count > 1 ? `; and ${plural(count - 1, "more cell")} of this scenario` : ""));
    if (risks.length) lines.push(item(make("details", {}, make("summary", {}, "accepted risks, by scenario"), list(risks))));
    const more = make("details", {}, make("summary", {}, "Lines for pyproject.toml and for Renovate"), make("pre", { tabindex: "0" }, `[project]\ndependencies = ["${version.requirement}"]`), make("pre", { tabindex: "0" }, renovate(one)));
    return make("div", { class: "pin-one" }, make("h3", {}, code(version.requirement)), list(lines), more);
  };
  const part = (title, ...children) => [make("h3", {}, title), ...children];
  const versionsPart = (title, items) => !items.length ? [] : items.length <= 12 ? part(title, list(items))
    : [make("details", {}, make("summary", {}, `${title} (${items.length} versions)`), list(items))];
  const draw = (advice) => {
    const ruled = (is) => advice.rejected.filter((one) => one.ruledOut === is).map((one) => {
      const why = one.first ? link(one.first, one.version) : ["nothing passed: every cell was skipped"];
      const more = one.blockers > 1 ? `; and ${plural(one.blockers - 1, "more cell")}` : "", fails = one.failed.length < advice.needs.length ? ` (fails ${one.failed.map((each) => each.need).join(", ")})` : "";
      return item(make("b", {}, one.version.label), ": ", ...why, more, fails);
    });
    const ofAll = advice.needs.length > 1 ? " as the one version for all needs" : "";
    const gaps = data.nothing.map(([version, why]) => item(make("b", {}, version), `: ${why}`));
    const { numbers } = data;
    if (numbers.length) gaps.push(item("other versions: ", [...between(numbers), `version < ${numbers[0]}`, `version > ${numbers[numbers.length - 1]}`].join("; ")));
    const unserved = advice.unserved.filter((one) => one.closest).map((one) => item(code(one.need), ": closest is ", make("b", {}, one.closest.label), `, ${counted(one.evidence)}`));
    out.replaceChildren(
      make("p", { class: "pin-sentence" }, sentence(advice)),
      ...advice.environments.map(drawEnvironment),
      ...(unserved.length ? part("Served by no tested version", list(unserved)) : []),
      ...versionsPart(`Ruled out${ofAll}, each with its worst cell`, ruled(true)),
      ...versionsPart(`Not shown to work${ofAll}, each with its worst cell`, ruled(false)),
      make("details", {}, make("summary", {}, "What was not tested, so that nothing is known of it"), list(gaps)),
      ...part("The same by the command, with all files", make("pre", { class: "cmd", tabindex: "0" }, command(advice))),
    );
  };

  const update = () => {
    const needs = ticked(), whole = new Set(needs);
    for (const box of boxes) box.disabled = box.value.includes("/") && whole.has(box.value.split("/")[0]);
    if (needs.length) draw(advise(needs, form.elements.prefer.value, form.elements.known.checked)); else out.replaceChildren();
  };
  const fill = () => {
    const wanted = page.list("need");
    for (const box of boxes) {
      box.checked = wanted.includes(box.value);
      const fold = box.closest("details");
      if (fold && box.checked) fold.open = true;
    }
    form.elements.prefer.value = page.get("prefer") === "oldest" ? "oldest" : "newest";
    form.elements.known.checked = page.get("known") === "accept";
    update();
  };
  let told = "";
  const state = () => ["need", "prefer", "known"].map((name) => page.get(name)).join("\n");
  form.addEventListener("input", () => {
    page.put({ need: ticked().join(","), prefer: form.elements.prefer.value === "oldest" ? "oldest" : "", known: form.elements.known.checked ? "accept" : "" });
    update();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => form.dispatchEvent(new Event("input"))));
  page.on(() => { if (state() !== told) { told = state(); fill(); } });
  $("pin-plain").hidden = true;
  form.hidden = false;
  told = state();
  fill();
})();
