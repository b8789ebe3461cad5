"use strict";
// The picture of a sample with outlines and boxes over it, drawn when they are looked at.
const samplePicture = (function () {
  const { element } = sampleCells;
  const SIDE = 448; // pixels of the canvas, a square that the picture is fitted into
  const REFERENCE = "#00e5ff";
  const COLOURS = ["#ff9100", "#ff6fb5", "#b99cff", "#86e36d", "#ffe04d", "#ff8a75", "#6cbcff", "#d8d8d8"];

  function colour(model) {
    return COLOURS[model % COLOURS.length];
  }

  /** Where a picture of that shape lies in the square. */
  function fit(width, height) {
    const scale = SIDE / Math.max(width, height);
    return { x: (SIDE - width * scale) / 2, y: (SIDE - height * scale) / 2, scale };
  }

  function bit(bits, start, place) {
    return (bits[start + (place >> 3)] >> (place & 7)) & 1;
  }

  /** Tint, and the edge between inside and outside; the edge of an answer is broken. */
  function mask(pen, bits, start, { width, height }, how) {
    const { x, y, scale } = fit(width, height);
    const inside = (r, c) => r >= 0 && c >= 0 && r < height && c < width && bit(bits, start, r * width + c);
    pen.fillStyle = how.colour;
    pen.strokeStyle = how.colour;
    pen.lineWidth = 2.5;
    pen.beginPath();
    for (let r = 0; r < height; r += 1) {
      for (let c = 0; c < width; c += 1) {
        if (!inside(r, c)) continue;
        const left = x + c * scale, top = y + r * scale;
        if (!how.whole) {
          pen.globalAlpha = 0.25;
          pen.fillRect(left, top, scale, scale);
        }
        if (!how.whole && ((r + c) >> 2) % 2) continue;
        if (!inside(r - 1, c)) line(pen, left, top, left + scale, top);
        if (!inside(r + 1, c)) line(pen, left, top + scale, left + scale, top + scale);
        if (!inside(r, c - 1)) line(pen, left, top, left, top + scale);
        if (!inside(r, c + 1)) line(pen, left + scale, top, left + scale, top + scale);
      }
    }
    pen.globalAlpha = 1;
    pen.stroke();
  }

  function line(pen, x0, y0, x1, y1) {
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
  }

  function box(pen, [left, top, right, bottom], { width, height }, how) {
    const { x, y, scale } = fit(width, height);
    pen.strokeStyle = how.colour;
    pen.lineWidth = 3;
    pen.setLineDash(how.whole ? [] : [9, 5]);
    pen.strokeRect(
      x + left * width * scale, y + top * height * scale,
      (right - left) * width * scale, (bottom - top) * height * scale,
    );
    pen.setLineDash([]);
  }

  function thumb(number, label) {
    const space = document.querySelector("svg.store").namespaceURI;
    const made = document.createElementNS(space, "svg"), use = document.createElementNS(space, "use");
    made.setAttribute("viewBox", "0 0 100 100");
    made.setAttribute("role", "img");
    made.setAttribute("aria-label", label);
    made.classList.add("thumb");
    use.setAttribute("href", `#p${number - 1}`);
    use.setAttribute("width", "100");
    use.setAttribute("height", "100");
    made.append(use);
    return made;
  }

  /** What can be drawn over a row's picture: for reference and models a mask or boxes. */
  function layers(block, masks, row) {
    const shape = { width: block.get("width")[row], height: block.get("height")[row] };
    const found = [];
    function add(key, label, how, boxes) {
      const start = masks ? masks.get(key)[row] : 0;
      if (!shape.width || !(start || boxes.length)) return;
      found.push({
        key, label, colour: how.colour,
        draw(pen) {
          if (start) mask(pen, masks.get("bits"), start - 1, shape, how);
          for (const one of boxes) box(pen, one, shape, how);
        },
      });
    }
    add("reference", "Reference", { colour: REFERENCE, whole: true }, block.boxes("truth:box", row));
    block.facts.models.forEach((model, i) => {
      add(`m${i}`, model, { colour: colour(i), whole: false }, block.boxes(`m${i}:box`, row));
    });
    return found;
  }

  function toggle(layer, on, changed) {
    const label = element("label", undefined, "layer"), check = element("input");
    const swatch = element("span", undefined, "swatch-square");
    check.type = "checkbox";
    check.checked = on;
    check.dataset.layer = layer.key;
    check.addEventListener("change", changed);
    swatch.style.background = layer.colour;
    label.append(check, swatch, layer.label);
    return label;
  }

  /** Picture, switches and opacity; `first` is the model whose answer is drawn at the start. */
  async function stage(block, row, first) {
    const made = element("div", undefined, "stage"), frame = element("div", undefined, "stage-frame");
    const number = block.get("picture")[row];
    if (!number) {
      made.append(element("p", "No picture of this sample is in the page.", "muted"));
      return made;
    }
    frame.append(thumb(number, `Picture of ${block.word("id", row)}`));
    made.append(frame);
    const masks = await sampleStore.open(`samples-${block.number}-masks`);
    const found = layers(block, masks, row);
    if (!found.length) return made;
    const canvas = element("canvas"), pen = canvas.getContext("2d");
    canvas.width = canvas.height = SIDE;
    canvas.setAttribute("aria-hidden", "true");
    frame.append(canvas);
    const picks = element("fieldset", undefined, "layers");
    const opacity = element("input"), label = element("label", "Opacity ", "layer");
    function draw() {
      pen.clearRect(0, 0, SIDE, SIDE);
      canvas.style.opacity = opacity.value;
      for (const layer of Array.from(found).reverse()) { // the reference last, on top
        if (picks.querySelector(`[data-layer="${layer.key}"]`).checked) layer.draw(pen);
      }
    }
    Object.assign(opacity, { type: "range", min: "0", max: "1", step: "0.05", value: "0.85" });
    opacity.className = "opacity";
    opacity.addEventListener("input", draw);
    label.append(opacity);
    picks.append(element("legend", "Drawn over it"));
    for (const layer of found) {
      picks.append(toggle(layer, layer.key === "reference" || layer.key === `m${first}`, draw));
    }
    made.append(picks, label);
    draw();
    return made;
  }

  return { stage, thumb, colour, bit, REFERENCE };
})();
