"use strict";
// Volumes of the page as grids of voxels: index 0 grows to the patient's right, 1 anterior, 2 superior.
const viewerVolume = (function () {
  const HEADER = 352; // bytes of a NIfTI before its voxels

  /** A NIfTI as the run keeps them: little-endian, 8 or 16 bits, in RAS+ order. */
  function parse(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = [42, 44, 46].map((at) => view.getInt16(at, true));
    const n = size[0] * size[1] * size[2];
    const start = bytes.byteOffset + view.getFloat32(108, true);
    const wide = view.getInt16(70, true) === 512;
    const voxels = wide ? new Uint16Array(bytes.buffer.slice(start, start + 2 * n)) : new Uint8Array(bytes.buffer, start, n);
    const rows = [280, 296, 312].map((at) => [0, 4, 8].map((step) => view.getFloat32(at + step, true)));
    const spacing = [0, 1, 2].map((axis) => Math.hypot(rows[0][axis], rows[1][axis], rows[2][axis]) || 1);
    return { size, voxels, spacing, bytes };
  }

  function unpackedBits(bits, n) {
    const made = new Uint8Array(n);
    for (let i = 0; i < n; i += 1) made[i] = (bits[i >> 3] >> (i & 7)) & 1;
    return made;
  }

  /** The voxels of a reference: those of the structure that is asked for, else of any. */
  async function reference(number, label, n) {
    if (!document.getElementById(`volume-${number}-labels`)) return null;
    const { voxels } = parse(await sampleStore.inflated(`volume-${number}-labels`));
    const made = new Uint8Array(n);
    let any = false;
    for (let i = 0; i < n; i += 1) {
      const inside = label === undefined || label === null ? voxels[i] > 0 : voxels[i] === label;
      if (inside) any = true;
      made[i] = inside ? 1 : 0;
    }
    return any ? made : null;
  }

  /** The volume of a row with the masks that can be laid over it. */
  async function load({ block, row, models, number }) {
    const volume = parse(await sampleStore.inflated(`volume-${number}`));
    const n = volume.voxels.length;
    const packed = await sampleStore.open(`volume-${number}-masks-${block.number}`);
    const label = packed ? packed.header.labels[String(row)] : undefined;
    const truth = await reference(number, label, n);
    const layers = [];
    if (truth) layers.push({ key: "reference", label: "Reference", colour: samplePicture.REFERENCE, voxels: truth });
    for (const model of models) {
      if (!packed || !packed.has(`${row}:${model}`)) continue;
      const voxels = unpackedBits(packed.get(`${row}:${model}`), n);
      layers.push({ key: `m${model}`, label: block.facts.models[model], colour: samplePicture.colour(model), voxels });
    }
    layers.forEach((layer, i) => { layer.on = i < 2; });
    return { ...volume, layers, start: middle(volume.size, layers) };
  }

  /** Middle of the first mask that is not empty, else of the volume. */
  function middle(size, layers) {
    for (const { voxels } of layers) {
      const total = [0, 0, 0];
      let count = 0;
      for (let i = 0; i < voxels.length; i += 1) {
        if (!voxels[i]) continue;
        count += 1;
        total[0] += i % size[0];
        total[1] += Math.floor(i / size[0]) % size[1];
        total[2] += Math.floor(i / (size[0] * size[1]));
      }
      if (count) return total.map((sum) => Math.round(sum / count));
    }
    return size.map((length) => Math.floor(length / 2));
  }

  /** A NIfTI of a mask in the same place as the volume. */
  function maskFile(volume, voxels) {
    const made = new Uint8Array(HEADER + voxels.length);
    const view = new DataView(made.buffer);
    made.set(volume.bytes.subarray(0, HEADER));
    view.setInt16(70, 2, true);
    view.setInt16(72, 8, true);
    view.setFloat32(108, HEADER, true);
    made.set(voxels, HEADER);
    return made;
  }

  return { load, maskFile };
})();
