"use strict";
// One sample with everything that is known of it, in a dialog.
const sampleDetail = (function () {
  const { element, number, verdict } = sampleCells;
  const dialog = document.getElementById("sample");
  if (!dialog) return null;
  const place = (id) => document.getElementById(id);
  const ASKED = { segmentation: "Structure", grounding: "Phrase", vqa: "Question", retrieval: "Search" };
  const TRUTH = { retrieval: "Positives" };
  let now = null, viewer = null, turn = 0;

  function fact(list, name, text) {
    if (!text) return;
    const pair = element("div");
    pair.append(element("dt", name), element("dd", text));
    list.append(pair);
  }

  function facts(block, row) {
    const list = element("dl", undefined, "sample-facts"), { task } = block.facts;
    fact(list, ASKED[task] || "Asked", block.word("asked", row));
    fact(list, TRUTH[task] || "Reference", block.word("truth", row));
    fact(list, "Where", `${block.facts.dataset} · ${task} · ${block.facts.protocol}`);
    fact(list, "Split", block.word("split", row));
    block.header.groups.forEach((name, i) => fact(list, name, block.word(`group${i}`, row)));
    return list;
  }

  function scroller(label, table) {
    const made = element("div", undefined, "scroll");
    made.tabIndex = 0;
    made.setAttribute("role", "region");
    made.setAttribute("aria-label", label);
    made.append(table);
    return made;
  }

  function headed(names, caption) {
    const table = element("table"), line = element("tr");
    for (const name of names) {
      const cell = element("th", name);
      cell.scope = "col";
      line.append(cell);
    }
    const head = element("thead");
    head.append(line);
    table.append(element("caption", caption), head, element("tbody"));
    return table;
  }

  function named(text) {
    const cell = element("th", text);
    cell.scope = "row";
    return cell;
  }

  /** One line per model: right or wrong, what it said, its numbers. */
  function answers(block, row, models) {
    const measures = block.header.measures;
    const worded = models.some((m) => block.answer(m, row));
    const names = ["Model", "Verdict", ...(worded ? ["Answer"] : []), ...measures.map((m) => m.label)];
    const table = headed(names, "Answers");
    for (const model of models) {
      const line = element("tr"), kind = block.verdicts(model)[row], cell = element("td");
      cell.append(verdict(kind), element("span", ["wrong", "right", "not judged", "not asked"][kind]));
      cell.lastChild.setAttribute("aria-hidden", "true");
      line.append(named(block.facts.models[model]), cell);
      if (worded) line.append(element("td", block.answer(model, row) || "–"));
      for (const m of measures) line.append(element("td", number(block.value(model, m, row), m.rank), "right"));
      table.tBodies[0].append(line);
    }
    return scroller("Answers", table);
  }

  function bar(value, threshold) {
    const track = element("span", undefined, "track"), fill = element("span", undefined, "fill");
    fill.style.width = `${100 * (value === value ? value : 0)}%`;
    track.append(fill);
    if (threshold !== null) {
      const cut = element("span", undefined, "cut");
      cut.style.left = `${100 * threshold}%`;
      track.append(cut);
    }
    return track;
  }

  /** Classes down, models across, each score as a bar with the threshold as a tick. */
  function scores(block, row, models) {
    const { classes, thresholds } = block.header;
    const table = headed(["Class", ...models.map((m) => block.facts.models[m])], "Scores; the tick is the threshold");
    const truth = block.word("truth", row).split(", ");
    classes.forEach((name, i) => {
      const line = element("tr");
      line.append(named(truth.includes(name) ? `${name} (true)` : name));
      for (const model of models) {
        const cell = element("td", undefined, "bar-cell"), value = block.score(model, i, row);
        const threshold = thresholds[model][i];
        const words = threshold === null ? "" : `, threshold ${number(threshold)}`;
        cell.append(bar(value, threshold), element("span", number(value), "num"), element("span", words, "hidden"));
        line.append(cell);
      }
      table.tBodies[0].append(line);
    });
    return scroller("Scores", table);
  }

  function pictureOf(block, id) {
    if (!block.pictures) {
      block.pictures = new Map();
      const ids = block.get("id"), numbers = block.get("picture");
      ids.forEach((word, row) => { if (numbers[row]) block.pictures.set(block.header.words[word], numbers[row]); });
    }
    return block.pictures.get(id);
  }

  /** The first places of each model's result list. */
  function searches(block, row, models) {
    const made = element("div", undefined, "sample-found");
    for (const model of models) {
      const places = block.found(model, row);
      if (!places.length) continue;
      const list = element("ol", undefined, "hits");
      places.forEach(({ id, right }, i) => {
        const item = element("li", undefined, right ? "right-one" : "wrong-one");
        const picture = pictureOf(block, id), label = element("span", undefined, "id");
        if (picture) item.append(samplePicture.thumb(picture, id));
        label.append(verdict(right ? 1 : 0), ` ${i + 1}. ${id}`);
        item.append(label);
        list.append(item);
      });
      made.append(element("h4", block.facts.models[model]), list);
    }
    return made;
  }

  function volumeButton(block, row, models) {
    const number = block.get("volume")[row];
    if (!number) return null;
    const made = element("div", undefined, "volume-place"), button = element("button", "Look through the volume");
    button.type = "button";
    button.id = "sample-volume";
    button.addEventListener("click", async () => {
      button.disabled = true;
      viewer = await volumeViewer.mount(made, { block, row, models, number: number - 1 });
      button.remove();
      const first = made.querySelector("button, select, input");
      if (first) first.focus();
    });
    made.append(button);
    return made;
  }

  function leaveViewer() {
    if (viewer) viewer.close();
    viewer = null;
  }

  /** Open a row, or go to it when the dialog is open already. */
  async function show(block, row, how) {
    now = how;
    turn += 1;
    const mine = turn;
    leaveViewer();
    const side = element("div", undefined, "sample-side"), main = element("div", undefined, "sample-main");
    main.append(facts(block, row), answers(block, row, how.models));
    if (block.header.classes.length) main.append(scores(block, row, how.models));
    if (how.models.some((m) => block.has(`m${m}:found`))) main.append(searches(block, row, how.models));
    const volume = volumeButton(block, row, how.models);
    place("sample-title").textContent = `${block.word("id", row)} (${how.position + 1} of ${how.total})`;
    place("sample-before").disabled = how.position === 0;
    place("sample-after").disabled = how.position === how.total - 1;
    side.append(await samplePicture.stage(block, row, how.models[0]));
    if (mine !== turn) return; // another row was asked for meanwhile
    place("sample-body").replaceChildren(side, main, ...(volume ? [volume] : []));
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    place("sample-title").focus();
  }

  function go(step) {
    const position = now.position + step;
    if (position >= 0 && position < now.total) now.go(step);
  }

  place("sample-before").addEventListener("click", () => go(-1));
  place("sample-after").addEventListener("click", () => go(1));
  place("sample-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    const typed = event.target.closest("input, select, canvas, .scroll, .viewer");
    if (typed || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowRight") go(1);
    if (event.key === "ArrowLeft") go(-1);
  });
  dialog.addEventListener("close", () => {
    leaveViewer();
    now.closed();
  });
  return { show };
})();
