/* Search without a server. Browsers refuse to start a worker from a file:// page, so the worker's
   script runs in a hidden frame, which speaks to the page as a worker would. The theme knows such
   a frame by the name IFrameWorker. */
if (location.protocol === "file:") {
  window.Worker = class IFrameWorker extends EventTarget {
    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.title = "search";
      document.body.append(frame);
      const inner = frame.contentWindow;
      inner.IFrameWorker = true;
      inner.postMessage = (data) => {
        const event = new MessageEvent("message", { data });
        this.dispatchEvent(event);
        if (this.onmessage) this.onmessage(event);
      };
      inner.importScripts = (...all) =>
        all.reduce((before, one) => before.then(() => load(inner, one)), Promise.resolve());
      this.frame = frame;
      this.ready = load(inner, address);
    }

    postMessage(data) {
      const inner = this.frame.contentWindow;
      this.ready.then(() => inner.dispatchEvent(new inner.MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };

  const load = (inner, address) =>
    new Promise((done, failed) => {
      const script = inner.document.createElement("script");
      script.src = new URL(address, document.baseURI);
      script.onload = done;
      script.onerror = failed;
      inner.document.body.append(script);
    });
}
