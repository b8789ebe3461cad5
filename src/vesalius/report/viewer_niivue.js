"use strict";
// NiiVue for volumes, where the page has it and the browser can draw in 3D.
const viewerNiivue = (function () {
  const { element } = sampleCells;
  let loading = null;

  function canDraw() {
    const pen = document.createElement("canvas").getContext("webgl2");
    if (!pen) return false;
    pen.getExtension("WEBGL_lose_context")?.loseContext();
    return true;
  }

  /** Run the packed library once; the policy of the page knows its hash. */
  function library() {
    loading ||= sampleStore.inflated("niivue").then((bytes) => {
      const script = document.createElement("script");
      script.textContent = new TextDecoder().decode(bytes);
      document.head.append(script);
      if (!window.niivue) throw new Error("NiiVue did not start");
      return window.niivue;
    });
    return loading;
  }

  function base64(bytes) {
    const parts = [];
    for (let i = 0; i < bytes.length; i += 8192) parts.push(String.fromCharCode(...bytes.subarray(i, i + 8192)));
    return btoa(parts.join(""));
  }

  function colours(hex) {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    return { R: [0, r], G: [0, g], B: [0, b], A: [0, 255], I: [0, 255] };
  }

  async function addVolumes(view, volume) {
    const { NVImage } = window.niivue;
    const range = { cal_min: 0, cal_max: 255, trustCalMinMax: false };
    view.addVolume(await NVImage.loadFromBase64({ base64: base64(volume.bytes), name: "volume.nii", ...range }));
    for (const layer of volume.layers) {
      view.addColormap(layer.key, colours(layer.colour));
      const file = base64(viewerVolume.maskFile(volume, layer.voxels));
      view.addVolume(await NVImage.loadFromBase64({
        base64: file, name: `${layer.key}.nii`, colormap: layer.key, cal_min: 0, cal_max: 1, trustCalMinMax: false,
      }));
    }
  }

  /** Put a canvas into a place; `how` is read at every `draw`. */
  async function mount(place, volume, how) {
    const { Niivue, SHOW_RENDER, MULTIPLANAR_TYPE } = await library();
    const canvas = element("canvas", undefined, "niivue");
    canvas.setAttribute("aria-label", "Volume in three planes and in 3D; drag to turn, click to move the cross");
    canvas.setAttribute("role", "img");
    const frame = element("div", undefined, "niivue-frame"); // the library fills its parent
    frame.append(canvas);
    place.append(frame);
    const view = new Niivue({
      isRadiologicalConvention: true, sagittalNoseLeft: true, loadingText: "", logLevel: "silent",
      backColor: [0, 0, 0, 1], crosshairColor: [1, 1, 1, 0.5], isColorbar: false, dragAndDropEnabled: false,
      multiplanarShowRender: SHOW_RENDER.ALWAYS, multiplanarLayout: MULTIPLANAR_TYPE.GRID,
      crosshairWidthUnit: "percent", crosshairWidth: 0.3,
    });
    await view.attachToCanvas(canvas);
    await addVolumes(view, volume);
    view.setSliceType(view.sliceTypeMultiplanar);
    view.scene.crosshairPos = view.vox2frac(volume.start);
    function draw() {
      const [base, ...others] = view.volumes;
      base.cal_min = how.level - how.window / 2;
      base.cal_max = how.level + how.window / 2;
      others.forEach((one, i) => { one.opacity = volume.layers[i].on ? how.opacity : 0; });
      view.setCrosshairWidth(how.cross ? 0.3 : 0);
      view.updateGLVolume();
    }
    draw();
    return {
      draw,
      close() {
        view.cleanup();
        view.gl.getExtension("WEBGL_lose_context")?.loseContext();
      },
    };
  }

  return { canDraw, mount };
})();
