"use strict";
// The place where a volume is looked through: which viewer, and the controls both have.
const volumeViewer = (function () {
  const { element } = sampleCells;

  function slider(name, range, value, changed) {
    const label = element("label", `${name} `, "layer"), input = element("input");
    Object.assign(input, { type: "range", min: String(range[0]), max: String(range[1]), step: String(range[2]) });
    input.value = String(value);
    input.addEventListener("input", () => changed(Number(input.value)));
    label.append(input);
    return label;
  }

  function check(name, on, changed, colour) {
    const label = element("label", undefined, "layer"), input = element("input");
    input.type = "checkbox";
    input.checked = on;
    input.addEventListener("change", () => changed(input.checked));
    label.append(input);
    if (colour) {
      const swatch = element("span", undefined, "swatch-square");
      swatch.style.background = colour;
      label.append(swatch);
    }
    label.append(name);
    return label;
  }

  function controls(volume, how, changed) {
    const made = element("div", undefined, "viewer-controls");
    function set(name) {
      return (value) => {
        how[name] = value;
        changed();
      };
    }
    made.append(
      slider("Window", [1, 255, 1], how.window, set("window")),
      slider("Level", [0, 255, 1], how.level, set("level")),
      check("Cross", how.cross, set("cross")),
    );
    for (const layer of volume.layers) {
      made.append(check(layer.label, layer.on, (on) => {
        layer.on = on;
        changed();
      }, layer.colour));
    }
    if (volume.layers.length) made.append(slider("Opacity", [0, 1, 0.05], how.opacity, set("opacity")));
    return made;
  }

  function why() {
    const missing = document.getElementById("no-niivue");
    if (missing) return missing.textContent;
    if (!viewerNiivue.canDraw()) return "Plain slices: this browser has no WebGL 2, which NiiVue draws with.";
    return "";
  }

  /** Build the viewer in a place of the dialog; `close` gives back what it holds. */
  async function mount(place, wanted) {
    const volume = await viewerVolume.load(wanted);
    const how = { window: 255, level: 127.5, opacity: 0.5, cross: true };
    const made = element("div", undefined, "viewer"), stage = element("div", undefined, "viewer-stage");
    const note = element("p", why(), "muted viewer-note");
    const title = element("p", "Volume", "figure-title");
    const size = `${volume.size.join(" × ")} voxels of ${volume.spacing.map((mm) => mm.toFixed(1)).join(" × ")} mm`;
    const grid = element("p", `${size}, on a grid of at most 96 voxels a side; every number of this page was computed on the whole one. Patient's right is on the left.`, "muted");
    let shown = null;
    made.append(title, grid, controls(volume, how, () => shown && shown.draw()), stage, note);
    place.append(made);
    async function use(viewer) {
      if (shown) shown.close();
      stage.replaceChildren();
      shown = await viewer.mount(stage, volume, how);
    }
    if (why()) await use(viewerSlices);
    else {
      const both = element("button", "Plain slices");
      both.type = "button";
      let plain = false;
      both.addEventListener("click", async () => {
        plain = !plain;
        both.textContent = plain ? "NiiVue" : "Plain slices";
        await use(plain ? viewerSlices : viewerNiivue);
      });
      title.append(" ", both);
      try {
        await use(viewerNiivue);
      } catch (error) {
        both.remove();
        note.textContent = `Plain slices: NiiVue could not start (${error.message}).`;
        await use(viewerSlices);
      }
    }
    return { close: () => shown && shown.close() };
  }

  return { mount };
})();
