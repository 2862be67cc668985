// The charts of the page: which channels over which time, one panel for each unit, moved and zoomed together.
"use strict";

globalThis.riglogPlots = (() => {
  const chart = globalThis.riglogChart;
  const { make, moment, number, offset, put, visible } = globalThis.riglogText;
  const COLORS = 10;
  const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]];
  const LEAST_SPAN = 100, MOST_SPAN = 40 * 366 * 86400e3; // ms
  const BEYOND = 0.25; // so much of a view is fetched on each side of it
  const REFETCH_POINTS = 1500;
  const REFETCH_MS = 60e3; // rows can also be stored later than others that are newer
  const KEPT_POINTS = 600; // of each channel, which may be newer than a reply that is under way
  const FETCH_DELAY = 50;
  const MOST_BANDS = 2000;

  class Plots {
    // `hooks`: now() → time of the server; changed() after the view changed; trouble(text).
    constructor(root, hooks) {
      this.root = root;
      this.hooks = hooks;
      this.channels = new Map();
      this.picked = new Set();
      this.view = { from: 0, to: 1 };
      this.span = 600e3;
      this.isLive = true;
      this.run = "";
      this.series = new Map();
      this.recent = new Map();
      this.fetched = null;
      this.panels = new Map();
      this.cursor = null;
      this.moments = [];
      this.bands = []; // of alarms: {name, channel, from, to, open}
      this.awaited = 0;
      this.zooms = []; // how long the last zooms took, for tests
      new ResizeObserver(() => this.refresh()).observe(root);
    }

    // What channels there are, and which of them are shown.
    setChannels(channels, picked) {
      this.channels = channels;
      this.picked = picked;
      this.arrange();
      this.fetch(true);
    }

    color(id) {
      const place = [...this.picked].indexOf(id);
      return place < 0 ? null : `var(--c${place % COLORS})`;
    }

    setView(from, to, isLive = false) {
      const span = Math.min(MOST_SPAN, Math.max(LEAST_SPAN, to - from));
      const middle = (from + to) / 2;
      this.view = { from: middle - span / 2, to: middle + span / 2 };
      this.span = span;
      this.isLive = isLive;
      this.hooks.changed();
      this.fetch(false);
      this.redraw();
    }

    follow(span = this.span) {
      const to = this.hooks.now();
      this.setView(to - span, to, true);
    }

    // Zoom so that a time stays where it is.
    zoom(factor, at = (this.view.from + this.view.to) / 2) {
      const { from, to } = this.view;
      const keep = this.isLive && at > to - (to - from) * 0.15;
      if (keep) return this.follow(Math.min(MOST_SPAN, Math.max(LEAST_SPAN, (to - from) * factor)));
      return this.setView(at - (at - from) * factor, at + (to - at) * factor);
    }

    pan(share) {
      const width = this.view.to - this.view.from;
      this.setView(this.view.from + share * width, this.view.to + share * width);
    }

    // New values from the server: they are drawn behind what was fetched.
    add(points) {
      for (const [key, found] of Object.entries(points)) {
        const id = Number(key);
        const recent = this.recent.get(id) ?? [];
        recent.push(...found);
        this.recent.set(id, recent.length > 2 * KEPT_POINTS ? recent.slice(-KEPT_POINTS) : recent);
        const series = this.series.get(id);
        if (series) this.append(series, found);
      }
    }

    append(series, found) {
      const period = (this.channels.get(series.id)?.period ?? 1) * 1000;
      for (const [t, v] of found) {
        if (t <= series.last) continue;
        if (series.last > -Infinity && t - series.last > Math.max(2500, 3 * period)) this.point(series, t, null);
        this.point(series, t, v);
        series.last = t;
        series.added++;
      }
      this.forget(series);
    }

    point(series, t, v) {
      series.points ??= { t: [], v: [], marks: [] };
      series.points.t.push(t);
      series.points.v.push(v);
    }

    // A page that is open for hours keeps what it can show, and no more.
    forget(series) {
      const points = series.points;
      if (!this.isLive || !points || series.buckets || points.t.length < 4000) return;
      const gone = chart.place(points.t, this.view.from - this.span);
      if (gone < 1000) return;
      points.t.splice(0, gone);
      points.v.splice(0, gone);
      points.marks = points.marks.filter(([at]) => at >= gone).map(([at, status]) => [at - gone, status]);
    }

    // Alarms as they are now: between two replies bands begin and end with them.
    setAlarms(alarms) {
      const raised = alarms.filter((alarm) => alarm.state === "raised" && alarm.at_ms !== null);
      const key = (band) => `${band.name}\n${band.channel}`;
      const open = new Set(raised.map(key));
      for (const band of this.bands) {
        if (!band.open || open.has(key(band))) continue;
        Object.assign(band, { open: false, to: this.endOf(band) });
      }
      for (const alarm of raised) {
        if (this.bands.some((band) => band.open && key(band) === key(alarm))) continue;
        this.bands.push({ name: alarm.name, channel: alarm.channel, from: alarm.at_ms, to: alarm.at_ms, open: true });
      }
      this.bands = this.bands.slice(-MOST_BANDS);
      this.redraw();
    }

    // An open alarm lasts until now only if something is recorded.
    endOf(band) {
      return band.open && this.hooks.isRecording() ? Math.max(band.to, this.hooks.now()) : band.to;
    }

    // Bands of the channels of a panel that are in the view.
    bandsOf(panel) {
      const names = new Set(panel.ids.map((id) => globalThis.riglogTable.channelName(this.channels.get(id))));
      return this.bands.filter((band) => names.has(band.channel)).map((band) => ({ ...band, to: this.endOf(band) }))
        .filter((band) => band.from <= this.view.to && band.to >= this.view.from);
    }

    // Once in a while, and after new values.
    tick() {
      if (this.isLive) {
        const to = this.hooks.now();
        this.view = { from: to - this.span, to };
        const isMuch = [...this.series.values()].some((each) => each.buckets && each.added > REFETCH_POINTS);
        this.fetch(isMuch || (this.fetched && to - this.fetched.newest > REFETCH_MS));
      }
      this.redraw();
    }

    refresh() {
      this.fetch(false);
      this.redraw();
    }

    // Fetch what is not there in this resolution.
    fetch(again) {
      if (again) this.fetched = this.underWay = null;
      if (this.timer) return;
      this.timer = setTimeout(() => { this.timer = null; this.fetchNow(); }, FETCH_DELAY);
    }

    get buckets() {
      const width = Math.max(100, this.root.clientWidth - chart.MARGIN.left - chart.MARGIN.right);
      return Math.min(2000, Math.round(width / 2));
    }

    // Whether what was fetched, or is under way, covers the view in its resolution.
    isEnough(window) {
      if (!window || window.run !== this.run) return false;
      const { view } = this;
      const covered = window.from <= view.from + this.span * 0.01 && (window.to >= view.to || window.to >= window.newest);
      const wide = (window.to - window.from) / this.span;
      return covered && wide < 3.2 && wide > 0.4;
    }

    async fetchNow() {
      if (!this.picked.size || !this.root.clientWidth) return;
      if (this.isEnough(this.fetched) || this.isEnough(this.underWay)) return;
      const number = ++this.awaited;
      const started = performance.now();
      const span = this.span, newest = this.hooks.now();
      const end = this.view.to + BEYOND * span; // rows can be later than now: they have the clock of the recorder
      const window = {
        from: this.view.from - BEYOND * span, to: this.isLive ? Math.min(end, newest + 1000) : end, newest, run: this.run,
      };
      if (window.to <= window.from) window.to = window.from + 1;
      this.underWay = window;
      try {
        let reply = await this.request(window, true);
        if (number !== this.awaited) return;
        this.take(reply, window);
        this.zooms.push(performance.now() - started);
        if (this.zooms.length > 50) this.zooms.shift();
        if (reply.coarse) {
          reply = await this.request(window, false);
          if (number !== this.awaited) return;
          this.take(reply, window);
        }
        this.hooks.trouble("");
      } catch (error) {
        if (number === this.awaited) this.hooks.trouble(error.message);
      } finally {
        if (number === this.awaited) this.underWay = null;
      }
    }

    query(window, quick) {
      const found = new URLSearchParams({
        channel: [...this.picked].join(","), from: window.from.toFixed(3), to: window.to.toFixed(3),
        buckets: Math.round(this.buckets * Math.max(1, (window.to - window.from) / this.span)),
      });
      if (quick) found.set("quick", "1");
      if (this.run) found.set("run", this.run);
      return found;
    }

    async request(window, quick) {
      this.stop?.abort();
      this.stop = new AbortController();
      const reply = await fetch(`/api/series?${this.query(window, quick)}`, { signal: this.stop.signal });
      const found = await reply.json();
      if (!reply.ok) throw new Error(found.error ?? `status ${reply.status}`);
      return found;
    }

    take(reply, window) {
      this.fetched = window;
      this.bands = reply.alarms.map(({ name, channel, from_ms: from, to_ms: to, open }) => ({ name, channel, from, to, open }));
      this.setAlarms(this.hooks.alarms());
      this.series.clear();
      for (const each of reply.series) {
        const last = each.last_ms ?? -Infinity;
        const series = { id: each.id, unit: each.unit, last, added: 0 };
        if (each.width_ms === null) series.points = { t: each.t, v: each.mean, marks: each.marks };
        else {
          series.buckets = {
            width: each.width_ms, t: each.t, mean: each.mean, low: each.low, high: each.high, rows: each.rows,
            count: each.count, marked: each.marked,
          };
        }
        this.series.set(each.id, series);
        const isNewest = window.to >= window.newest && !this.run;
        if (isNewest) this.append(series, this.recent.get(each.id) ?? []);
      }
      this.redraw();
      this.showTable();
    }

    // One panel for each unit, in the order of the channels.
    arrange() {
      const units = new Map();
      for (const id of this.picked) {
        const channel = this.channels.get(id);
        if (!channel) continue;
        const unit = channel.unit ?? "";
        if (!units.has(unit)) units.set(unit, []);
        units.get(unit).push(id);
      }
      for (const [unit, panel] of this.panels) if (!units.has(unit)) { panel.element.remove(); this.panels.delete(unit); }
      for (const [unit, ids] of units) {
        if (!this.panels.has(unit)) this.panels.set(unit, this.panel(unit));
        const panel = this.panels.get(unit);
        panel.ids = ids;
        panel.legend.replaceChildren(...ids.map((id) => this.entry(panel, id)), panel.alarms);
        this.root.append(panel.element);
      }
      this.redraw();
    }

    panel(unit) {
      const alarms = make("li", null, { class: "alarm" });
      alarms.append(make("i", null, { class: "swatch", "aria-hidden": "true" }), make("span", ""));
      const element = make("section", null, { class: "panel" });
      const canvas = make("canvas", null, { tabindex: "0", role: "img", "aria-describedby": "hint" });
      const legend = make("ul");
      element.append(make("h3", unit || "without a unit"), canvas, legend);
      globalThis.riglogHands.attach(canvas, this);
      return { unit, element, canvas, legend, alarms, ids: [] };
    }

    entry(panel, id) {
      const item = make("li");
      const swatch = make("i", null, { class: "swatch", "aria-hidden": "true" });
      swatch.style.background = this.color(id);
      const value = make("b", "");
      item.append(swatch, make("bdi", globalThis.riglogTable.channelName(this.channels.get(id))), value);
      (panel.values ??= new Map()).set(id, value);
      return item;
    }

    redraw() {
      if (this.pending) return;
      this.pending = requestAnimationFrame(() => { this.pending = null; this.drawNow(); });
    }

    height() {
      const count = this.panels.size, narrow = this.root.clientWidth < 560;
      return count <= 1 ? (narrow ? 260 : 380) : count === 2 ? (narrow ? 200 : 260) : narrow ? 160 : 190;
    }

    drawNow() {
      const width = this.root.clientWidth;
      if (!width) return;
      const colors = themeColors(this.root);
      const height = this.height(), ratio = window.devicePixelRatio || 1;
      for (const panel of this.panels.values()) {
        const { canvas } = panel;
        if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
          canvas.width = Math.round(width * ratio);
          canvas.height = Math.round(height * ratio);
          canvas.style.height = `${height}px`;
        }
        const context = canvas.getContext("2d");
        context.setTransform(ratio, 0, 0, ratio, 0, 0);
        panel.drawn = this.drawPanel(context, panel, width, height, colors);
        this.describe(panel);
      }
    }

    drawPanel(context, panel, width, height, colors) {
      return chart.draw(context, {
        width, height, view: this.view, series: this.shown(panel, colors), colors, cursor: this.cursor,
        zone: offset(this.view.to), bands: this.bandsOf(panel),
        moments: this.moments.map(({ at, kind }) => ({ at, color: kind === "note" ? colors.accent : colors.bad })),
      });
    }

    shown(panel, colors) {
      const order = [...this.picked];
      return panel.ids.filter((id) => this.series.has(id)).map((id) => {
        const place = order.indexOf(id);
        return {
          ...this.series.get(id), color: colors.lines[place % COLORS],
          dash: DASHES[Math.floor(place / COLORS) % DASHES.length],
        };
      });
    }

    // The legend has the values at the cursor, or the newest ones; the name of the picture is for a screen reader.
    describe(panel) {
      const distance = 12 * this.span / Math.max(1, this.root.clientWidth);
      for (const id of panel.ids) {
        const series = this.series.get(id);
        const found = series && this.cursor !== null ? chart.nearest(series, this.cursor, distance) : null;
        const text = this.cursor === null ? "" : !found ? "no value"
          : found.low === undefined || found.low === found.high ? number(found.v)
            : `${number(found.v)} (${number(found.low)} to ${number(found.high)})`;
        put(panel.values.get(id), text);
      }
      const alarms = alarmNames(this.bandsOf(panel));
      panel.alarms.hidden = !alarms;
      put(panel.alarms.lastElementChild, alarms);
      const range = chart.range(this.shown(panel, { lines: [] }), this.view);
      const values = range ? `from ${number(range.low)} to ${number(range.high)}` : "no values";
      const label = `Chart of ${panel.ids.length} channel${panel.ids.length === 1 ? "" : "s"} in ${visible(panel.unit) || "no unit"}, `
        + `${moment(this.view.from).slice(0, 16)} to ${moment(this.view.to).slice(0, 16)}, ${values}`
        + (alarms ? `, ${visible(alarms)}` : "");
      if (panel.canvas.getAttribute("aria-label") !== label) panel.canvas.setAttribute("aria-label", label);
    }

    // Least, greatest and last value of each channel in the view, for those who do not see the picture.
    showTable() {
      const body = document.querySelector("#as-table tbody");
      if (!document.querySelector("#as-table").open) return;
      body.replaceChildren(...[...this.picked].filter((id) => this.channels.has(id)).map((id) => {
        const series = this.series.get(id), channel = this.channels.get(id);
        const range = series && chart.range([series], this.view);
        const item = make("tr");
        item.append(make("th", globalThis.riglogTable.channelName(channel), { scope: "row" }), make("td", channel.unit ?? ""),
          make("td", range ? number(range.low) : "–", { class: "number" }),
          make("td", range ? number(range.high) : "–", { class: "number" }),
          make("td", series ? lastValue(series, this.view) : "–", { class: "number" }));
        return item;
      }));
    }

    // The picture as it is, with names and times.
    async png(title) {
      const width = Math.max(600, this.root.clientWidth), height = this.height(), ratio = 2, line = 18;
      const panels = [...this.panels.values()];
      const order = [...this.picked];
      const colors = themeColors(this.root);
      const font = "12px system-ui, sans-serif";
      const legends = panels.map((panel) => {
        const entries = panel.ids.map((id) => ({
          text: globalThis.riglogTable.channelName(this.channels.get(id)), color: colors.lines[order.indexOf(id) % COLORS],
        }));
        const alarms = alarmNames(this.bandsOf(panel));
        if (alarms) entries.push({ text: alarms, color: colors.bad });
        return placed(entries, font, width - 80);
      });
      const total = legends.reduce((sum, legend) => sum + height + line * (1 + legend.lines) + 8, 44);
      const canvas = make("canvas");
      canvas.width = width * ratio;
      canvas.height = total * ratio;
      const context = canvas.getContext("2d");
      const write = (text, left, top, face = font, color = colors.text) => {
        context.font = face;
        context.fillStyle = color;
        context.textAlign = "left";
        context.textBaseline = "alphabetic";
        context.fillText(visible(text), left, top);
      };
      context.scale(ratio, ratio);
      context.fillStyle = colors.ground;
      context.fillRect(0, 0, width, total);
      write(title, 12, 18, "600 14px system-ui, sans-serif");
      write(`${moment(this.view.from)} to ${moment(this.view.to)} ${offset(this.view.to)}`, 12, 36);
      let top = 44;
      panels.forEach((panel, number) => {
        write(panel.unit || "without a unit", 12, top + 13, "600 12px system-ui, sans-serif");
        context.save();
        context.translate(0, top + line);
        this.drawPanel(context, panel, width, height, colors);
        context.restore();
        top += line + height;
        for (const { text, color, left, row } of legends[number].entries) {
          const down = top + 13 + row * line;
          context.fillStyle = color;
          context.fillRect(66 + left, down - 9, 10, 10);
          write(text, 66 + left + 14, down);
        }
        top += legends[number].lines * line + 8;
      });
      return new Promise((done) => { canvas.toBlob(done, "image/png"); });
    }

    csvAddress() {
      return `/api/series.csv?${this.query(this.view, false)}`;
    }
  }

  // Entries of a legend side by side, in as many rows as they need; one that is wider than a row is shortened.
  function placed(entries, font, width) {
    const context = make("canvas").getContext("2d");
    context.font = font;
    let left = 0, row = 0;
    const found = entries.map(({ text, color }) => {
      let shown = visible(text);
      while (shown.length > 1 && context.measureText(shown).width > width - 20) shown = `${shown.slice(0, -2)}…`;
      const wide = context.measureText(shown).width + 32;
      if (left && left + wide - 18 > width) { left = 0; row++; }
      left += wide;
      return { text: shown, color, left: left - wide, row };
    });
    return { entries: found, lines: row + 1 };
  }

  function alarmNames(bands) {
    const names = [...new Set(bands.map((band) => band.name))];
    return names.length ? `alarm ${names.slice(0, 8).join(", ")}${names.length > 8 ? ", …" : ""}` : "";
  }

  function lastValue(series, view) {
    const { points, buckets } = series;
    if (points) {
      for (let at = chart.place(points.t, view.to) - 1; at >= 0 && points.t[at] >= view.from; at--) {
        if (points.v[at] !== null) return number(points.v[at]);
      }
    }
    if (buckets) {
      for (let at = chart.place(buckets.t, view.to) - 1; at >= 0 && buckets.t[at] >= view.from - buckets.width; at--) {
        if (buckets.count[at]) return `${number(buckets.mean[at])} (mean)`;
      }
    }
    return "–";
  }

  // Colours as the canvas takes them: those of the style sheet for the present theme.
  // They are read once for each theme: to read them makes the browser compute styles again.
  let probe = null;
  const known = new Map();
  function themeColors(root) {
    const theme = document.documentElement.dataset.theme ?? String(matchMedia("(prefers-color-scheme: dark)").matches);
    if (!known.has(theme)) known.set(theme, readColors(root));
    return known.get(theme);
  }

  function readColors(root) {
    if (!probe) {
      probe = make("span", null, { class: "unseen", "aria-hidden": "true" });
      root.parentElement.append(probe);
    }
    const read = (name) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    const lines = Array.from({ length: COLORS }, (_, at) => read(`c${at}`));
    return {
      lines, ground: read("ground"), text: read("text"), faint: read("faint"), grid: read("grid"), axis: read("line"),
      accent: read("accent"), warn: read("warn"), bad: read("bad"),
    };
  }

  return { Plots };
})();
