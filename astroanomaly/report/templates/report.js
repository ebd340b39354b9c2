"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const field = Object.fromEntries(
    ["sort", "order", "id", "level", "min", "flag", "star"].map((name) => [name, document.getElementById(name)]));
  const cards = document.getElementById("cards");
  const body = document.querySelector("#objects tbody");
  const heads = [...document.querySelectorAll("#objects th[data-column]")];
  const column = Object.fromEntries(data.columns.map((name, k) => [name, k]));
  const cardOf = new Map([...cards.children].map((node) => [Number(node.dataset.row), node]));
  const rowOf = new Map([...body.children].map((node) => [Number(node.dataset.row), node]));
  const initial = { sort: data.by, order: "desc", id: "", level: "", min: "", flag: "", star: "" };
  const view = document.getElementById("view");

  // Stars and notes by object id. A browser may forbid the storage of a local file.
  let kept = {};
  try { kept = JSON.parse(localStorage.getItem(data.key)) ?? {}; } catch { kept = {}; }
  const keptOf = (row) => kept[row.id] ?? { star: false, note: "" };

  function keep(row, change) {
    kept[row.id] = { ...keptOf(row), ...change };
    try { localStorage.setItem(data.key, JSON.stringify(kept)); } catch { /* Until the page closes. */ }
  }

  const firstOrder = (name) => (data.ascending.includes(name) ? "asc" : "desc");

  // The score that "minimum" is about: the sorted one, else the ranking one.
  const minimumOf = (name) => (data.scores.includes(name) ? name : data.by);

  function state() {
    const words = Object.entries(field).map(([name, node]) => [name, node.value]);
    return { ...Object.fromEntries(words), star: field.star.checked ? "1" : "" };
  }

  function passes(row, now) {
    if (now.id && !row.id.toLowerCase().includes(now.id.toLowerCase())) return false;
    if (now.star && !keptOf(row).star) return false;
    if (now.level && !(row.level !== null && row.level >= Number(now.level))) return false;
    if (now.min !== "") {
      const value = row.values[column[minimumOf(now.sort)]];
      if (value === null || value < Number(now.min)) return false;
    }
    if (now.flag === "none") return row.flag === 0;
    return now.flag === "" || (row.flag & Number(now.flag)) !== 0;
  }

  function compare(a, b, k, sign) {
    const x = data.rows[a].values[k], y = data.rows[b].values[k];
    if (x === null || y === null) return (x === null) - (y === null) || a - b;
    const way = typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y;
    return sign * way || a - b;
  }

  function arrange(parent, nodes, order, shown) {
    let count = 0;
    for (const k of order) {
      const node = nodes.get(k);
      if (!node) continue;
      node.hidden = !shown[k];
      count += shown[k] ? 1 : 0;
      parent.append(node);
    }
    return count;
  }

  function update() {
    const now = state();
    const sign = now.order === "asc" ? 1 : -1;
    const order = data.rows.map((_, k) => k).sort((a, b) => compare(a, b, column[now.sort], sign));
    const shown = data.rows.map((row) => passes(row, now));
    const nCards = arrange(cards, cardOf, order, shown);
    const nRows = arrange(body, rowOf, order, shown);
    for (const head of heads) {
      const here = head.dataset.column === now.sort;
      head.setAttribute("aria-sort", here ? (sign > 0 ? "ascending" : "descending") : "none");
    }
    for (const node of cards.querySelectorAll(".scores > div")) {
      node.classList.toggle("chosen", node.dataset.column === now.sort);
    }
    document.getElementById("min-label").textContent = "Minimum " + minimumOf(now.sort).replaceAll("_", " ");
    document.getElementById("status").textContent =
      `Showing ${nCards} of ${cardOf.size} pictures and ${nRows} of ${rowOf.size} table rows.`;
    return now;
  }

  function remember(now) {
    const usual = { ...initial, order: firstOrder(now.sort) };
    const kept = Object.entries(now).filter(([name, value]) => value !== usual[name]);
    const hash = new URLSearchParams(kept).toString();
    history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
  }

  function recall() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    if (location.hash && ![...wanted.keys()].some((name) => name in field)) return;
    for (const [name, node] of Object.entries(field)) {
      let value = wanted.get(name) ?? initial[name];
      if (name === "order" && !wanted.has(name)) value = firstOrder(wanted.get("sort") ?? data.by);
      if (name === "star") { node.checked = value === "1"; continue; }
      const allowed = node.tagName !== "SELECT" || [...node.options].some((o) => o.value === value);
      node.value = allowed ? value : initial[name];
    }
    update();
  }

  function choose(name, toggle) {
    const flipped = field.order.value === "asc" ? "desc" : "asc";
    field.order.value = toggle && field.sort.value === name ? flipped : firstOrder(name);
    field.sort.value = name;
    remember(update());
  }

  field.sort.addEventListener("change", () => choose(field.sort.value, false));
  for (const name of ["order", "id", "level", "min", "flag", "star"]) {
    field[name].addEventListener("input", () => remember(update()));
  }
  for (const head of heads) {
    head.querySelector("button").addEventListener("click", () => choose(head.dataset.column, true));
  }
  document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("reset").addEventListener("click", () => {
    for (const [name, node] of Object.entries(field)) node.value = initial[name];
    field.star.checked = false;
    remember(update());
  });

  for (const [k, card] of cardOf) {
    const row = data.rows[k], star = card.querySelector(".star"), note = card.querySelector(".note input");
    const showStar = () => {
      star.setAttribute("aria-pressed", String(keptOf(row).star));
      star.textContent = keptOf(row).star ? "\u2605" : "\u2606";
    };
    star.addEventListener("click", () => { keep(row, { star: !keptOf(row).star }); showStar(); update(); });
    note.value = keptOf(row).note;
    note.addEventListener("input", () => keep(row, { note: note.value }));
    card.querySelector(".triplet").addEventListener("click", () => enlarge(k));
    showStar();
  }

  function quoted(value) {
    const words = value === null || value === undefined ? "" : String(value);
    return /[",\n\r]/.test(words) ? `"${words.replaceAll('"', '""')}"` : words;
  }

  function save(name, words) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([words], { type: "text/plain;charset=utf-8" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function shownRows() {
    return [...body.children].filter((node) => !node.hidden).map((node) => data.rows[Number(node.dataset.row)]);
  }

  // An id between marks that it does not hold, as DS9 wants it.
  function marked(id) {
    const words = id.replace(/[\u0000-\u001f]/g, " ");
    const pair = ["{}", '""', "''"].find(([a, b]) => !words.includes(a) && !words.includes(b));
    return pair ? pair[0] + words + pair[1] : `{${words.replaceAll("{", "(").replaceAll("}", ")")}}`;
  }

  const forms = {
    csv() {
      const names = [...data.columns, "flag", "star", "note"];
      const lines = shownRows().map((row) =>
        [...row.values, row.flag, keptOf(row).star, keptOf(row).note].map(quoted).join(","));
      return ["strange_objects.csv", [names.join(","), ...lines].join("\n") + "\n"];
    },
    reg() {
      const [ra, dec] = [column.ra, column.dec];
      const lines = shownRows().filter((row) => row.values[ra] !== null && row.values[dec] !== null)
        .map((row) => `circle(${row.values[ra].toFixed(8)},${row.values[dec].toFixed(8)},3") # text=${marked(row.id)}`);
      return ["strange_objects.reg", ["# Region file format: DS9", "icrs", ...lines].join("\n") + "\n"];
    },
    notes() {
      const lines = data.rows.filter((row) => keptOf(row).star || keptOf(row).note)
        .map((row) => [row.id, keptOf(row).star, keptOf(row).note].map(quoted).join(","));
      return ["notes.csv", ["object_id,star,note", ...lines].join("\n") + "\n"];
    },
  };
  for (const button of document.querySelectorAll("[data-save]")) {
    button.addEventListener("click", () => save(...forms[button.dataset.save]()));
  }

  // The enlarged view draws linear pixels, which a picture carries in red and green.
  const curves = {
    linear: (x) => x,
    sqrt: Math.sqrt,
    asinh: (x) => Math.asinh(10 * x) / Math.asinh(10),
    log: (x) => Math.log1p(1000 * x) / Math.log1p(1000),
  };
  const band = document.getElementById("view-band"), stretch = document.getElementById("view-stretch");
  let current = null, planes = [];

  function draw() {
    const plane = planes[Number(band.value)];
    if (!plane) return;
    const sorted = Float64Array.from(plane.values).sort();
    const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
    // Black below the noise of the sky, white at the brightest but for single hot pixels.
    const low = at(0.05), high = at(0.999) > low ? at(0.999) : low + 1;
    const canvas = document.getElementById("view-canvas");
    canvas.width = plane.width;
    canvas.height = plane.height;
    const context = canvas.getContext("2d"), pixels = context.createImageData(plane.width, plane.height);
    plane.values.forEach((value, k) => {
      const part = Math.min(1, Math.max(0, (value - low) / (high - low)));
      const gray = Math.round(255 * curves[stretch.value](part));
      pixels.data.set([gray, gray, gray, 255], 4 * k);
    });
    context.putImageData(pixels, 0, 0);
    document.getElementById("view-range").textContent =
      `linear pixels, black ${low.toPrecision(3)}, white ${high.toPrecision(3)}`;
  }

  function enlarge(k) {
    const card = cardOf.get(k), packed = JSON.parse(card.querySelector("script").textContent);
    current = k;
    document.getElementById("view-title").textContent = `${k + 1}. ${data.rows[k].id}`;
    const panels = document.getElementById("view-panels");
    while (panels.children.length > 1) panels.lastChild.remove();
    for (const figure of [...card.querySelectorAll(".triplet figure")].slice(data.drawn ? 1 : 0)) {
      panels.append(figure.cloneNode(true));
    }
    const image = new Image();
    image.onload = () => {
      // A faster click may already want another object.
      if (current !== k) return;
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [image.width, image.height];
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0);
      const bytes = context.getImageData(0, 0, image.width, image.height).data;
      const size = image.width * packed.height;
      planes = packed.low.map((low, b) => ({
        width: image.width,
        height: packed.height,
        values: Float64Array.from({ length: size }, (_, j) => {
          const at = 4 * (b * size + j);
          return low + (packed.high[b] - low) * (256 * bytes[at] + bytes[at + 1]) / 65535;
        }),
      }));
      draw();
    };
    image.src = packed.uri;
    if (!view.open) view.showModal();
  }

  function step(by) {
    const visible = [...cards.children].filter((node) => !node.hidden).map((node) => Number(node.dataset.row));
    const next = visible[visible.indexOf(current) + by];
    if (next !== undefined) enlarge(next);
  }

  for (const node of [band, stretch]) node.addEventListener("change", draw);
  document.getElementById("view-back").addEventListener("click", () => step(-1));
  document.getElementById("view-next").addEventListener("click", () => step(1));
  view.addEventListener("keydown", (event) => {
    if (event.target.tagName === "SELECT") return;
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  // A click beside the dialog closes it.
  view.addEventListener("click", (event) => { if (event.target === view) view.close(); });

  window.addEventListener("hashchange", recall);
  update();
  recall();
})();
