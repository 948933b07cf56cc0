"use strict";
// The address is #ANCHOR?KEY=VALUE&…; without values it is a plain anchor, which works without this script too.
const page = (() => {
  const VALUES = /^[a-z]+=/, listeners = [];
  let anchor = "", values = new URLSearchParams();
  const decoded = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
  const parse = () => {
    const raw = location.hash.slice(1), at = raw.lastIndexOf("?"), has = at >= 0 && VALUES.test(raw.slice(at + 1));
    anchor = decoded(has ? raw.slice(0, at) : raw);
    values = new URLSearchParams(has ? raw.slice(at + 1) : "");
  };
  const address = () => {
    const query = values.toString().replace(/%2C/g, ","), hash = encodeURI(anchor).replace(/%5B/g, "[").replace(/%5D/g, "]");
    return hash || query ? "#" + hash + (query ? "?" + query : "") : location.pathname + location.search;
  };
  const tell = () => { for (const listener of listeners) listener(); };
  addEventListener("hashchange", () => { parse(); tell(); });
  addEventListener("popstate", () => { parse(); tell(); });
  parse();
  return {
    get anchor() { return anchor; },
    get: (name) => values.get(name) || "",
    list: (name) => (values.get(name) || "").split(",").filter(Boolean),
    /** Replaces some values; an empty one is taken out. The rest of the address stays. */
    set: (name, value) => page.put({ [name]: value }),
    put: (all) => {
      for (const [name, value] of Object.entries(all)) if (value) values.set(name, value); else values.delete(name);
      history.replaceState(null, "", address());
      tell();
    },
    /** Goes to an element of this page and keeps the values. */
    go: (to) => { anchor = to; history.pushState(null, "", address()); tell(); },
    /** Remembers where one is, for the way back. */
    at: (here) => { anchor = here; history.replaceState(null, "", address()); },
    any: () => values.size > 0,
    on: (listener) => { listeners.push(listener); },
    anchorOf: (link) => decoded(link.getAttribute("href").split("#")[1] || ""),
  };
})();
