"use strict";
(function () {
  const said = document.getElementById("sorted");

  function keyOf(row, column) {
    const cell = row.cells[column];
    if (!cell.dataset.key) return cell.textContent.trim();
    return Number(cell.dataset.key);
  }

  function compare(a, b) {
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  }

  function sort(table, heads, column) {
    const head = heads[column];
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => ({ row, key: keyOf(row, column) }));
    const known = rows.filter((one) => !Number.isNaN(one.key) && one.key !== "");
    const unknown = rows.filter((one) => Number.isNaN(one.key) || one.key === "");
    known.sort((a, b) => (up ? 1 : -1) * compare(a.key, b.key));
    body.append(...[...known, ...unknown].map((one) => one.row));
    said.textContent = `Sorted by ${head.textContent}, ${up ? "ascending" : "descending"}.`;
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.addEventListener("click", () => sort(table, heads, column));
      head.replaceChildren(button);
    });
  }
})();
