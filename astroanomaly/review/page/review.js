// The review page, and the same thing as a Jupyter widget: look, label, learn.
// Every word from outside goes in as text, none as markup.

const AHEAD = 20; // Pictures that are fetched before they are wanted.
const PAGE = 50; // Cards that are asked for at a time.
const KEPT = 400; // Pictures that are kept for going back.
const LIKE = 8;
const LABELS = { i: "interesting", a: "artefact", o: "ordinary", u: "unsure" };
const WORDS = { i: "Interesting", a: "Artefact", o: "Ordinary", u: "Unsure" };
const CURVES = {
  asinh: (x) => Math.asinh(10 * x) / Math.asinh(10),
  log: (x) => Math.log1p(1000 * x) / Math.log1p(1000),
  sqrt: Math.sqrt,
  linear: (x) => x,
};
// Less light than drawn is blue, more is red, none is dark: on a dark page the eye rests on what differs.
const RESIDUAL = [[-1, 174, 220, 255], [-0.5, 40, 100, 210], [0, 16, 20, 26], [0.5, 210, 80, 42], [1, 255, 217, 168]];
const LENGTHS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60];
const VIEWERS = {
  Aladin: (ra, dec) => `https://aladin.cds.unistra.fr/AladinLite/?target=${ra}%20${dec}&fov=0.02`,
  Legacy: (ra, dec) => `https://www.legacysurvey.org/viewer?ra=${ra}&dec=${dec}&zoom=16&mark=${ra},${dec}`,
  SIMBAD: (ra, dec) => `https://simbad.cds.unistra.fr/simbad/sim-coo?Coord=${ra}%20${dec}&CooFrame=ICRS&Radius=10&Radius.unit=arcsec`,
};
const KINDS = { static: "detector's list", learned: "learned list", random: "drawn at random", search: "found by id", similar: "similar object" };
const KEYS = [
  ["1\u20135", "grade: 1 dull, 5 the best there is"], ["i", "interesting"], ["a", "artefact"], ["o", "ordinary"], ["u", "unsure"],
  ["m", "note"], ["t", "tag"], ["z", "undo the last label"], ["space", "next, without a label"], ["\u2190 \u2192", "back, forward"],
  ["/", "go to an object by id"], ["g", "grid or single"], ["b", "next band"], ["s", "next stretch"], ["n", "the most similar object"],
  ["r", "learn: a new list from the labels"], ["esc", "back to the list"], ["?", "these keys"],
];

class Lost extends Error {} // The server cannot be reached.

function element(tag, values = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(values)) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const random = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (x) => x.toString(36)).join("");
const clamp = (x) => Math.min(1, Math.max(0, x));

// --- pixels ------------------------------------------------------------------

function unpack(buffer) {
  const head = new DataView(buffer).getUint32(0, true);
  const items = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, head)));
  let at = 4 + head;
  for (const item of items) {
    if (item.error) continue;
    const size = item.shape.reduce((a, b) => a * b, 1);
    for (const part of item.parts) {
      item[part] = new Float32Array(buffer, at, size);
      at += 4 * size;
    }
    item.ranges = {};
  }
  return items;
}

// Black below the noise of the sky, white at the brightest but for single hot pixels.
function range(item, band) {
  if (item.ranges[band]) return item.ranges[band];
  const [ny, nx, n] = item.shape, step = Math.max(1, Math.floor((ny * nx) / 10000)), values = [];
  for (let k = 0; k < ny * nx; k += step) {
    const value = item.original[k * n + band];
    if (Number.isFinite(value)) values.push(value);
  }
  const sorted = Float32Array.from(values).sort();
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  const low = at(0.05), high = at(0.999) > low ? at(0.999) : low + 1;
  return (item.ranges[band] = [low, high]);
}

function residualColor(x) {
  const k = Math.min(RESIDUAL.findIndex((stop) => x <= stop[0]), RESIDUAL.length - 1);
  if (k <= 0) return (k < 0 ? RESIDUAL.at(-1) : RESIDUAL[0]).slice(1);
  const [a, b] = [RESIDUAL[k - 1], RESIDUAL[k]], t = (x - a[0]) / (b[0] - a[0]);
  return [1, 2, 3].map((c) => a[c] + t * (b[c] - a[c]));
}
const RESIDUALS = Array.from({ length: 513 }, (_, k) => residualColor(k / 256 - 1));

// Draw one part of an object; `band` is a number, or "color" for three of them.
function draw(canvas, item, part, band, curve, info) {
  const [ny, nx, n] = item.shape, values = item[part];
  if (canvas.width !== nx || canvas.height !== ny) [canvas.width, canvas.height] = [nx, ny];
  const context = canvas.getContext("2d"), picture = context.createImageData(nx, ny), out = picture.data;
  const three = band === "color" ? [n - 1, Math.floor((n - 1) / 2), 0] : [band, band, band];
  // What cannot be shown as linear pixels lies within 0 and 1 as it is.
  const plain = part === "reconstruction" && !info.linear;
  const ranges = three.map((b) => (plain ? [0, 1] : range(item, b)));
  const f = CURVES[plain ? "linear" : curve];
  for (let y = 0; y < ny; y++) {
    for (let x = 0; x < nx; x++) {
      // The first row of an astronomical image is its lowest.
      const from = ((ny - 1 - y) * nx + x) * n, to = 4 * (y * nx + x);
      if (part === "residual") {
        let value = 0;
        for (const b of three) value += values[from + b] / 3;
        const color = RESIDUALS[Math.round(256 * (clamp(value / info.limit / 2 + 0.5) * 2))] ?? RESIDUALS[256];
        [out[to], out[to + 1], out[to + 2]] = color;
      } else if (band === "color") {
        const c = three.map((b, k) => Math.max(0, (values[from + b] - ranges[k][0]) / (ranges[k][1] - ranges[k][0])) || 0);
        // One curve for the mean keeps the color of the light (Lupton et al. 2004).
        const mean = (c[0] + c[1] + c[2]) / 3, gain = mean > 0 ? f(clamp(mean)) / mean : 0;
        for (let k = 0; k < 3; k++) out[to + k] = 255 * clamp(c[k] * gain);
      } else {
        const [low, high] = ranges[0];
        out[to] = out[to + 1] = out[to + 2] = 255 * f(clamp((values[from + band] - low) / (high - low) || 0));
      }
      out[to + 3] = 255;
    }
  }
  context.putImageData(picture, 0, 0);
}

// --- the page ----------------------------------------------------------------

export async function mount(root, ask) {
  root.classList.add("aa-review");
  root.tabIndex = -1;
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to us.
  const info = await ask("start");
  const bandChoices = [...(info.bands.length > 2 ? ["color"] : []), ...info.bands.keys()];
  const state = { list: info.list, n: info.n, kind: info.kind, place: info.place, detour: null, grid: false, band: bandChoices[0], curve: "asinh", advance: true };
  const cards = new Map(); // By place in the list.
  const asked = new Map(); // Pages of cards on their way.
  const items = new Map(); // Pixels by id, the least used first.
  const coming = new Map(); // Pixels on their way.
  const tags = new Set(info.tags);
  let progress = info.progress;

  // --- skeleton: made once, so that nothing moves later ---
  const at = {};
  const button = (name, words, key, action, extra = {}) => (at[name] = element("button", { type: "button", onclick: action, ...extra }, words, ...(key ? [element("kbd", {}, key)] : [])));
  const panel = (name) => {
    const canvas = element("canvas", { role: "img" }), lost = element("div", { class: "aa-lost", hidden: true });
    at[name] = { canvas, lost, caption: element("figcaption", {}, name) };
    return element("figure", {}, canvas, lost, at[name].caption);
  };
  const top = element("header", { class: "aa-top" },
    element("h1", { title: info.reviewer }, `Review: ${info.reviewer}`),
    (at.where = element("span", { class: "aa-where", role: "status" })),
    (at.kind = element("span", { class: "aa-chip" })),
    button("yield", "", "", () => showProgress(), { class: "aa-yield", title: "Progress" }),
    element("div", { class: "aa-tools" },
      button("gridButton", "Grid", "g", () => toggleGrid()), button("searchButton", "Find", "/", () => openSearch()),
      button("learn", "Learn", "r", () => learn(), { title: "Make a new list from your labels" }), button("more", "More", "", () => showMore()), button("help", "Keys", "?", () => at.keys.showModal())));
  at.bar = element("span", { class: "aa-bar", hidden: true });
  const panels = element("div", { class: "aa-panels" }, panel("original"), panel("reconstruction"), panel("residual"));
  panels.children[0].append(at.bar);
  panels.children[2].append(element("span", { class: "aa-key", title: `Blue: light that is missing. Red: light that the model could not draw. Full color at ${info.limit.toPrecision(2)}.` }));
  const select = (name, choices) => (at[name] = element("select", { onchange: (event) => { const v = event.target.value; state[name] = name === "band" && v !== "color" ? Number(v) : v; event.target.blur(); show(); } }, ...choices.map(([value, words]) => element("option", { value: String(value) }, words))));
  const strip = element("div", { class: "aa-strip" },
    element("label", {}, "Band", select("band", bandChoices.map((b) => [b, b === "color" ? "color" : info.bands[b]]))),
    element("label", {}, "Stretch", select("curve", Object.keys(CURVES).map((name) => [name, name]))),
    element("label", { title: "Go on to the next object after a label or grade" }, (at.advance = element("input", { type: "checkbox", checked: true, onchange: (event) => { state.advance = event.target.checked; event.target.blur(); } })), "go on after a label"),
    (at.range = element("span", { class: "aa-range" })));
  at.bands = element("div", { class: "aa-row aa-bands", hidden: info.bands.length < 2 });
  at.bandTiles = info.bands.map((name, b) => {
    const tile = { canvas: element("canvas") };
    tile.button = element("button", { type: "button", onclick: () => { state.band = b; show(); } }, element("figure", {}, tile.canvas, element("figcaption", {}, name)));
    at.bands.append(tile.button);
    return tile;
  });
  at.likeNote = element("span");
  at.like = element("div", { class: "aa-row" });
  at.likeTiles = Array.from({ length: LIKE }, () => {
    const tile = { canvas: element("canvas"), caption: element("figcaption", { hidden: true }), card: null };
    tile.button = element("button", { type: "button", disabled: true, onclick: () => detour(tile.card, "similar") }, element("figure", {}, tile.canvas, tile.caption));
    at.like.append(tile.button);
    return tile;
  });
  const stage = element("section", { class: "aa-stage", "aria-label": "Pictures" }, panels, strip, at.bands,
    element("div", { class: "aa-likehead" }, element("h3", {}, "More like this"), at.likeNote), at.like);
  const head = element("section", { class: "aa-head" }, (at.id = element("h2")), (at.badges = element("div", { class: "aa-badges" })));
  const frozen = { disabled: info.readOnly };
  const answer = element("section", { class: "aa-answer", "aria-label": "Label" },
    element("div", { class: "aa-labels" }, ...Object.entries(LABELS).map(([key, label]) => {
      const node = button(label, WORDS[key], key, () => act({ label }), frozen);
      node.style.setProperty("--mark", `var(--${label})`);
      return node;
    })),
    element("div", { class: "aa-grades", role: "group", "aria-label": "Grade" }, ...[1, 2, 3, 4, 5].map((grade) => button(`grade${grade}`, String(grade), "", () => act({ grade }), { ...frozen, "aria-label": `Grade ${grade}` }))),
    element("div", { class: "aa-steps" }, button("undo", "Undo", "z", () => undo(), frozen), button("back", "Back", "\u2190", () => step(-1)), button("next", "Next", "space", () => next(true))));
  at.note = element("textarea", { rows: 2, maxlength: "2000", placeholder: "Note (m)", "aria-label": "Note", ...frozen });
  at.tagInput = element("input", { placeholder: "tag (t)", maxlength: "80", "aria-label": "New tag", ...frozen });
  at.tags = element("div", { class: "aa-tags" });
  at.sky = element("p", { class: "aa-sky" });
  at.scores = element("dl");
  const facts = element("section", { class: "aa-facts", "aria-label": "Scores and notes" }, element("div", {}, at.note, at.tags), at.sky, at.scores);
  const single = element("main", { class: "aa-main" }, stage, head, answer, facts);
  at.cards = element("div", { class: "aa-cards" });
  at.pageWords = element("span");
  const grid = element("main", { class: "aa-gridview", hidden: true }, at.cards,
    element("div", { class: "aa-pages" }, button("pageBack", "\u2190 Page", "", () => moveGrid(-gridSize())), at.pageWords, button("pageNext", "Page \u2192", "", () => moveGrid(gridSize()))));
  at.toast = element("div", { class: "aa-toast", role: "status", "aria-live": "polite" });
  const closing = (dialog) => { dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); }); return dialog; };
  const closeButton = () => element("form", { method: "dialog" }, element("button", {}, "Close"));
  at.keys = closing(element("dialog", { "aria-label": "Keys" }, element("h2", {}, "Keys"), element("ul", { class: "aa-keys" }, ...KEYS.map(([key, words]) => element("li", {}, element("kbd", {}, key), words))), closeButton()));
  at.searchInput = element("input", { type: "search", placeholder: "Object id", "aria-label": "Object id" });
  at.hits = element("ul", { class: "aa-hits" });
  at.search = closing(element("dialog", { class: "aa-search", "aria-label": "Find an object" }, element("h2", {}, "Find an object"), at.searchInput, at.hits));
  at.progressText = element("div");
  at.progress = closing(element("dialog", { "aria-label": "Progress" }, element("h2", {}, "Progress"), at.progressText, closeButton()));
  at.moreText = element("div", { class: "aa-strip" },
    element("button", { type: "button", onclick: () => send(true) }, "Send this object by SAMP"),
    element("button", { type: "button", onclick: () => send(false) }, "Send what is interesting by SAMP"),
    ...[".ecsv", ".csv", ".vot", ".parquet"].map((ending) => element("button", { type: "button", onclick: () => download(ending) }, `Labels as ${ending}`)),
    element("button", { type: "button", onclick: () => { at.moreDialog.close(); restart(); } }, "Back to the detector's list"));
  at.moreDialog = closing(element("dialog", { "aria-label": "More" }, element("h2", {}, "More"), at.moreText, closeButton()));
  root.replaceChildren(top, single, grid, at.toast, at.keys, at.search, at.progress, at.moreDialog);

  let toastTimer = 0;
  function toast(words, bad = false, seconds = 4) {
    at.toast.textContent = words;
    at.toast.className = `aa-toast aa-on${bad ? " aa-bad" : ""}`;
    clearTimeout(toastTimer);
    if (seconds) toastTimer = setTimeout(() => at.toast.classList.remove("aa-on"), 1000 * seconds);
  }

  async function asking(name, body) {
    try {
      return await ask(name, body);
    } catch (error) {
      if (error.status === 409) { await renew(); return null; }
      toast(error instanceof Lost ? "The server cannot be reached. Labels wait in this browser." : error.message, true, 6);
      return null;
    }
  }

  // --- labels on their way to the server: kept in the browser until it has them ---
  const shelf = `astroanomaly-review:${info.store}:${info.reviewer}:`, mine = shelf + random();
  const outbox = [];
  let sending = false;
  try {
    for (const name of Object.keys(localStorage).filter((key) => key.startsWith(shelf))) {
      outbox.push(...JSON.parse(localStorage.getItem(name)));
      localStorage.removeItem(name);
    }
  } catch { /* A browser may forbid it; then they wait in memory alone. */ }
  function keep() {
    try {
      if (outbox.length) localStorage.setItem(mine, JSON.stringify(outbox));
      else localStorage.removeItem(mine);
    } catch { /* As above. */ }
    root.dataset.waiting = String(outbox.length);
  }
  function post(name, body) {
    outbox.push({ name, body: { ...body, key: random() } });
    keep();
    flush();
  }
  async function flush() {
    if (sending) return;
    sending = true;
    for (let wait = 500; outbox.length; ) {
      const { name, body } = outbox[0];
      try {
        const reply = await ask(name, body);
        progress = reply.progress;
        if (name === "undo") undone(reply.card);
        if (wait > 500) toast("The server is back: all labels are kept.");
        wait = 500;
      } catch (error) {
        if (error instanceof Lost || error.status === 503 || error.status === 403) {
          const why = error.status === 403 ? "Open the address that the command printed" : error.status ? error.message : "The server cannot be reached";
          toast(`${why}; ${outbox.length} label${outbox.length > 1 ? "s wait" : " waits"} in this browser.`, true, 0);
          await new Promise((done) => setTimeout(done, (wait = Math.min(2 * wait, 5000))));
          continue;
        }
        toast(error.message, true, 8);
      }
      outbox.shift();
      keep();
      showTop();
    }
    sending = false;
  }

  // --- cards and pixels ---
  function page(k) {
    const start = k * PAGE, key = `${state.list}:${k}`;
    if (asked.has(key)) return asked.get(key);
    const list = state.list;
    const coming = ask("cards", { start, n: PAGE, number: list }).then((found) => {
      if (list !== state.list) return;
      for (const card of found.cards) cards.set(card.place, known(card));
    }).catch(async (error) => {
      asked.delete(key);
      if (error.status === 409 && list === state.list) await renew();
      else if (!(error instanceof Lost)) toast(error.message, true);
    });
    asked.set(key, coming);
    return coming;
  }
  // One card an object, whichever way it came: a label shows everywhere at once.
  const byId = new Map();
  function known(card) {
    const old = byId.get(card.id);
    // Met again by the way, it stays where the list has it.
    const listed = old?.place !== undefined && card.place === undefined;
    const one = Object.assign(old ?? {}, card, listed ? { place: old.place, source: old.source } : {});
    byId.set(card.id, one);
    return one;
  }
  async function fetchCards(from, to) {
    const wanted = [];
    for (let k = Math.floor(from / PAGE); k <= Math.floor(Math.min(to, state.n - 1) / PAGE); k++) wanted.push(page(k));
    await Promise.all(wanted);
  }
  const held = (id, whole) => items.has(id) && (!whole || items.get(id).whole);
  function fetchPixels(ids, whole = true) {
    const lost = [...new Set(ids)].filter((id) => !held(id, whole) && !coming.has(`${id} ${whole}`));
    if (lost.length) {
      const reply = ask("pixels", { shown: lost, whole }).then((buffer) => {
        for (const item of unpack(buffer)) {
          if (held(item.id, true)) continue;
          items.delete(item.id);
          items.set(item.id, { ...item, whole });
        }
        for (const id of items.keys()) { if (items.size <= KEPT) break; items.delete(id); }
      }).catch((error) => { if (!(error instanceof Lost)) toast(error.message, true); })
        .finally(() => { for (const id of lost) coming.delete(`${id} ${whole}`); });
      for (const id of lost) coming.set(`${id} ${whole}`, reply);
    }
    return Promise.all(ids.map((id) => coming.get(`${id} ${whole}`)));
  }
  async function ahead() {
    const from = state.place;
    await fetchCards(from, from + AHEAD + 5);
    const ids = [];
    for (let place = from; place <= from + AHEAD; place++) if (cards.has(place)) ids.push(cards.get(place).id);
    const lost = ids.filter((id) => !held(id, true) && !coming.has(`${id} true`));
    // A few at a time cost the server as much as one: they go through the network together.
    if (lost.length >= AHEAD / 3 || (lost.length && !held(ids[0], true)) || (lost.length && from + AHEAD >= state.n)) fetchPixels(lost);
  }

  // --- showing ---
  const current = () => state.detour ?? cards.get(state.place);
  // How the reviewer came to a card: labels from the list and by the way are told apart.
  const source = (card) => (state.detour ? state.way : card?.source) ?? state.kind;
  let turn = 0;
  async function show(began) {
    const own = ++turn;
    if (state.grid) return showGrid();
    if (!current()) await fetchCards(state.place, state.place);
    const card = current();
    if (own !== turn) return;
    showCard(card);
    if (!card) return;
    if (!held(card.id, true)) {
      await fetchPixels([card.id]);
      if (own !== turn) return;
    }
    paint(items.get(card.id), card);
    if (began !== undefined) performance.measure("astroanomaly: next picture", { start: began });
    if (!state.detour) ahead();
    setTimeout(() => { if (own === turn) like(card, own); }, 350);
  }
  function paint(item, card) {
    const lost = !item || item.error;
    for (const part of ["original", "reconstruction", "residual"]) {
      const { canvas, lost: words } = at[part], there = !lost && item[part];
      words.hidden = !lost || part !== "original";
      words.textContent = lost ? item?.error ?? "The picture is not here yet." : "";
      canvas.hidden = !there;
      if (there) draw(canvas, item, part, state.band, state.curve, info);
      canvas.setAttribute("aria-label", `${part} of ${card.id}`);
    }
    panels.classList.toggle("aa-alone", !lost && !item.reconstruction);
    for (const part of ["reconstruction", "residual"]) at[part].canvas.parentNode.hidden = !lost && !item[part];
    at.band.value = String(state.band);
    at.curve.value = state.curve;
    root.dataset.painted = lost ? "" : card.id;
    if (lost) { at.range.textContent = ""; at.bar.hidden = true; return; }
    if (state.band === "color") at.range.textContent = "color: " + [0, Math.floor((info.bands.length - 1) / 2), info.bands.length - 1].map((b) => info.bands[b]).join(", ");
    else at.range.textContent = "black " + range(item, state.band)[0].toPrecision(3) + ", white " + range(item, state.band)[1].toPrecision(3);
    const fitting = LENGTHS.filter((x) => x <= (item.shape[1] * (info.pixelScale ?? 0)) / 3).at(-1);
    at.bar.hidden = !fitting;
    if (fitting) { at.bar.textContent = `${fitting}"`; at.bar.style.width = `${(100 * fitting) / (info.pixelScale * item.shape[1])}%`; }
    if (info.bands.length > 1) {
      at.bandTiles.forEach((tile, b) => {
        draw(tile.canvas, item, "original", b, state.curve, info);
        tile.button.setAttribute("aria-pressed", String(state.band === b));
      });
    }
  }
  function badge(words, extra = {}) { return element("span", { class: "aa-badge", ...extra }, words); }
  function showCard(card) {
    showTop();
    at.id.textContent = card?.id ?? "Nothing is left in this list";
    at.badges.replaceChildren();
    at.sky.replaceChildren();
    at.scores.replaceChildren();
    showLabels(card);
    if (!card) { for (const part of ["original", "reconstruction", "residual"]) at[part].canvas.hidden = true; return; }
    if (card.level) {
      const node = badge(`above ${card.level}%`);
      node.style.setProperty("--mark", info.colors[card.level] ?? "");
      at.badges.append(node);
    } else if (card.cells.level !== undefined) at.badges.append(badge("below the levels"));
    if (card.cells.p_value !== undefined) at.badges.append(badge(`p ${card.cells.p_value}`, { title: info.meanings.p_value ?? "" }));
    for (const words of card.flags) at.badges.append(badge(words, { class: "aa-badge aa-flag" }));
    if (card.sky) {
      const [ra, dec] = card.sky.map((x) => x.toFixed(7));
      at.sky.append(`RA ${card.sky[0].toFixed(5)}, Dec ${card.sky[1].toFixed(5)} deg `, element("br"));
      for (const [name, address] of Object.entries(VIEWERS)) at.sky.append(element("a", { href: address(ra, dec), target: "_blank", rel: "noopener noreferrer" }, name));
    }
    for (const [name, value] of Object.entries(card.cells)) {
      if (name === "level" || name === "p_value") continue;
      const chief = name === info.by ? "aa-chief" : "", words = name.replace(/_score$/, "").replaceAll("_", " ");
      at.scores.append(element("dt", { class: chief, title: info.meanings[name] ?? "" }, words), element("dd", { class: chief }, value));
    }
  }
  function showLabels(card) {
    for (const label of Object.values(LABELS)) at[label].setAttribute("aria-pressed", String(card?.label === label));
    for (let grade = 1; grade < 6; grade++) at[`grade${grade}`].setAttribute("aria-pressed", String(card?.grade === grade));
    if (document.activeElement !== at.note) at.note.value = card?.note ?? "";
    at.tags.replaceChildren(...[...new Set([...tags, ...(card?.tags ?? [])])].map((tag) => element("button", {
      type: "button", class: "aa-tag", disabled: info.readOnly, "aria-pressed": String(card?.tags.includes(tag) ?? false), onclick: () => act({ tags: { [tag]: !current().tags.includes(tag) } }),
    }, tag)), at.tagInput);
  }
  function showTop() {
    const card = current();
    at.where.replaceChildren(...(state.detour ? [element("b", {}, "\u2022"), " beside the list"] : [element("b", {}, (state.place + 1).toLocaleString("en")), ` of ${state.n.toLocaleString("en")}`]));
    at.kind.textContent = KINDS[source(card)] ?? "";
    const points = progress.curve, last = points.at(-1) ?? [0, 0];
    const scale = ([x, y]) => `${(100 * x) / Math.max(last[0], 1)},${30 - (28 * y) / Math.max(last[1], 1)}`;
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), line = document.createElementNS(svg.namespaceURI, "polyline"), base = document.createElementNS(svg.namespaceURI, "line");
    for (const [name, value] of Object.entries({ viewBox: "0 0 100 32", preserveAspectRatio: "none", "aria-hidden": "true" })) svg.setAttribute(name, value);
    for (const [name, value] of Object.entries({ x1: 0, x2: 100, y1: 31, y2: 31 })) base.setAttribute(name, value);
    line.setAttribute("points", points.map(scale).join(" "));
    svg.append(base, line);
    const words = element("span", {}, element("b", {}, String(progress.classes.interesting)), " found in ", element("b", {}, String(progress.labelled)), " labelled");
    at.yield.replaceChildren(svg, words);
    at.yield.title = `Interesting among the last ${progress.recent[1]}: ${progress.recent[0]}. Seen: ${progress.seen} of ${progress.n}.`;
  }
  let likeOf = null;
  async function like(card, own) {
    if (likeOf === card.id) return;
    const found = await ask("similar", { shown: card.id, n: LIKE }).catch(() => null);
    if (own !== turn || !found) return;
    at.likeNote.textContent = found.error ? found.error : found.done < found.of ? `compared with ${found.done.toLocaleString("en")} of ${found.of.toLocaleString("en")} so far` : "";
    const near = found.cards.map(known);
    await fetchPixels(near.map((one) => one.id), false);
    if (own !== turn) return;
    likeOf = found.done < found.of ? null : card.id;
    at.likeTiles.forEach((tile, k) => {
      const one = near[k], item = one && items.get(one.id);
      tile.card = one ?? null;
      tile.button.disabled = !one;
      tile.canvas.hidden = !item || Boolean(item.error);
      tile.caption.hidden = !one;
      if (!one) return;
      tile.button.title = one.id;
      tile.caption.textContent = one.label ?? (one.grade ? `grade ${one.grade}` : one.id);
      if (item && !item.error) draw(tile.canvas, item, "original", state.band, state.curve, info);
    });
  }

  // --- grid ---
  function gridSize() {
    const columns = getComputedStyle(at.cards).gridTemplateColumns.split(" ").length || 5;
    const rows = Math.max(2, Math.floor((window.innerHeight - 130) / 262));
    return columns * Math.max(rows, columns < 3 ? 6 : 0);
  }
  let gridStart = 0;
  async function showGrid() {
    const own = turn, size = gridSize();
    if (state.place < gridStart || state.place >= gridStart + size) gridStart = Math.floor(state.place / size) * size;
    await fetchCards(gridStart, gridStart + size - 1);
    if (own !== turn) return;
    showTop();
    const shown = [];
    for (let place = gridStart; place < Math.min(gridStart + size, state.n); place++) if (cards.has(place)) shown.push(cards.get(place));
    at.pageWords.textContent = `${gridStart + 1} to ${gridStart + shown.length}`;
    const nodes = shown.map((card) => {
      const mark = card.label ?? (card.grade ? `grade ${card.grade}` : ""), canvas = element("canvas");
      const words = element("span", { class: card.label ? "aa-mark" : "" }, mark);
      if (card.label) words.style.setProperty("--mark", `var(--${card.label})`);
      const node = element("div", { class: "aa-card", role: "button", tabindex: "-1", "aria-current": String(card.place === state.place), "aria-label": `${card.id} ${mark}`, onclick: () => { if (state.place === card.place) toggleGrid(); else { state.place = card.place; show(); } } },
        element("figure", {}, canvas), element("p", {}, card.id), element("div", { class: "aa-line" }, element("span", {}, card.cells[info.by] ?? ""), words));
      const item = items.get(card.id);
      if (item && !item.error) draw(canvas, item, "original", state.band, state.curve, info);
      return node;
    });
    at.cards.replaceChildren(...nodes);
    nodes[state.place - gridStart]?.scrollIntoView({ block: "nearest" });
    const lost = shown.filter((card) => !held(card.id, false)).map((card) => card.id);
    root.dataset.painted = lost.length ? "" : "grid";
    if (lost.length) {
      await fetchPixels(lost, false);
      if (own === turn && lost.some((id) => items.has(id))) showGrid();
    } else if (gridStart + size < state.n) {
      await fetchCards(gridStart + size, gridStart + 2 * size - 1);
      if (own === turn) fetchPixels(Array.from({ length: size }, (_, k) => cards.get(gridStart + size + k)?.id).filter(Boolean), false);
    }
  }
  function moveGrid(by) {
    state.place = Math.max(0, Math.min(state.n - 1, state.place + by));
    show();
  }
  function toggleGrid() {
    state.grid = !state.grid;
    state.detour = null;
    single.hidden = state.grid;
    grid.hidden = !state.grid;
    at.gridButton.firstChild.textContent = state.grid ? "Single" : "Grid";
    show();
  }

  // --- what one does ---
  function step(by, began) {
    if (state.detour) { state.detour = null; if (by > 0) by = 0; }
    const place = Math.max(0, Math.min(state.n - 1, state.place + by));
    if (by > 0 && place === state.place) toast("This is the end of the list.");
    state.place = place;
    show(began);
  }
  function how() { return { stretch: state.curve, band: state.band === "color" ? "color" : info.bands[state.band], view: state.grid ? "grid" : "single", list: state.list }; }
  function next(began) {
    const card = current(), start = typeof began === "number" ? began : performance.now();
    if (card && !info.readOnly && card.label === null && card.grade === null && !card.passed) {
      card.passed = true;
      post("label", { shown: card.id, seen: true, source: source(card), place: state.detour ? null : state.place, how: how() });
    }
    step(1, start);
  }
  function act(change, began = performance.now()) {
    const card = current();
    if (!card || info.readOnly) { if (info.readOnly) toast("This review is open for reading only.", true); return; }
    if (change.tags) {
      for (const [tag, on] of Object.entries(change.tags)) {
        tags.add(tag);
        card.tags = on ? [...card.tags, tag] : card.tags.filter((one) => one !== tag);
      }
    }
    const { tags: _, ...plain } = change;
    Object.assign(card, plain);
    likeOf = null;
    post("label", { shown: card.id, ...change, source: source(card), place: state.detour ? null : card.place ?? null, how: how() });
    if (state.advance && (change.label || change.grade)) step(1, began);
    else if (state.grid) show();
    else showLabels(card);
  }
  function undo() { if (!info.readOnly) post("undo", {}); }
  function undone(card) {
    if (!card) { toast("Nothing is left to undo."); return; }
    const one = known(card);
    one.passed = false;
    likeOf = null;
    if (one.place !== undefined && cards.get(one.place) === one) { state.detour = null; state.place = one.place; }
    else if (!state.grid) { state.detour = one; state.way = one.source; }
    toast(`Undone: ${one.id}`, false, 2);
    show();
  }
  function detour(card, way) {
    if (!card) return;
    const one = known(card);
    state.way = way;
    if (one.place !== undefined && cards.get(one.place) === one && state.grid) state.place = one.place;
    else { if (state.grid) toggleGrid(); state.detour = one; }
    show();
  }
  async function renew(place) {
    const found = await ask("start").catch(() => null);
    if (!found) return;
    cards.clear(); asked.clear(); byId.clear();
    Object.assign(state, { list: found.list, n: found.n, kind: found.kind, place: place ?? found.place, detour: null });
    progress = found.progress;
    gridStart = 0;
    show();
  }
  async function learn() {
    if (at.learn.disabled) return;
    at.learn.disabled = true;
    toast(`Learning from ${progress.labelled} labels \u2026`, false, 0);
    const found = await asking("rerank", {});
    at.learn.disabled = false;
    if (!found) return;
    await renew(0);
    toast(`A new list, learned from ${found.learned_from} labels; one object in ten is drawn at random.`, false, 6);
  }
  async function restart() { if (await asking("restart", {})) renew(); }
  async function send(one) {
    at.moreDialog.close();
    const found = await asking("send", one ? { shown: current()?.id } : {});
    if (found) toast(`${found.n} object${found.n > 1 ? "s" : ""} sent to ${found.reached.join(", ")}.`);
  }
  async function download(ending) {
    at.moreDialog.close();
    const found = await asking("export", { ending });
    if (!found) return;
    const link = element("a", { href: URL.createObjectURL(new Blob([found])), download: `labels${ending}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  function showMore() { at.moreDialog.showModal(); }
  async function showProgress() {
    progress = (await asking("progress", {})) ?? progress;
    const { classes, random: drawn, recent, check } = progress, lines = [
      `Seen ${progress.seen.toLocaleString("en")} of ${progress.n.toLocaleString("en")} objects, labelled ${progress.labelled.toLocaleString("en")}.`,
      `Interesting ${classes.interesting}, artefacts ${classes.artefact}, ordinary ${classes.ordinary}, unsure ${classes.unsure}.`,
      `Interesting among the last ${recent[1]}: ${recent[0]}.`,
    ];
    if (drawn.n) lines.push(`Drawn at random: ${drawn.k} of ${drawn.n} interesting. Among the objects without a label that makes ${drawn.missing[0].toLocaleString("en")} (95%: ${drawn.missing[1].toLocaleString("en")} to ${drawn.missing[2].toLocaleString("en")}).`);
    if (check?.completeness.n) lines.push(`Known anomalies called interesting: ${check.completeness.k} of ${check.completeness.n}.`);
    if (check?.consistency.n) lines.push(`Same answer when an object came again: ${check.consistency.k} of ${check.consistency.n}.`);
    at.progressText.replaceChildren(...lines.map((line) => element("p", {}, line)));
    if (!at.progress.open) at.progress.showModal();
  }

  // --- finding ---
  let hits = [], chosen = 0, searching = 0;
  function openSearch() { at.search.showModal(); at.searchInput.select(); at.searchInput.focus(); }
  function showHits() {
    at.hits.replaceChildren(...hits.map((card, k) => element("li", {}, element("button", { type: "button", "aria-selected": String(k === chosen), onclick: () => open(k) }, element("span", {}, card.id), element("span", {}, card.label ?? "")))));
    if (!hits.length && at.searchInput.value.trim()) at.hits.append(element("li", { class: "aa-strip" }, "No object has this in its id."));
  }
  function open(k) { if (!hits[k]) return; at.search.close(); detour(hits[k], "search"); }
  at.searchInput.addEventListener("input", async () => {
    const own = ++searching;
    const found = await asking("search", { text: at.searchInput.value });
    if (own !== searching || !found) return;
    [hits, chosen] = [found.cards, 0];
    showHits();
  });
  at.searchInput.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); open(chosen); }
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) { event.preventDefault(); chosen = Math.max(0, Math.min(hits.length - 1, chosen + by)); showHits(); }
  });

  // --- notes and tags ---
  at.note.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { at.note.value = current()?.note ?? ""; at.note.blur(); }
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); at.note.blur(); }
    event.stopPropagation();
  });
  let noted = null;
  at.note.addEventListener("focus", () => { noted = current(); });
  at.note.addEventListener("blur", () => {
    if (!noted || at.note.value === noted.note || noted !== current()) return;
    act({ note: at.note.value });
    root.focus({ preventScroll: true });
  });
  at.tagInput.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && at.tagInput.value.trim()) {
      const tag = at.tagInput.value.trim().replace(/\s+/g, " ");
      at.tagInput.value = "";
      at.tagInput.blur();
      act({ tags: { [tag]: !current().tags.includes(tag) } });
      root.focus({ preventScroll: true });
    } else if (event.key === "Escape") { at.tagInput.value = ""; at.tagInput.blur(); }
    event.stopPropagation();
  });

  // --- keys ---
  const cycle = (name, all) => { state[name] = all[(all.indexOf(state[name]) + 1) % all.length]; likeOf = null; show(); };
  function columns() { return getComputedStyle(at.cards).gridTemplateColumns.split(" ").length; }
  const actions = {
    m: () => { if (!state.grid) at.note.focus(); }, t: () => { if (!state.grid) at.tagInput.focus(); }, z: undo,
    " ": (event) => next(event.timeStamp), "/": openSearch, g: toggleGrid, r: learn, "?": () => at.keys.showModal(),
    b: () => cycle("band", bandChoices), s: () => cycle("curve", Object.keys(CURVES)), n: () => { if (!state.grid) detour(at.likeTiles[0].card, "similar"); },
    Escape: () => { if (state.detour) step(0); }, Backspace: () => step(-1),
    ArrowLeft: () => step(-1), ArrowRight: (event) => step(1, event.timeStamp),
    ArrowUp: () => { if (state.grid) moveGrid(-columns()); }, ArrowDown: () => { if (state.grid) moveGrid(columns()); },
    Enter: () => { if (state.grid) toggleGrid(); },
  };
  const onKey = (event) => {
    const typed = event.target.closest?.("input:not([type=checkbox]), textarea, select");
    if (typed || event.ctrlKey || event.metaKey || event.altKey || root.querySelector("dialog[open]")) return;
    // A focused button takes its own Enter and space.
    if (event.target.tagName === "BUTTON" && event.key === "Enter") return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (LABELS[key]) act({ label: LABELS[key] }, event.timeStamp);
    else if (/^[1-5]$/.test(key)) act({ grade: Number(key) }, event.timeStamp);
    else if (actions[key] && (state.grid || !["ArrowUp", "ArrowDown"].includes(key))) actions[key](event);
    else return;
    event.preventDefault();
    // A notebook has keys of its own.
    event.stopPropagation();
  };
  const ears = root.closest(".aa-page") ? document : root;
  ears.addEventListener("keydown", onKey);
  // After a click the keys mean objects again, not the button.
  root.addEventListener("click", (event) => { if (event.target.closest("button") && !root.querySelector("dialog[open]")) root.focus({ preventScroll: true }); });

  keep();
  if (outbox.length) await flush().then(() => renew());
  else show();
  root.dataset.ready = "true";
  return () => ears.removeEventListener("keydown", onKey);
}

// --- how questions travel ------------------------------------------------------

function overHttp() {
  const token = new URL(import.meta.url).searchParams.get("token");
  return async (name, body = {}) => {
    let answer;
    try {
      answer = await fetch(`api/${name}`, { method: "POST", headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" }, body: JSON.stringify(body) });
      if (answer.ok) return await (answer.headers.get("content-type").startsWith("application/json") ? answer.json() : answer.arrayBuffer());
    } catch {
      throw new Lost("The server cannot be reached.");
    }
    const words = await answer.json().then((found) => found.error, () => `The server answered ${answer.status}.`);
    throw Object.assign(new Error(words), { status: answer.status });
  };
}

function overKernel(model) {
  const waiting = new Map();
  model.on("msg:custom", (message, buffers) => {
    const { done, fail } = waiting.get(message.id) ?? {};
    waiting.delete(message.id);
    if (!done) return;
    if (message.error) fail(Object.assign(new Error(message.error), { status: message.status }));
    // A copy of its own begins where four bytes can be read in place.
    else if (buffers?.length) done(buffers[0].buffer.slice(buffers[0].byteOffset, buffers[0].byteOffset + buffers[0].byteLength));
    else done(message.answer);
  });
  return (name, body = {}) => new Promise((done, fail) => {
    const id = random();
    waiting.set(id, { done, fail });
    model.send({ id, name, body });
  });
}

export default {
  async render({ model, el }) {
    const root = document.createElement("div");
    el.append(root);
    return mount(root, overKernel(model));
  },
};

const here = document.querySelector(".aa-page > #review");
if (here) {
  mount(here, overHttp()).catch((error) => {
    here.textContent = error.message;
    here.dataset.ready = "failed";
  });
}
