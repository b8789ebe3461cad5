"use strict";
// Cells of the table of samples, and the words and numbers that its details show as well.
const sampleCells = (function () {
  const MARKS = ["✗", "✓", "·", ""];
  const SPOKEN = ["wrong", "right", "", "not asked"];
  const CLASSES = ["wrong", "right", "none", "none"];

  function element(tag, text, className) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function number(value, rank) {
    if (value !== value) return "–";
    return rank ? String(value) : value.toFixed(3);
  }

  /** Right or wrong as a sign to see and a word to hear. */
  function verdict(kind) {
    const made = element("span", undefined, `judged judged-${CLASSES[kind]}`);
    const mark = element("span", MARKS[kind], "mark");
    mark.setAttribute("aria-hidden", "true");
    made.append(mark, element("span", SPOKEN[kind], "hidden"));
    return made;
  }

  function answer(block, measure, model, row) {
    const cell = element("td", undefined, "answer");
    const value = number(block.value(model, measure, row), measure.rank);
    cell.append(verdict(block.verdicts(model)[row]), element("b", value));
    const said = block.answer(model, row);
    if (said) cell.append(element("span", said, "words"));
    return cell;
  }

  function summary(made, measure, column, row) {
    const value = made[column.summary][row];
    const rank = measure.rank && (column.key === "mean" || column.key === "low");
    const mean = rank && column.key === "mean" && value === value;
    return element("td", mean ? value.toFixed(1) : number(value, rank), "right");
  }

  /** Any cell but the first of a line. */
  function cell({ block, made }, measure, column, row) {
    if (column.word) return element("td", block.word(column.word, row), column.wide ? "wide" : "");
    if (column.summary) return summary(made, measure, column, row);
    return answer(block, measure, column.model, row);
  }

  return { element, number, verdict, cell };
})();
