"use strict";
// Opens the packed columns of the page: base64 of gzip of header length, header, columns.
const sampleStore = (function () {
  const UNDEFINED = 65535;
  const FINEST = 1000;
  const opened = new Map();

  function bytesOf(id) {
    const text = atob(document.getElementById(id).textContent.trim());
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
    return bytes;
  }

  async function inflated(id) {
    const stream = new Blob([bytesOf(id)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  function column(bytes, start, width, length) {
    if (width === 1) return bytes.subarray(start, start + length);
    const made = width === 2 ? new Uint16Array(length) : new Uint32Array(length);
    for (let part = 0; part < width; part += 1) {
      const from = start + part * length;
      for (let i = 0; i < length; i += 1) made[i] |= bytes[from + i] << (8 * part);
    }
    return made;
  }

  async function unpacked(id) {
    const bytes = await inflated(id);
    const size = new DataView(bytes.buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size)));
    const columns = new Map();
    let at = 4 + size;
    for (const [name, [width, length]] of Object.entries(header.columns)) {
      const start = at;
      columns.set(name, () => column(bytes, start, width, length));
      at += width * length;
    }
    const made = new Map();
    function get(name) {
      if (!made.has(name)) made.set(name, columns.get(name)());
      return made.get(name);
    }
    return { header, get, has: (name) => columns.has(name) };
  }

  function open(id) {
    if (!document.getElementById(id)) return Promise.resolve(null);
    if (!opened.has(id)) opened.set(id, unpacked(id));
    return opened.get(id);
  }

  /** One dataset, task and protocol with what a row says in words and numbers. */
  function block(facts, number, packed) {
    const { header, get, has } = packed;
    const n = get("id").length;
    const starts = new Map(), whole = new Map();

    function word(name, row) {
      return header.words[get(name)[row]];
    }
    /** All values of a model at once, kept for the next question. */
    function values(model, measure) {
      const name = `m${model}:${measure.key}`;
      if (!whole.has(name)) {
        const stored = get(name), made = new Float64Array(n);
        for (let row = 0; row < n; row += 1) {
          const one = stored[row];
          if (measure.rank) made[row] = one || NaN;
          else made[row] = one === UNDEFINED ? NaN : one / FINEST;
        }
        whole.set(name, made);
      }
      return whole.get(name);
    }
    function value(model, measure, row) {
      return values(model, measure)[row];
    }
    function answer(model, row) {
      const place = has(`m${model}:answer`) ? get(`m${model}:answer`)[row] : 0;
      return place ? header.words[place - 1] : "";
    }
    function span(name, row) {
      if (!has(`${name}:n`)) return [0, 0];
      if (!starts.has(name)) {
        const counts = get(`${name}:n`);
        const made = new Uint32Array(n + 1);
        for (let i = 0; i < n; i += 1) made[i + 1] = made[i] + counts[i];
        starts.set(name, made);
      }
      return [starts.get(name)[row], starts.get(name)[row + 1]];
    }
    function boxes(name, row) {
      const [from, to] = span(name, row);
      const found = [];
      for (let i = from; i < to; i += 1) {
        found.push(Array.from(get(name).subarray(4 * i, 4 * i + 4), (side) => side / FINEST));
      }
      return found;
    }
    function found(model, row) {
      const [from, to] = span(`m${model}:found`, row);
      const places = [];
      for (let i = from; i < to; i += 1) {
        places.push({
          id: header.words[get(`m${model}:found`)[i]],
          right: get(`m${model}:found:right`)[i] === 1,
        });
      }
      return places;
    }
    function score(model, place, row) {
      const stored = get(`m${model}:score${place}`)[row];
      return stored === UNDEFINED ? NaN : stored / FINEST;
    }
    return {
      facts, number, n, header, get, has, word, value, values, answer, boxes, found, score,
      verdicts: (model) => get(`m${model}:verdict`),
    };
  }

  async function openBlock(facts, number) {
    return block(facts, number, await open(`samples-${number}`));
  }

  return { open, openBlock, inflated };
})();
