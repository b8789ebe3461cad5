"use strict";
(function () {
  const root = document.documentElement;
  root.classList.add("scripted");

  const cells = Array.from(document.querySelectorAll("details.cell"));

  function openTarget() {
    const target = document.getElementById(location.hash.slice(1));
    if (!target) return;
    for (let box = target; box; box = box.parentElement) {
      if (box.tagName === "DETAILS") box.open = true;
    }
    target.scrollIntoView();
  }

  function setAll(open) {
    for (const cell of cells) cell.open = open;
  }

  function onClick(name, action) {
    const button = document.getElementById(name);
    if (button) button.addEventListener("click", action);
  }

  function save() {
    const text = JSON.parse(document.getElementById("metrics-csv").textContent);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    link.download = "metrics.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  }

  onClick("open-all", () => setAll(true));
  onClick("close-all", () => setAll(false));
  onClick("save-csv", save);
  window.addEventListener("hashchange", openTarget);

  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = Array.from(document.querySelectorAll("details:not([open])"));
    for (const box of opened) box.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const box of opened) box.open = false;
  });

  if (location.hash) openTarget();
})();
