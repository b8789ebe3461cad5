"use strict";
// What is listed and in which order: pure functions of an opened block.
const sampleRules = (function () {
  const WRONG = 0, RIGHT = 1, NO_ROW = 3;

  /** For each row, over some of the models: right ones, judged ones, extremes, disagreement. */
  function summary(block, models, measure) {
    const name = `${models.join()}:${measure.key}`;
    block.summaries ||= new Map();
    if (!block.summaries.has(name)) block.summaries.set(name, summed(block, models, measure));
    return block.summaries.get(name);
  }

  function summed(block, models, measure) {
    const n = block.n;
    const made = { right: new Uint16Array(n), judged: new Uint16Array(n), apart: new Float64Array(n).fill(NaN) };
    for (const name of ["low", "high", "mean", "sure"]) made[name] = new Float64Array(n).fill(NaN);
    const count = new Uint16Array(n), total = new Float64Array(n);
    const confidence = block.header.measures.find((one) => one.key === "confidence");
    for (const model of models) {
      const verdicts = block.verdicts(model), values = block.values(model, measure);
      const sure = confidence ? block.values(model, confidence) : null;
      for (let row = 0; row < n; row += 1) {
        const verdict = verdicts[row], value = values[row];
        if (verdict <= RIGHT) made.judged[row] += 1;
        if (verdict === RIGHT) made.right[row] += 1;
        if (value === value) {
          if (!(made.low[row] <= value)) made.low[row] = value;
          if (!(made.high[row] >= value)) made.high[row] = value;
          total[row] += value;
          count[row] += 1;
        }
        if (sure && verdict === WRONG && sure[row] === sure[row] && !(made.sure[row] >= sure[row])) {
          made.sure[row] = sure[row];
        }
      }
    }
    for (let row = 0; row < n; row += 1) if (count[row]) made.mean[row] = total[row] / count[row];
    disagreement(block, models, made.apart);
    return made;
  }

  /** Share of answers that differ from the most frequent one; without answers, of verdicts. */
  function disagreement(block, models, apart) {
    const worded = models.some((model) => block.has(`m${model}:answer`));
    const verdicts = models.map((model) => block.verdicts(model));
    const said = worded ? models.map((model) => block.get(`m${model}:answer`)) : verdicts;
    const counts = (i, row) => (worded ? verdicts[i][row] !== NO_ROW : verdicts[i][row] <= RIGHT);
    for (let row = 0; row < block.n; row += 1) {
      let total = 0, most = 0;
      for (let i = 0; i < models.length; i += 1) {
        if (!counts(i, row)) continue;
        let same = 0;
        for (let j = 0; j < models.length; j += 1) if (counts(j, row) && said[j][row] === said[i][row]) same += 1;
        total += 1;
        if (same > most) most = same;
      }
      if (total > 1) apart[row] = 1 - most / total;
    }
  }

  const PRESETS = [
    { key: "all", label: "All", needs: [], keep: () => true },
    {
      key: "confident", label: "Wrong and confident", needs: ["confidence"], sort: "sure", down: true,
      keep: (made, row) => made.sure[row] === made.sure[row],
    },
    {
      key: "disagree", label: "Models disagree", needs: [], sort: "apart", down: true,
      keep: (made, row) => made.apart[row] > 0,
    },
    {
      key: "dice", label: "Worst Dice", needs: ["dice"], measure: "dice", sort: "low",
      keep: (made, row) => made.low[row] === made.low[row],
    },
    {
      key: "iou", label: "Worst IoU", needs: ["iou"], measure: "iou", sort: "low",
      keep: (made, row) => made.low[row] === made.low[row],
    },
    {
      key: "none", label: "Found by none", needs: [], judged: true,
      keep: (made, row) => made.judged[row] > 0 && made.right[row] === 0,
    },
  ];

  function filtered(block, made, { preset, groups, text }) {
    const wanted = text.trim().toLowerCase();
    const rows = [];
    let ids = null;
    if (wanted) ids = block.header.words.map((word) => word.toLowerCase().includes(wanted));
    const names = block.get("id");
    const checks = groups.map(([name, place]) => [block.get(name), place]);
    for (let row = 0; row < block.n; row += 1) {
      if (ids && !ids[names[row]]) continue;
      if (!preset.keep(made, row)) continue;
      let kept = true;
      for (const [column, place] of checks) if (column[row] !== place) kept = false;
      if (kept) rows.push(row);
    }
    return rows;
  }

  function wordRanks(block) {
    if (!block.ranks) {
      const order = new Intl.Collator("en", { numeric: true });
      const words = block.header.words;
      const sorted = Array.from(words.keys()).sort((a, b) => order.compare(words[a], words[b]));
      block.ranks = new Float64Array(words.length);
      sorted.forEach((place, rank) => { block.ranks[place] = rank; });
    }
    return block.ranks;
  }

  /** What rows are sorted by; NaN stands last in either order. */
  function keys(block, made, measure, column) {
    if (column.summary) return made[column.summary];
    if (column.model !== undefined) return block.values(column.model, measure);
    const ranks = wordRanks(block), places = block.get(column.word);
    return Float64Array.from(places, (place) => ranks[place]);
  }

  function sorted(rows, values, down) {
    const known = rows.filter((row) => values[row] === values[row]);
    const unknown = rows.filter((row) => values[row] !== values[row]);
    known.sort((a, b) => (down ? values[b] - values[a] : values[a] - values[b]) || a - b);
    return known.concat(unknown);
  }

  return { summary, filtered, keys, sorted, PRESETS };
})();
