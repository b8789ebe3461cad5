"use strict";
// What is listed and in which order: pure functions of an opened block.
const sampleRules = (function () {
  const WRONG = 0, RIGHT = 1, NO_ROW = 3;

  /** For each row, over some of the models: right ones, judged ones, extremes, disagreement. */
  function summary(block, models, measure) {
    const n = block.n;
    const made = {
      right: new Float64Array(n), judged: new Float64Array(n), low: new Float64Array(n).fill(NaN),
      high: new Float64Array(n).fill(NaN), mean: new Float64Array(n),
      sure: new Float64Array(n).fill(NaN), apart: new Float64Array(n).fill(NaN),
    };
    const count = new Float64Array(n);
    const confidence = block.header.measures.find((one) => one.key === "confidence");
    for (const model of models) {
      const verdicts = block.verdicts(model);
      for (let row = 0; row < n; row += 1) {
        if (verdicts[row] <= RIGHT) made.judged[row] += 1;
        if (verdicts[row] === RIGHT) made.right[row] += 1;
        const value = block.value(model, measure, row);
        if (value === value) {
          if (!(made.low[row] <= value)) made.low[row] = value;
          if (!(made.high[row] >= value)) made.high[row] = value;
          made.mean[row] += value;
          count[row] += 1;
        }
        if (confidence && verdicts[row] === WRONG) {
          const sure = block.value(model, confidence, row);
          if (sure === sure && !(made.sure[row] >= sure)) made.sure[row] = sure;
        }
      }
    }
    for (let row = 0; row < n; row += 1) made.mean[row] = count[row] ? made.mean[row] / count[row] : NaN;
    disagreement(block, models, made);
    return made;
  }

  /** Share of answers that differ from the most frequent one; without answers, of verdicts. */
  function disagreement(block, models, made) {
    const worded = models.some((model) => block.has(`m${model}:answer`));
    if (models.length < 2) return;
    for (let row = 0; row < block.n; row += 1) {
      const seen = new Map();
      let total = 0, most = 0;
      for (const model of models) {
        const verdict = block.verdicts(model)[row];
        const said = worded ? block.get(`m${model}:answer`)[row] : verdict;
        if (verdict === NO_ROW || (!worded && verdict > RIGHT)) continue;
        const times = (seen.get(said) || 0) + 1;
        seen.set(said, times);
        total += 1;
        if (times > most) most = times;
      }
      if (total > 1) made.apart[row] = 1 - most / total;
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
