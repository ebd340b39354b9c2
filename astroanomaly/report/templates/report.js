"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const field = Object.fromEntries(
    ["sort", "order", "id", "level", "min", "flag"].map((name) => [name, document.getElementById(name)]));
  const cards = document.getElementById("cards");
  const body = document.querySelector("#objects tbody");
  const heads = [...document.querySelectorAll("#objects th[data-column]")];
  const column = Object.fromEntries(data.columns.map((name, k) => [name, k]));
  const cardOf = new Map([...cards.children].map((node) => [Number(node.dataset.row), node]));
  const rowOf = new Map([...body.children].map((node) => [Number(node.dataset.row), node]));
  const initial = { sort: data.by, order: "desc", id: "", level: "", min: "", flag: "" };
  const firstOrder = (name) => (data.ascending.includes(name) ? "asc" : "desc");

  // The score that "minimum" is about: the sorted one, else the ranking one.
  const minimumOf = (name) => (data.scores.includes(name) ? name : data.by);

  function state() {
    return Object.fromEntries(Object.entries(field).map(([name, node]) => [name, node.value]));
  }

  function passes(row, now) {
    if (now.id && !row.id.toLowerCase().includes(now.id.toLowerCase())) return false;
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
  for (const name of ["order", "id", "level", "min", "flag"]) {
    field[name].addEventListener("input", () => remember(update()));
  }
  for (const head of heads) {
    head.querySelector("button").addEventListener("click", () => choose(head.dataset.column, true));
  }
  document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("reset").addEventListener("click", () => {
    for (const [name, node] of Object.entries(field)) node.value = initial[name];
    remember(update());
  });
  window.addEventListener("hashchange", recall);
  update();
  recall();
})();
