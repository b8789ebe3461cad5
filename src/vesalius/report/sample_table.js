"use strict";
// The table of samples: picks, presets, sorting, and only the rows that can be seen.
const sampleTable = (function () {
  const { element } = sampleCells;
  const root = document.getElementById("sample-browser");
  if (!root) return null;
  const index = JSON.parse(document.getElementById("sample-index").textContent);
  const place = (id) => document.getElementById(id);
  const pane = place("sample-window"), table = place("sample-table");
  const MARGIN = 12; // rows drawn above and below what is seen
  const state = { block: null, models: [], rows: [], columns: [], at: 0, preset: "all", sort: null };
  let rowHeight = 34, asked = -1;

  function options(select, pairs, chosen) {
    select.replaceChildren(...pairs.map(([value, label]) => {
      const selected = String(value) === String(chosen);
      return Object.assign(element("option", label), { value, selected });
    }));
    select.disabled = pairs.length < 2;
  }

  function distinct(facts, name) {
    return Array.from(new Set(facts.map((one) => one[name])), (value) => [value, value]);
  }

  function measure() {
    const all = state.block.header.measures;
    return all.find((one) => one.key === place("pick-measure").value) || all[0];
  }

  /** Fill the picks of dataset, task and protocol for a block. */
  function fillPicks(facts) {
    const ofData = index.filter((one) => one.dataset === facts.dataset);
    const ofTask = ofData.filter((one) => one.task === facts.task);
    options(place("pick-dataset"), distinct(index, "dataset"), facts.dataset);
    options(place("pick-task"), distinct(ofData, "task"), facts.task);
    options(place("pick-protocol"), distinct(ofTask, "protocol"), facts.protocol);
  }

  function fillGroups(block) {
    const named = [["split", "Split"], ...block.header.groups.map((name, i) => [`group${i}`, name])];
    const labels = named.map(([name, label]) => {
      const values = Array.from(new Set(block.get(name))).sort((a, b) => a - b);
      if (values.length < 2) return null;
      const made = element("label", `${label} `), select = element("select");
      select.dataset.group = name;
      options(select, [["", "all"], ...values.map((v) => [v, block.header.words[v] || "(none)"])], "");
      select.addEventListener("change", refresh);
      made.append(select);
      return made;
    });
    place("pick-groups").replaceChildren(...labels.filter(Boolean));
  }

  async function show(number, model = "", preset = "all") {
    const facts = index[number];
    fillPicks(facts);
    asked = number;
    const block = await sampleStore.openBlock(facts, number);
    if (asked !== number) return; // another one was asked for meanwhile
    state.block = block;
    options(place("pick-model"), [["", "all"], ...facts.models.map((m, i) => [i, m])], model);
    options(place("pick-measure"), state.block.header.measures.map((m) => [m.key, m.label]), "");
    fillGroups(state.block);
    place("sample-notices").replaceChildren(...facts.notices.map((text) => element("li", `${text}.`)));
    usePreset(preset);
  }

  function usePreset(key) {
    const preset = sampleRules.PRESETS.find((one) => one.key === key);
    state.preset = key;
    if (preset.measure) place("pick-measure").value = preset.measure;
    state.sort = preset.sort ? { key: preset.sort, down: Boolean(preset.down) } : null;
    for (const button of place("sample-presets").children) {
      button.setAttribute("aria-pressed", String(button.dataset.preset === key));
    }
    refresh();
  }

  /** The columns of the table for the models shown. */
  function columns() {
    const { block, models } = state, m = measure();
    const worded = (name) => block.get(name).some((v) => block.header.words[v] !== "");
    const made = [{ key: "id", label: "Sample", word: "id" }];
    if (worded("asked")) made.push({ key: "asked", label: "Asked", word: "asked", wide: true });
    if (worded("truth")) made.push({ key: "truth", label: "Reference", word: "truth" });
    for (const model of models) {
      made.push({ key: `m${model}`, label: block.facts.models[model], model });
    }
    made.push({ key: "mean", label: `Mean ${m.label}`, summary: "mean" });
    made.push({ key: "low", label: `Worst ${m.label}`, summary: m.rank ? "high" : "low" });
    if (block.header.measures.some((one) => one.key === "confidence")) {
      made.push({ key: "sure", label: "Surest wrong", summary: "sure" });
    }
    made.push({ key: "apart", label: "Disagreement", summary: "apart" });
    return made;
  }

  function refresh() {
    const { block } = state;
    const model = place("pick-model").value;
    state.models = model === "" ? block.facts.models.map((_, i) => i) : [Number(model)];
    state.made = sampleRules.summary(block, state.models, measure());
    state.columns = columns();
    const groups = Array.from(place("pick-groups").querySelectorAll("select"))
      .filter((select) => select.value !== "")
      .map((select) => [select.dataset.group, Number(select.value)]);
    const preset = sampleRules.PRESETS.find((one) => one.key === state.preset);
    state.rows = sampleRules.filtered(block, state.made, { preset, groups, text: place("pick-id").value });
    sort();
  }

  function sort() {
    const { block, made } = state;
    const column = state.sort && state.columns.find((one) => one.key === state.sort.key);
    if (column) {
      const values = sampleRules.keys(block, made, measure(), column);
      state.rows = sampleRules.sorted(state.rows, values, state.sort.down);
    } else {
      state.sort = null;
      state.rows.sort((a, b) => a - b);
    }
    state.at = 0;
    pane.scrollTop = 0;
    head();
    draw();
    const order = column ? ` Sorted by ${column.label}, ${state.sort.down ? "descending" : "ascending"}.` : "";
    const n = block.n.toLocaleString("en");
    place("sample-count").textContent = `${state.rows.length.toLocaleString("en")} of ${n} rows.${order}`;
  }

  function head() {
    const cells = state.columns.map((column) => {
      const cell = element("th"), button = element("button", column.label);
      cell.scope = "col";
      button.type = "button";
      button.addEventListener("click", () => {
        const down = state.sort && state.sort.key === column.key ? !state.sort.down : false;
        state.sort = { key: column.key, down };
        sort();
        table.tHead.querySelectorAll("button")[state.columns.indexOf(column)].focus();
      });
      if (state.sort && state.sort.key === column.key) {
        cell.setAttribute("aria-sort", state.sort.down ? "descending" : "ascending");
      }
      cell.append(button);
      return cell;
    });
    table.tHead.rows[0].replaceChildren(...cells);
    table.setAttribute("aria-rowcount", String(state.rows.length + 1));
  }

  /** Draw the rows that can be seen; empty rows hold the place of the others. */
  function draw() {
    const first = Math.max(0, Math.floor(pane.scrollTop / rowHeight) - MARGIN);
    const last = Math.min(state.rows.length, first + Math.ceil(pane.clientHeight / rowHeight) + 2 * MARGIN);
    const body = table.tBodies[0];
    const held = body.contains(document.activeElement);
    const rows = [gap(first)];
    for (let position = first; position < last; position += 1) {
      const line = element("tr");
      line.setAttribute("aria-rowindex", String(position + 2));
      const row = state.rows[position];
      line.append(...state.columns.map((column) => (
        column.key === "id" ? opener(row, position) : sampleCells.cell(state, measure(), column, row)
      )));
      rows.push(line);
    }
    rows.push(gap(state.rows.length - last));
    body.replaceChildren(...rows);
    const real = rows[1] && rows[1].cells.length > 1 ? rows[1].getBoundingClientRect().height : 0;
    if (real > 0 && Math.abs(real - rowHeight) > 0.5) rowHeight = real;
    if (held) (buttonAt(state.at) || pane).focus({ preventScroll: true });
  }

  function opener(row, position) {
    const cell = element("th"), button = element("button", state.block.word("id", row));
    cell.scope = "row";
    button.type = "button";
    button.tabIndex = position === state.at ? 0 : -1;
    button.addEventListener("click", () => open(position));
    cell.append(button);
    return cell;
  }

  function gap(n) {
    const line = element("tr", undefined, "gap"), cell = element("td");
    line.setAttribute("aria-hidden", "true");
    cell.colSpan = state.columns.length;
    cell.style.height = `${n * rowHeight}px`;
    line.append(cell);
    return line;
  }

  function buttonAt(position) {
    const line = table.querySelector(`tr[aria-rowindex="${position + 2}"]`);
    return line && line.querySelector("th button");
  }

  /** Make a row the current one, bring it into sight and give it the focus. */
  function goTo(position, focus = true) {
    if (!state.rows.length) return;
    state.at = Math.min(state.rows.length - 1, Math.max(0, position));
    const top = state.at * rowHeight, seen = pane.clientHeight - table.tHead.offsetHeight - rowHeight;
    if (top < pane.scrollTop) pane.scrollTop = top;
    if (top > pane.scrollTop + seen) pane.scrollTop = top - seen;
    draw();
    const button = buttonAt(state.at);
    if (focus && button) button.focus({ preventScroll: true });
  }

  function open(position) {
    if (!state.rows.length) return;
    goTo(position, false);
    sampleDetail.show(state.block, state.rows[state.at], {
      models: state.models, position: state.at, total: state.rows.length,
      go: (step) => open(state.at + step), closed: () => goTo(state.at),
    });
  }

  const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
  pane.addEventListener("keydown", (event) => {
    if (table.tHead.contains(event.target)) return;
    if (event.key in STEPS) {
      event.preventDefault();
      goTo(state.at + STEPS[event.key]);
    } else if (event.key === "Enter" && event.target === pane) {
      open(state.at);
    }
  });
  let waiting = false;
  pane.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  });

  function find(wanted) {
    const fits = (one) => Object.entries(wanted).every(([name, value]) => one[name] === value);
    return index.findIndex(fits);
  }
  place("pick-dataset").addEventListener("change", (e) => show(find({ dataset: e.target.value })));
  place("pick-task").addEventListener("change", (e) => {
    show(find({ dataset: place("pick-dataset").value, task: e.target.value }));
  });
  place("pick-protocol").addEventListener("change", (e) => {
    const [dataset, task] = [place("pick-dataset").value, place("pick-task").value];
    show(find({ dataset, task, protocol: e.target.value }));
  });
  for (const id of ["pick-model", "pick-measure"]) place(id).addEventListener("change", refresh);
  place("pick-id").addEventListener("input", refresh);

  function presetButton(preset) {
    const button = element("button", preset.label);
    const able = (facts) => preset.needs.every((key) => facts.measures.includes(key));
    button.type = "button";
    button.dataset.preset = preset.key;
    button.disabled = !index.some(able);
    button.addEventListener("click", () => {
      const here = able(state.block.facts);
      if (here) usePreset(preset.key);
      else show(index.findIndex(able), "", preset.key);
    });
    return button;
  }
  place("sample-presets").append(...sampleRules.PRESETS.map(presetButton));

  /** A cell that is opened links here; the address names the cell. */
  function linkFrom(cell) {
    const body = cell.querySelector(".body"), known = index.some((one) => one.anchors.includes(cell.id));
    if (!known || !body || body.querySelector(".to-samples")) return;
    const line = element("p", undefined, "back to-samples"), link = element("a", "See the samples");
    link.href = `#samples-${cell.id}`;
    line.append(link);
    body.append(line);
  }

  function followAddress() {
    const anchor = vesalius.anchor().replace(/^samples-/, "");
    const number = index.findIndex((one) => one.anchors.includes(anchor));
    if (number < 0) return false;
    show(number, index[number].anchors.indexOf(anchor));
    place("samples").scrollIntoView();
    return true;
  }
  for (const cell of document.querySelectorAll("details.cell")) {
    cell.addEventListener("toggle", () => linkFrom(cell));
  }
  window.addEventListener("hashchange", followAddress);
  if (!followAddress()) {
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      if (!state.block) show(0);
    }, { rootMargin: "600px" });
    seen.observe(root);
  }
  return { show, state };
})();
