// Moves the view of all charts of a report together: wheel or + and - zoom, dragging or arrows move, 0 shows everything.
"use strict";
(() => {
  const WIDTH = 10000, HEIGHT = 1000, LEFT = 70, TOP = 8, RIGHT = 990, BOTTOM = 208;
  const STEPS = [0.001, 0.01, 0.1, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  const main = document.querySelector("main");
  const start = Number(main.dataset.start), span = Number(main.dataset.span);
  const offsets = JSON.parse(main.dataset.offsets); // [since, seconds east of UTC] of the computer that made the report
  const figures = [...document.querySelectorAll("figure")].map((figure) => ({
    low: Number(figure.dataset.low), high: Number(figure.dataset.high),
    panel: figure.querySelector(".panel"), box: figure.querySelector(".box"), labels: figure.querySelector(".labels"),
  }));
  let from = 0, width = WIDTH; // the view, in units of the box

  const offsetAt = (at) => offsets.reduce((found, [since, seconds]) => (at >= since ? seconds : found), offsets[0][1]);

  function timeTicks(first, last) {
    const step = STEPS.find((each) => (last - first) / each <= 9) || Math.ceil((last - first) / 9 / 86400) * 86400;
    const offset = offsetAt(first), found = [];
    for (let n = Math.ceil((first + offset) / step); n * step - offset <= last; n += 1) found.push(n * step - offset);
    return [found, step];
  }

  function timeLabels(ticks, step) {
    let known = "";
    return ticks.map((at) => {
      const offset = offsetAt(at), local = new Date(Math.round((at + offset) * 1000)).toISOString();
      const time = local.slice(11, step >= 60 ? 16 : step >= 1 ? 19 : 23);
      const sign = offset < 0 ? "-" : "+", minutes = Math.abs(offset) / 60;
      const two = (number) => String(Math.floor(number)).padStart(2, "0");
      const day = `${local.slice(0, 10)}\n${sign}${two(minutes / 60)}:${two(minutes % 60)}`;
      const label = day === known ? time : `${time}\n${day}`;
      known = day;
      return label;
    });
  }

  function label(kind, x, y, content) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", "text");
    made.setAttribute("class", kind);
    made.setAttribute("x", x);
    made.setAttribute("y", y);
    made.textContent = content;
    return made;
  }

  function draw() {
    width = Math.min(WIDTH, Math.max(WIDTH / 5000, width));
    from = Math.min(WIDTH - width, Math.max(0, from));
    const first = start + (from / WIDTH) * span, last = start + ((from + width) / WIDTH) * span;
    const [ticks, step] = timeTicks(first, last), names = timeLabels(ticks, step);
    for (const { panel, box, labels } of figures) {
      box.setAttribute("viewBox", `${from} 0 ${width} ${HEIGHT}`);
      labels.querySelectorAll(".x").forEach((old) => old.remove());
      ticks.forEach((at, place) => {
        const x = LEFT + ((at - first) / (last - first)) * (RIGHT - LEFT);
        names[place].split("\n").forEach((line, row) => labels.append(label("x", x.toFixed(1), BOTTOM + 13 + 12 * row, line)));
      });
      const grid = ticks.map((at) => `M${(((at - start) / span) * WIDTH).toFixed(3)} 0V${HEIGHT}`).join("");
      panel.querySelectorAll(".grid").forEach((old, place) => {
        if (place === 0) old.setAttribute("d", grid);
        else if (old.getAttribute("d").includes("V")) old.remove();
      });
    }
  }

  function zoom(factor, place = 0.5) {
    from += width * place * (1 - factor);
    width *= factor;
    draw();
  }

  for (const { panel, box } of figures) {
    const share = (event) => {
      const area = box.getBoundingClientRect();
      const right = panel.getBoundingClientRect();
      const left = right.left + (LEFT / 1000) * right.width;
      return { place: (event.clientX - left) / ((right.width * (RIGHT - LEFT)) / 1000), area };
    };
    let held = null;
    panel.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== panel) return; // the page scrolls, unless the chart was chosen
      event.preventDefault();
      zoom(event.deltaY < 0 ? 0.8 : 1.25, Math.min(1, Math.max(0, share(event).place)));
    }, { passive: false });
    panel.addEventListener("pointerdown", (event) => {
      held = { x: share(event).place, from };
      panel.setPointerCapture(event.pointerId);
    });
    panel.addEventListener("pointermove", (event) => {
      if (held === null) return;
      from = held.from - (share(event).place - held.x) * width;
      draw();
    });
    panel.addEventListener("pointerup", () => { held = null; });
    panel.addEventListener("pointercancel", () => { held = null; });
    panel.addEventListener("dblclick", (event) => zoom(0.4, share(event).place));
    panel.addEventListener("keydown", (event) => {
      const act = {
        "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2),
        ArrowLeft: () => { from -= width / 5; draw(); }, ArrowRight: () => { from += width / 5; draw(); },
        0: () => { from = 0; width = WIDTH; draw(); },
      }[event.key];
      if (act === undefined) return;
      event.preventDefault();
      act();
    });
  }
  document.documentElement.classList.add("scripted");
})();
