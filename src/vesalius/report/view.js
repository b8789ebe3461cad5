// The view of the matrix: what is shown, in which order; it is kept in the address.
(function () {
  const form = document.getElementById("view");
  if (!form || !vesalius.tables) return;
  const { view, tables } = vesalius;
  const said = document.getElementById("view-said");
  const distinct = (names) => Array.from(new Set(names));
  const columns = tables.flatMap((table) => table.columns);
  const tasks = distinct(columns.map(([task]) => task));
  const protocols = distinct(columns.map(([, protocol]) => protocol));
  const fields = Array.from(form.elements).filter((field) => field.name);
  let sort = { by: "", rising: false }; // by: "model", or "task/protocol"

  const chosen = (name, list) => {
    const field = form.elements[name];
    return field && field.value !== "" ? list[Number(field.value)] : "";
  };

  function state() {
    const metrics = new Map();
    tasks.forEach((task, number) => {
      const metric = chosen(`metric${number}`, view.metrics[task] ?? []);
      if (metric) metrics.set(task, metric);
    });
    return {
      dataset: chosen("dataset", view.matrices.map((one) => one.dataset)),
      task: chosen("task", tasks),
      protocol: chosen("protocol", protocols),
      subgroup: chosen("subgroup", view.subgroups),
      defined: form.elements.defined.checked,
      above: form.elements.above.checked,
      metrics,
    };
  }

  const isValue = (place) => Boolean(place.found) && !Number.isNaN(place.found.value);

  function isKept(place, now) {
    return (!now.defined || isValue(place)) && (!now.above || place.verdict === "clears");
  }

  /** Hide columns and rows without anything to show; empty the places that are left out. */
  function sift(table, now) {
    const isPicky = now.defined || now.above;
    const wanted = table.columns.map(([task, protocol]) => (
      (!now.task || task === now.task) && (!now.protocol || protocol === now.protocol)
    ));
    const kept = table.places.map((line) => line.map((one, c) => wanted[c] && isKept(one, now)));
    const column = wanted.map((is, c) => is && (!isPicky || kept.some((line) => line[c])));
    const row = kept.map((line) => !isPicky || line.some(Boolean));
    table.places.forEach((line, r) => line.forEach(({ cell }, c) => {
      cell.hidden = !column[c];
      cell.classList.toggle("left-out", !kept[r][c]);
    }));
    table.rows.forEach((line, r) => { line.hidden = !row[r]; });
    table.heads.forEach((head, c) => { head.hidden = !column[c]; });
    let start = 0;
    table.tasks.forEach((head) => {
      const n = column.slice(start, start + Number(head.dataset.n)).filter(Boolean).length;
      start += Number(head.dataset.n);
      head.hidden = n === 0;
      head.colSpan = Math.max(n, 1);
    });
    const n = { models: row.filter(Boolean).length, columns: column.filter(Boolean).length };
    table.box.hidden = Boolean(now.dataset && table.dataset !== now.dataset);
    table.table.hidden = n.models === 0 || n.columns === 0;
    return table.box.hidden ? { models: 0, columns: 0 } : n;
  }

  function order(table) {
    const numbers = table.rows.map((_, r) => r);
    const c = table.columns.findIndex((column) => column.join("/") === sort.by);
    if (sort.by === "model") {
      numbers.sort((a, b) => (table.models[a] < table.models[b] ? -1 : 1) * (sort.rising ? 1 : -1));
    } else if (c >= 0) {
      const value = (r) => (isValue(table.places[r][c]) ? table.places[r][c].found.value : NaN);
      numbers.sort((a, b) => {
        const [one, other] = [value(a), value(b)];
        if (Number.isNaN(one) || Number.isNaN(other)) return Number.isNaN(one) - Number.isNaN(other);
        return (one - other) * (sort.rising ? 1 : -1);
      });
    }
    table.table.tBodies[0].append(...numbers.map((r) => table.rows[r]));
    const mark = (head, name) => {
      if (name !== sort.by) head.removeAttribute("aria-sort");
      else head.setAttribute("aria-sort", sort.rising ? "ascending" : "descending");
    };
    mark(table.corner, "model");
    table.heads.forEach((head, at) => mark(head, table.columns[at].join("/")));
  }

  /** Say under each protocol which metric stands there. */
  function entitle(table, now) {
    table.heads.forEach((head, c) => {
      const metric = now.metrics.get(table.columns[c][0]);
      const shown = head.querySelector(".metric");
      shown.dataset.headline ??= shown.textContent;
      const words = metric && metric[0] + (metric[1] ? ` (${metric[1]})` : "");
      shown.textContent = words ? vesalius.visible(words) : shown.dataset.headline;
    });
  }

  function tell(sizes, now) {
    const models = Math.max(...sizes.map((one) => one.models));
    const n = sizes.reduce((sum, one) => sum + one.columns, 0);
    const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
    const parts = [n && models ? `${plural(models, "model")}, ${plural(n, "column")} shown.`
      : "Nothing is left in this view."];
    if (sort.by) {
      const name = sort.by === "model" ? "name" : sort.by.replace("/", ", ");
      const way = sort.rising ? "ascending" : "descending";
      parts.push(`Sorted by ${vesalius.visible(name)}, ${way}.`);
    }
    if (now.subgroup || now.metrics.size) {
      parts.push("Ranks and groups are known for headlines over all patients only.");
    }
    said.textContent = parts.join(" ");
  }

  /** A choice by its words, so that a shared address can be read. */
  const wordOf = (field) => (
    field.type === "checkbox" ? "yes" : field.selectedOptions[0].textContent
  );
  const isSet = (field) => (field.type === "checkbox" ? field.checked : field.value !== "");

  function remember() {
    const words = fields.filter(isSet).map((field) => [field.name, wordOf(field)]);
    if (sort.by) words.push(["sort", `${sort.rising ? "+" : "-"}${sort.by}`]);
    const rest = words.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
    const wanted = rest ? `#${vesalius.anchor() || "matrix"}&${rest}` : `#${vesalius.anchor()}`;
    if (wanted !== location.hash && (rest || location.hash.includes("&"))) {
      history.replaceState(null, "", wanted);
    }
  }

  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return "";
    }
  }

  /** Take the view from the address; what is not known there is left alone. */
  function recall() {
    const words = new Map(
      location.hash.split("&").slice(1).map((pair) => pair.split("=").map(decoded)),
    );
    for (const field of fields) {
      const word = words.get(field.name);
      if (field.type === "checkbox") field.checked = word === "yes";
      else {
        const found = Array.from(field.options).find((one) => one.textContent === word);
        field.value = found ? found.value : "";
      }
    }
    const by = words.get("sort") ?? "";
    const known = ["model", ...columns.map((column) => column.join("/"))];
    sort = known.includes(by.slice(1)) ? { by: by.slice(1), rising: by[0] === "+" } : { by: "" };
  }

  function update() {
    const now = state();
    vesalius.fill(tables, now);
    for (const table of tables) entitle(table, now);
    const sizes = tables.map((table) => sift(table, now));
    for (const table of tables) order(table);
    tell(sizes, now);
  }

  /** First the best, then the other way round; by name from a to z first. */
  function sortBy(name, table, c) {
    const first = table.places.map((line) => line[c]?.found).find(Boolean);
    const start = name === "model" || first?.sign === -1;
    sort = sort.by === name ? { by: name, rising: !sort.rising } : { by: name, rising: start };
    update();
    remember();
  }

  function button(head, name, table, c) {
    const label = head.querySelector(".protocol") ?? head;
    const made = document.createElement("button");
    made.type = "button";
    made.className = "sort";
    made.append(...label.childNodes);
    label.append(made);
    made.addEventListener("click", () => sortBy(name, table, c));
  }

  for (const table of tables) {
    button(table.corner, "model", table, -1);
    table.heads.forEach((head, c) => button(head, table.columns[c].join("/"), table, c));
    for (const head of table.tasks) head.dataset.n = head.colSpan;
  }
  form.addEventListener("change", () => { update(); remember(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => {
    sort = { by: "" };
    update();
    remember();
  }));
  window.addEventListener("hashchange", () => {
    if (location.hash.includes("&")) { recall(); update(); } else remember();
  });
  recall();
  if (location.hash.includes("&")) update();
})();
