// Every metric row of the run, read from the page when first asked for.
(function () {
  const cache = {};

  function block() {
    cache.block ??= JSON.parse(document.getElementById("metric-rows").textContent);
    return cache.block;
  }

  /** Value of a column in a row; undefined numbers are NaN where a number is meant. */
  function value(name, row) {
    const column = block().columns[name];
    if ("all" in column) return column.all;
    return column.texts ? column.texts[column.values[row]] : column.values[row];
  }

  const number = (name, row) => value(name, row) ?? NaN;

  function estimate(row) {
    return {
      row,
      value: number("value", row),
      low: number("low", row),
      high: number("high", row),
      sign: value("higher_is_better", row) ? 1 : -1,
      metric: value("metric", row),
      patients: value("n_patients", row),
      reason: value("reason", row),
      model: value("model", row),
    };
  }

  const key = (...parts) => JSON.stringify(parts);

  /** Rows of all models, by the place that they are compared in. */
  function places() {
    if (cache.places) return cache.places;
    cache.places = new Map();
    for (let row = 0; row < block().n; row += 1) {
      const place = key(
        value("dataset", row), value("task", row), value("protocol", row),
        value("metric", row), value("class", row), value("subgroup", row),
      );
      if (!cache.places.has(place)) cache.places.set(place, new Map());
      cache.places.get(place).set(value("model", row), row);
    }
    return cache.places;
  }

  const CONTROL = /^control:/;
  const OF_MODEL = /^control:[^(]*\(([\s\S]*)\)$/;
  const OF_RUN = / \[run (\d+)\]$/;

  /** As `is_meant_for` in controls.py. */
  function isMeantFor(control, model) {
    const own = OF_MODEL.exec(control);
    if (own) return own[1] === model;
    const run = OF_RUN.exec(control);
    return !run || model.endsWith(` (run ${run[1]})`);
  }

  /** A model's estimate and those of its controls at one place; null when there is no row. */
  vesalius.find = function (model, ...place) {
    const there = places().get(key(...place));
    if (!there || !there.has(model)) return null;
    const controls = Array.from(there.keys())
      .filter((name) => CONTROL.test(name) && isMeantFor(name, model))
      .map((name) => estimate(there.get(name)));
    return { ...estimate(there.get(model)), controls };
  };

  /** As `clearance` in controls.py. */
  vesalius.clearance = function ({ low, high, sign, controls }) {
    if (!controls.length) return "no control";
    const worst = Math.min(sign * low, sign * high);
    const bars = controls.map((one) => (
      Number.isNaN(one.low) || Number.isNaN(one.high)
        ? sign * one.value
        : Math.max(sign * one.low, sign * one.high)
    ));
    if (Number.isNaN(worst) || bars.some(Number.isNaN)) return "undefined";
    return worst > Math.max(...bars) ? "clears" : "does not clear";
  };

  const COLUMNS = [
    "model", "dataset", "task", "protocol", "split", "subgroup", "class", "metric", "value", "low",
    "high", "level", "n", "n_patients", "n_resamples", "n_undefined", "higher_is_better", "seed",
    "task_card", "reason",
  ];

  /** A text as a cell of a CSV table that no spreadsheet takes for a formula. */
  function quoted(content) {
    if (content === null) return "";
    if (typeof content === "boolean") return content ? "True" : "False";
    if (typeof content === "number") return String(content);
    const text = (/^[=+\-@\t\r]/.test(content) ? "'" : "") + content.replaceAll("\r", " ");
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  vesalius.csv = function () {
    const lines = [COLUMNS.join(",")];
    for (let row = 0; row < block().n; row += 1) {
      lines.push(COLUMNS.map((name) => quoted(value(name, row))).join(","));
    }
    return `${lines.join("\n")}\n`;
  };

  vesalius.onClick("save-csv", () => vesalius.save("metrics.csv", vesalius.csv()));
})();
