// The page: what the server sends, the controls, the note and the acknowledgement. It writes nothing else.
"use strict";

(() => {
  const { make, moment, offset, put, visible } = globalThis.riglogText;
  const { ChannelTable, addEvents, showAlarms, showEvents } = globalThis.riglogTable;
  const byId = (id) => document.getElementById(id);
  const FIRST_CHANNELS = 8;
  const AGES_MS = 500;
  const STATES = {
    recording: ["recording", "good"], finished: ["finished", ""], interrupted: ["not being recorded", "bad"],
    continued: ["continued in another file", "warn"], empty: ["no run yet", "warn"], gone: ["file gone", "bad"],
    unreadable: ["cannot be read", "bad"], laboratory: ["laboratory", "good"],
    unreachable: ["database not reachable", "bad"],
  };
  const stored = { // a browser may forbid it
    get(key) { try { return localStorage.getItem(key); } catch { return null; } },
    set(key, value) { try { localStorage.setItem(key, value); } catch { /* for this visit only */ } },
  };

  const page = {
    channels: new Map(), picked: new Set(), alarms: [], boot: null, renewals: null, ahead: 0, connected: false,
    state: "empty", runs: [], title: "", takesNotes: false,
  };
  const now = () => Date.now() + page.ahead;
  const plots = new globalThis.riglogPlots.Plots(byId("panels"), {
    now, changed: showView, trouble: (text) => put(byId("chart-trouble"), text), everything: showEverything,
    alarms: () => page.alarms, isRecording: () => ["recording", "laboratory"].includes(page.state),
  });
  const table = new ChannelTable(document.querySelector("#channels tbody"), pick);
  globalThis.riglogPage = { page, plots, table }; // for tests

  // ---- what the server sends

  let stream = null;
  function connect() {
    stream?.close();
    stream = new EventSource("/api/stream");
    stream.addEventListener("hello", (event) => hello(JSON.parse(event.data)));
    stream.addEventListener("tick", (event) => tick(JSON.parse(event.data)));
    stream.addEventListener("state", (event) => state(JSON.parse(event.data)));
    stream.addEventListener("events", (event) => happened(JSON.parse(event.data)));
    stream.addEventListener("open", () => connection(true));
    stream.addEventListener("error", () => connection(false));
  }

  function connection(isThere) {
    page.connected = isThere;
    byId("trouble").hidden = isThere;
    put(byId("trouble"), isThere ? "" : "No connection to riglog live: what is shown is not new. Trying again.");
    if (!isThere && stream.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
  }

  // Channels of a device side by side; devices in the order in which they first appeared.
  function byDevice(channels) {
    const devices = new Map();
    for (const channel of channels) {
      const key = `${channel.host ?? ""}\n${channel.device}`;
      devices.set(key, [...(devices.get(key) ?? []), channel]);
    }
    return [...devices.values()].flat();
  }

  function hello(found) {
    if (page.boot !== null && page.boot !== found.boot) return location.reload(); // another riglog: another page
    const isOther = page.renewals !== null && page.renewals !== found.renewals;
    Object.assign(page, {
      boot: found.boot, renewals: found.renewals, title: found.title, isWorstFirst: found.worst_first,
    });
    page.ahead = found.now_ms - Date.now();
    found.channels = byDevice(found.channels);
    document.title = `${visible(found.title)} – riglog live`;
    put(byId("title"), found.title);
    page.takesNotes = found.takes_notes;
    byId("note").hidden = !found.takes_notes;
    page.channels = new Map(found.channels.map((channel) => [channel.id, channel]));
    page.picked = chosen(found.channels);
    table.fill(found.channels, page.picked);
    byId("no-channels").hidden = found.channels.length > 0;
    byId("channels").hidden = !found.channels.length;
    table.filter(byId("filter").value);
    showEvents(byId("events"), found.events);
    plots.moments = marked(found.events);
    fillDevices(found.channels);
    state(found);
    setPicked();
    loadRuns(isOther);
    if (!page.started) start(found);
  }

  // The first view: the newest time of what is recorded, or all of a run that has ended.
  function start(found) {
    page.started = true;
    const run = found.run;
    if (found.state !== "recording" && run && run.ended_ms) plots.setView(run.started_ms, run.ended_ms + 1000);
    else plots.follow();
  }

  function tick(found) {
    page.ahead = found.now_ms - Date.now();
    for (const channel of found.channels) {
      const before = page.channels.get(channel.id);
      page.channels.set(channel.id, channel);
      if (before && before.unit !== channel.unit && page.picked.has(channel.id)) setPicked();
      table.update(channel, alarmed(channel));
    }
    sortWorstFirst();
    plots.channels = page.channels;
    plots.add(found.points);
    plots.tick();
  }

  function state(found) {
    page.state = found.state;
    const [text, kind] = STATES[found.state] ?? [found.state, ""];
    const run = found.run ? ` – run ${found.run.name}, since ${moment(found.run.started_ms)} ${offset(found.run.started_ms)}` : "";
    put(byId("state"), `${text}${run}${found.message ? `: ${found.message}` : ""}`);
    byId("state").className = kind;
    if (JSON.stringify(page.alarms) !== JSON.stringify(found.alarms)) put(byId("alarm-state"), ""); // it was of before
    page.alarms = found.alarms;
    showAlarms(byId("alarms"), found.alarms, page.takesNotes ? acknowledge : null);
    plots.setAlarms(found.alarms);
    for (const channel of page.channels.values()) table.update(channel, alarmed(channel));
    sortWorstFirst();
  }

  function happened(events) {
    addEvents(byId("events"), events);
    plots.moments = [...plots.moments, ...marked(events)].slice(-300);
    if (events.some((event) => event.kind.startsWith("run_"))) loadRuns(false);
  }

  const marked = (events) => events.filter((event) => event.kind === "note" || event.kind === "alarm_raised")
    .map((event) => ({ at: event.at_ms, kind: event.kind }));
  const alarmed = (channel) => page.alarms.some((alarm) =>
    alarm.state === "raised" && alarm.channel === globalThis.riglogTable.channelName(channel));

  // Of a laboratory, what is in alarm, dead or late stands first.
  const CONDITIONS = ["dead", "old", "live", "ended"];
  function sortWorstFirst() {
    if (!page.isWorstFirst) return;
    const rank = (channel) => (alarmed(channel) ? 0 : 1 + 2 * CONDITIONS.indexOf(channel.condition) + (channel.status === "ok" ? 1 : 0));
    table.order([...page.channels.values()].sort((one, other) => rank(one) - rank(other) || one.id - other.id).map(({ id }) => id));
  }

  // ---- channels

  const isNumeric = (channel) => channel.value !== null || channel.value_ms === null;

  // What was chosen before on this computer, or else the first numeric channels.
  function chosen(channels) {
    if (page.started) return new Set(channels.map((each) => each.id).filter((id) => page.picked.has(id)));
    const names = JSON.parse(stored.get(`riglog channels ${page.title}`) ?? "null");
    const before = Array.isArray(names) ? channels.filter((channel) => names.includes(channel.name)) : [];
    const found = before.length ? before : channels.filter(isNumeric).slice(0, FIRST_CHANNELS);
    return new Set(found.map((channel) => channel.id));
  }

  function pick(id, isPicked) {
    if (isPicked) page.picked.add(id); else page.picked.delete(id);
    setPicked();
    stored.set(`riglog channels ${page.title}`, JSON.stringify([...page.picked].map((each) => page.channels.get(each)?.name)));
  }

  function setPicked() {
    plots.setChannels(page.channels, page.picked);
    for (const id of page.channels.keys()) table.color(id, plots.color(id));
  }

  function pickShown(isPicked) {
    for (const id of table.shown()) {
      const channel = page.channels.get(id);
      if (isPicked && (!isNumeric(channel) || page.picked.size >= 64)) continue;
      table.pick(id, isPicked);
      if (isPicked) page.picked.add(id); else page.picked.delete(id);
    }
    setPicked();
  }

  byId("all").addEventListener("click", () => pickShown(true));
  byId("none").addEventListener("click", () => pickShown(false));
  byId("filter").addEventListener("input", (event) => table.filter(event.target.value));

  // ---- time

  function showView() {
    const { from, to } = plots.view;
    put(byId("view"), `${moment(from)} to ${moment(to)} ${offset(to)}`);
    byId("live").setAttribute("aria-pressed", String(plots.isLive));
    const seconds = String(Math.round((to - from) / 1000));
    const known = [...byId("span").options].some((option) => option.value === seconds);
    if (known) byId("span").value = seconds;
    else if (byId("span").value !== "all" || plots.isLive) byId("span").value = "other";
    byId("csv").href = plots.csvAddress();
    plots.showTable();
  }

  async function loadRuns(isOther) {
    const reply = await fetch("/api/runs").catch(() => null);
    if (!reply?.ok) return;
    page.runs = (await reply.json()).runs;
    const before = isOther ? "" : byId("run").value;
    const options = [...page.runs].reverse().slice(0, 500).map((run) =>
      make("option", `${run.name}  ${moment(run.started_ms)}${run.host && plots.channels.size && [...plots.channels.values()][0].host ? `  ${run.host}` : ""}`, { value: run.run }));
    byId("run").replaceChildren(make("option", "all runs", { value: "" }), ...options);
    byId("run").value = [...byId("run").options].some((option) => option.value === before) ? before : "";
  }

  // All of the chosen run, or of all runs.
  function showEverything() {
    const runs = page.runs.filter((run) => !plots.run || run.run === plots.run);
    if (!runs.length) return;
    const ends = runs.map((run) => run.ended_ms ?? run.started_ms);
    const newest = Math.max(...ends);
    byId("span").value = "all";
    plots.setView(Math.min(...runs.map((run) => run.started_ms)), (newest > now() - 60e3 ? now() : newest) + 1000);
  }

  byId("run").addEventListener("change", (event) => {
    plots.run = event.target.value;
    plots.fetch(true);
    if (plots.run) showEverything(); else plots.follow();
  });
  byId("span").addEventListener("change", (event) => {
    if (event.target.value === "all") return showEverything();
    const span = Number(event.target.value) * 1000;
    if (plots.hooks.isRecording() && !plots.run) return plots.follow(span);
    const { to } = plots.view;
    return plots.setView(to - span, to);
  });
  byId("live").addEventListener("click", () => plots.follow());
  byId("earlier").addEventListener("click", () => plots.pan(-0.5));
  byId("later").addEventListener("click", () => plots.pan(0.5));
  byId("in").addEventListener("click", () => plots.zoom(0.5));
  byId("out").addEventListener("click", () => plots.zoom(2));
  byId("as-table").addEventListener("toggle", () => plots.showTable());

  byId("png").addEventListener("click", async () => {
    const blob = await plots.png(page.title);
    const link = make("a", null, { download: "riglog-chart.png", href: URL.createObjectURL(blob) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10e3);
  });

  // ---- the note

  function fillDevices(channels) {
    const names = [...new Set(channels.map((channel) => channel.device))];
    byId("note-device").replaceChildren(make("option", "–", { value: "" }),
      ...names.map((name) => { const option = make("option", name); option.value = name; return option; }));
  }

  // Send something to the recording. Both need the token that only this page can read.
  async function post(address, content) {
    const { note_token: token } = await (await fetch("/api/session")).json();
    const reply = await fetch(address, {
      method: "POST", headers: { "Content-Type": "application/json", "X-Riglog-Token": token },
      body: JSON.stringify(content),
    });
    const found = await reply.json();
    if (!reply.ok) throw new Error(`${found.error}. ${found.hint ?? ""}`);
    return found.state;
  }

  byId("note-author").value = stored.get("riglog author") ?? "";
  byId("note").addEventListener("submit", async (event) => {
    event.preventDefault();
    const [text, author, device] = ["note-text", "note-author", "note-device"].map((id) => byId(id).value);
    put(byId("note-state"), "sending");
    try {
      const reached = await post("/api/notes", { text, author, device: device || null });
      stored.set("riglog author", author);
      byId("note-text").value = "";
      put(byId("note-state"), reached === "stored" ? "Note stored." : "Note sent: the recorder stores it with its next flush.");
    } catch (error) {
      put(byId("note-state"), `Not sent: ${error.message}`);
    }
  });

  async function acknowledge(alarm) {
    const author = byId("note-author").value.trim();
    if (!author) {
      put(byId("alarm-state"), "Write your name below first: it is stored with the acknowledgement.");
      byId("note-author").focus();
      return;
    }
    try {
      const reached = await post("/api/alarms", { alarm, author });
      stored.set("riglog author", author);
      put(byId("alarm-state"), reached === "stored" ? "" : "Sent: the recorder stores it with its next flush.");
    } catch (error) {
      put(byId("alarm-state"), `Not acknowledged: ${error.message}`);
    }
  }

  // ---- dark and light

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
  const setTheme = (name) => { if (name) document.documentElement.dataset.theme = name; plots.redraw(); };
  setTheme(stored.get("riglog theme"));
  byId("theme").addEventListener("click", () => {
    const next = theme() === "dark" ? "light" : "dark";
    stored.set("riglog theme", next);
    setTheme(next);
  });
  dark.addEventListener("change", () => plots.redraw());

  // ---- time passes

  setInterval(() => {
    put(byId("now"), `${moment(now())} ${offset(now())}`);
    table.ages(page.channels, now());
    if (document.visibilityState === "visible" && plots.isLive) { plots.tick(); showView(); }
  }, AGES_MS);
  document.addEventListener("visibilitychange", () => { // a hidden page holds no connection: a browser has few
    if (document.visibilityState === "hidden") stream?.close();
    else connect();
  });
  connect();
})();
