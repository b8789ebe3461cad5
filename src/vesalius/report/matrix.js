// The matrix: what stands in each place for a metric and a subgroup, and how it is drawn.
(function () {
  const data = document.getElementById("view-data");
  if (!data) return;
  const view = JSON.parse(data.textContent);

  const minus = (text) => text.replace("-", "−");

  /** As `text_of` in tables.py. */
  function textOf(value) {
    if (Number.isNaN(value)) return "n/a";
    if (Math.abs(value) < 10) return value.toFixed(3);
    return String(Number(value.toPrecision(4)));
  }

  /** As `span_text` in tables.py. */
  function spanOf({ low, high }) {
    if (Number.isNaN(low) || Number.isNaN(high)) return "";
    const most = Math.max(Math.abs(low), Math.abs(high));
    const digits = most < 10 ? 2 : most < 100 ? 1 : 0;
    return `${minus(low.toFixed(digits))}–${minus(high.toFixed(digits))}`;
  }

  /** A text from a run, without characters that could make a reader see another. */
  const visible = (text) => (
    text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "�")
  );

  function make(tag, style, text) {
    const made = document.createElement(tag);
    if (style) made.className = style;
    if (text) made.textContent = text;
    return made;
  }

  /** One table with its rows, columns and places; `places[r][c]` belongs to model r, column c. */
  function tableOf(box, number) {
    const { dataset, models, columns, headlines } = view.matrices[number];
    const table = box.querySelector("table");
    const heads = Array.from(table.tHead.rows[1].cells);
    const rows = Array.from(table.tBodies[0].rows);
    const places = rows.map((line, r) => Array.from(line.cells).slice(1).map((cell, c) => ({
      cell,
      model: models[r],
      place: [dataset, ...columns[c]],
      headline: headlines[r][c],
      href: cell.querySelector("a")?.getAttribute("href"),
      nodes: Array.from(cell.childNodes),
      style: cell.className,
      title: cell.title,
    })));
    const tasks = Array.from(table.tHead.rows[0].cells);
    return { box, table, dataset, models, columns, rows, heads, places, corner: tasks.shift(), tasks };
  }

  const WHY = {
    "does not clear": ["▽", "not above controls"],
    "no control": ["?", "no control"],
    undefined: ["?", "not judged against controls"],
  };

  function mark(verdict) {
    const [sign, words] = WHY[verdict];
    const made = make("span", "mark");
    made.title = words;
    const shown = make("span", "", sign);
    shown.setAttribute("aria-hidden", "true");
    made.append(shown, make("span", "hidden", ` ${words}`));
    return made;
  }

  function draw(place, heat) {
    const { cell, found, verdict, style } = place;
    const edge = style.includes("starts") ? " starts" : "";
    if (!found) {
      cell.className = `place gap${edge}`;
      cell.title = place.headline ? "no row for this metric and these patients" : place.title;
      cell.replaceChildren("–", make("span", "hidden", " no value"));
      return;
    }
    const weak = verdict === "does not clear" ? " weak" : "";
    cell.className = `place ${heat === null ? "plain" : `heat${heat}`}${weak}${edge}`;
    cell.title = Number.isNaN(found.value)
      ? visible(found.reason || "no reason was recorded")
      : `${visible(found.metric)}, ${found.patients} patients`;
    const link = make("a");
    if (place.href) link.setAttribute("href", place.href);
    const rank = make("span", "rank");
    if (verdict in WHY && !Number.isNaN(found.value)) rank.append(mark(verdict));
    link.append(
      make("span", "value", textOf(found.value)), " ", make("span", "ci", spanOf(found)), " ", rank,
    );
    cell.replaceChildren(link);
  }

  function restore({ cell, nodes, style, title }) {
    cell.className = style;
    cell.title = title;
    cell.replaceChildren(...nodes);
  }

  /** What stands in a place: by the chosen metric of its task, or by the headline. */
  function look(place, { metrics, subgroup }) {
    const chosen = metrics.get(place.place[1]) ?? place.headline;
    place.found = chosen && vesalius.find(place.model, ...place.place, chosen[0], chosen[1], subgroup);
    place.verdict = place.found ? vesalius.clearance(place.found) : "";
    if (place.verdict === "clears" && place.headline?.[2]) place.verdict = "undefined";
    place.peers = chosen && JSON.stringify([place.place[0], place.place[1], chosen]);
  }

  const signed = (one) => one.sign * one.value;

  /** As `_with_heat` in tables.py: from the strongest control to the best model. */
  function heatOf(place, best) {
    const { found, verdict, peers } = place;
    const bars = found.controls.map(signed).filter((value) => !Number.isNaN(value));
    if (!bars.length || Number.isNaN(found.value)) return null;
    const floor = Math.max(...bars);
    const top = best.get(peers);
    if (top <= floor || verdict !== "clears") return 0;
    return Math.round(6 * Math.min(Math.max((signed(found) - floor) / (top - floor), 0), 1));
  }

  function bestOf(places) {
    const best = new Map();
    for (const { found, peers } of places) {
      if (found && !Number.isNaN(found.value)) {
        best.set(peers, Math.max(best.get(peers) ?? -Infinity, signed(found)));
      }
    }
    return best;
  }

  /** Fill every place for a metric of each task and a subgroup; headlines stay as they were. */
  vesalius.fill = function (tables, chosen) {
    for (const table of tables) {
      const all = table.places.flat();
      for (const place of all) look(place, chosen);
      const best = bestOf(all);
      for (const place of all) {
        const isHeadline = !chosen.subgroup && !chosen.metrics.has(place.place[1]);
        if (isHeadline) restore(place);
        else draw(place, place.found && heatOf(place, best));
      }
    }
  };

  vesalius.view = view;
  vesalius.visible = visible;
  vesalius.tables = Array.from(document.querySelectorAll(".one-matrix"), tableOf);
})();
