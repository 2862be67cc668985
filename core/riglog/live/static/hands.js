// Mouse, touch and keys on the charts: they change the view of all panels, or the cursor.
"use strict";

globalThis.riglogHands = (() => {
  const WHEEL = 0.0016; // of a zoom, for each pixel of a wheel
  const chart = globalThis.riglogChart;

  function attach(canvas, plots) {
    const pressed = new Map(); // pointers, by their numbers
    let start = null;

    const box = () => chart.boxOf(canvas.clientWidth, canvas.clientHeight);
    const timeAt = (clientX) => {
      const { left, width } = box();
      const share = (clientX - canvas.getBoundingClientRect().left - left) / width;
      return plots.view.from + Math.min(1, Math.max(0, share)) * (plots.view.to - plots.view.from);
    };
    const begin = () => {
      const places = [...pressed.values()];
      start = { view: { ...plots.view }, places, moved: false };
    };

    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const pixels = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
      const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
      if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) plots.pan(sideways * pixels / 1200);
      else plots.zoom(Math.exp(Math.max(-600, Math.min(600, event.deltaY * pixels)) * WHEEL), timeAt(event.clientX));
    }, { passive: false });

    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      pressed.set(event.pointerId, event.clientX);
      begin();
    });

    canvas.addEventListener("pointermove", (event) => {
      plots.cursor = timeAt(event.clientX);
      if (pressed.has(event.pointerId)) {
        pressed.set(event.pointerId, event.clientX);
        drag();
      }
      plots.redraw();
    });

    // Keep under each finger the time that was there when it was put down.
    function drag() {
      const { left, width } = box();
      const places = [...pressed.values()], origin = canvas.getBoundingClientRect().left + left;
      const scale = (start.view.to - start.view.from) / width;
      if (places.length === 1) {
        const away = places[0] - start.places[0];
        if (Math.abs(away) < 3 && !start.moved) return;
        start.moved = true;
        plots.setView(start.view.from - away * scale, start.view.to - away * scale);
      } else if (places.length === 2) {
        const times = start.places.map((place) => start.view.from + (place - origin) * scale);
        const apart = places[1] - places[0];
        if (Math.abs(apart) < 10) return;
        const wide = Math.abs((times[1] - times[0]) / apart) * width;
        const middle = (places[0] + places[1]) / 2 - origin, at = (times[0] + times[1]) / 2;
        plots.setView(at - wide * middle / width, at + wide * (1 - middle / width));
      }
    }

    const release = (event) => {
      if (!pressed.delete(event.pointerId)) return;
      if (pressed.size) begin();
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("pointerleave", () => {
      if (pressed.size) return;
      plots.cursor = null;
      plots.redraw();
    });
    canvas.addEventListener("dblclick", () => plots.follow());
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || !key(event.key, event.shiftKey, plots)) return;
      event.preventDefault();
    });
    canvas.addEventListener("blur", () => { plots.cursor = null; plots.redraw(); });
  }

  // Return whether a key does something.
  function key(name, shift, plots) {
    const { from, to } = plots.view;
    const move = (share) => {
      plots.cursor = Math.min(to, Math.max(from, (plots.cursor ?? (from + to) / 2) + share * (to - from)));
      plots.redraw();
    };
    const actions = {
      ArrowLeft: () => plots.pan(shift ? -0.5 : -0.1), ArrowRight: () => plots.pan(shift ? 0.5 : 0.1),
      PageUp: () => plots.pan(-1), PageDown: () => plots.pan(1),
      "+": () => plots.zoom(0.7), "=": () => plots.zoom(0.7), "-": () => plots.zoom(1 / 0.7),
      Home: () => plots.hooks.everything(), End: () => plots.follow(),
      ",": () => move(-0.01), ".": () => move(0.01), Escape: () => { plots.cursor = null; plots.redraw(); },
    };
    if (!actions[name]) return false;
    actions[name]();
    return true;
  }

  return { attach, key };
})();
