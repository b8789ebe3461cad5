"use strict";
// What every page of Vesalius has: details that open for their targets, and the theme.
const vesalius = {};
(function () {
  const root = document.documentElement;
  root.classList.add("scripted");

  const cells = Array.from(document.querySelectorAll("details.cell"));

  /** The fragment up to its first ampersand names a place; the rest is the view of the matrix. */
  vesalius.anchor = () => location.hash.slice(1).split("&", 1)[0];

  /**
   * The body of a closed cell stays text until it is opened, so that a page of many cells is light.
   * It is the page's own markup, escaped when it was written and made into elements only once.
   */
  function fill(cell) {
    const waiting = cell.querySelector("noscript");
    if (!waiting) return;
    const body = document.createElement("template");
    body.innerHTML = waiting.textContent;
    waiting.replaceWith(body.content);
  }

  function openTarget() {
    const target = document.getElementById(vesalius.anchor());
    if (!target) return;
    for (let box = target; box; box = box.parentElement) {
      if (box.tagName !== "DETAILS") continue;
      fill(box);
      box.open = true;
    }
    target.scrollIntoView();
  }

  function setAll(open) {
    for (const cell of cells) {
      if (open) fill(cell);
      cell.open = open;
    }
  }

  vesalius.onClick = function (name, action) {
    const button = document.getElementById(name);
    if (button) button.addEventListener("click", action);
  };

  vesalius.save = function (name, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  };

  /** Remembered by the page alone: nothing is stored in the browser. */
  function themes() {
    const button = document.getElementById("theme");
    if (!button) return;
    const system = matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
    const show = () => button.setAttribute("aria-pressed", String(isDark()));
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      show();
    });
    system.addEventListener("change", show);
    show();
  }

  for (const cell of cells) cell.addEventListener("toggle", () => cell.open && fill(cell));
  vesalius.onClick("open-all", () => setAll(true));
  vesalius.onClick("close-all", () => setAll(false));
  window.addEventListener("hashchange", openTarget);
  themes();
  if (location.hash) openTarget();
})();
