"use strict";
// The plain viewer: three planes, each with its own slice, as radiologists see them.
const viewerSlices = (function () {
  const { element } = sampleCells;
  const ALONG = 300; // pixels of the longest side of the volume
  // across and down: axes of the volume whose index falls to the right and downwards
  const PLANES = [
    { name: "Axial", normal: 2, across: 0, down: 1, letters: ["R", "L", "A", "P"] },
    { name: "Coronal", normal: 1, across: 0, down: 2, letters: ["R", "L", "S", "I"] },
    { name: "Sagittal", normal: 0, across: 1, down: 2, letters: ["A", "P", "S", "I"] },
  ];

  function rgb(colour) {
    return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  }

  function stepOf(size, axis) {
    return [1, size[0], size[0] * size[1]][axis];
  }

  /** Grey values through the window, with the masks that are on blended over them. */
  function pixels(volume, plane, index, how) {
    const { size, voxels } = volume;
    const width = size[plane.across], height = size[plane.down];
    const made = new ImageData(width, height);
    const low = how.level - how.window / 2;
    const shown = volume.layers.filter((layer) => layer.on).map((layer) => [layer.voxels, rgb(layer.colour)]);
    const base = index * stepOf(size, plane.normal);
    for (let r = 0; r < height; r += 1) {
      for (let c = 0; c < width; c += 1) {
        const at = base + (width - 1 - c) * stepOf(size, plane.across) + (height - 1 - r) * stepOf(size, plane.down);
        const grey = Math.min(255, Math.max(0, ((voxels[at] - low) / how.window) * 255));
        const to = 4 * (r * width + c);
        let [red, green, blue] = [grey, grey, grey];
        for (const [mask, [mr, mg, mb]] of shown) {
          if (!mask[at]) continue;
          red += how.opacity * (mr - red);
          green += how.opacity * (mg - green);
          blue += how.opacity * (mb - blue);
        }
        made.data.set([red, green, blue, 255], to);
      }
    }
    return made;
  }

  function crosshair(pen, volume, plane, at, [width, height]) {
    const x = ((volume.size[plane.across] - 0.5 - at[plane.across]) / volume.size[plane.across]) * width;
    const y = ((volume.size[plane.down] - 0.5 - at[plane.down]) / volume.size[plane.down]) * height;
    pen.strokeStyle = "rgba(255, 255, 255, 0.55)";
    pen.beginPath();
    pen.moveTo(x, 0);
    pen.lineTo(x, height);
    pen.moveTo(0, y);
    pen.lineTo(width, y);
    pen.stroke();
  }

  function view(volume, plane, at, moved) {
    const made = element("div", undefined, "plane"), frame = element("div", undefined, "plane-frame");
    const canvas = element("canvas"), label = element("label"), slider = element("input"), said = element("span");
    const extents = volume.size.map((n, axis) => n * volume.spacing[axis]);
    const scale = ALONG / Math.max(...extents);
    canvas.width = Math.max(1, Math.round(extents[plane.across] * scale));
    canvas.height = Math.max(1, Math.round(extents[plane.down] * scale));
    canvas.setAttribute("role", "img");
    canvas.dataset.plane = plane.name;
    frame.append(canvas);
    ["left", "right", "top", "bottom"].forEach((side, i) => {
      frame.append(element("span", plane.letters[i], `letter ${side}`));
    });
    Object.assign(slider, { type: "range", min: "0", max: String(volume.size[plane.normal] - 1), step: "1" });
    slider.addEventListener("input", () => {
      at[plane.normal] = Number(slider.value);
      moved();
    });
    canvas.addEventListener("click", (event) => {
      const rect = canvas.getBoundingClientRect();
      const share = [(event.clientX - rect.left) / rect.width, (event.clientY - rect.top) / rect.height];
      [plane.across, plane.down].forEach((axis, i) => {
        const n = volume.size[axis];
        at[axis] = Math.min(n - 1, Math.max(0, n - 1 - Math.floor(share[i] * n)));
      });
      moved();
    });
    label.append(said, slider);
    made.append(frame, label);
    const small = element("canvas");
    function draw(how) {
      const index = at[plane.normal], pen = canvas.getContext("2d");
      const text = `${plane.name} slice ${index + 1} of ${volume.size[plane.normal]}`;
      slider.value = String(index);
      said.textContent = `${text} `;
      canvas.setAttribute("aria-label", text);
      [small.width, small.height] = [volume.size[plane.across], volume.size[plane.down]];
      small.getContext("2d").putImageData(pixels(volume, plane, index, how), 0, 0);
      pen.imageSmoothingEnabled = false;
      pen.drawImage(small, 0, 0, canvas.width, canvas.height);
      if (how.cross) crosshair(pen, volume, plane, at, [canvas.width, canvas.height]);
    }
    return { made, draw };
  }

  /** Put the three planes into a place; `how` is read at every `draw`. */
  function mount(place, volume, how) {
    const at = Array.from(volume.start);
    const views = PLANES.map((plane) => view(volume, plane, at, draw));
    const said = element("p", undefined, "muted voxel");
    const row = element("div", undefined, "planes");
    row.append(...views.map((one) => one.made));
    place.append(row, said);
    function draw() {
      for (const one of views) one.draw(how);
      const place = at.reduce((sum, index, axis) => sum + index * stepOf(volume.size, axis), 0);
      const inside = volume.layers.filter((layer) => layer.voxels[place]).map((layer) => layer.label);
      said.textContent = `Voxel ${at.join(", ")}: grey ${volume.voxels[place]}${inside.length ? `; inside ${inside.join(", ")}` : ""}.`;
    }
    draw();
    return { draw, close() {}, at };
  }

  return { mount };
})();
