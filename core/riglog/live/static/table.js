// The table of channels, the alarms and the list of events. Rows stay where they are; only texts that changed are put.
"use strict";

globalThis.riglogTable = (() => {
  const { age, make, moment, offset, put } = globalThis.riglogText;
  const MOST_EVENTS = 200;
  const WORSE = /lost|not_responding|absent|failed|wrong|unconfirmed|dropped|skipped|raised|delayed|growing|moved|clock_step/;
  const BETTER = /restored|responding$|present|recovered|cleared|resumed|confirmed|acknowledged/;
  const STATUS = { ok: "status-ok", suspect: "status-warn", out_of_range: "status-warn" };

  function channelName(channel) {
    return channel.host ? `${channel.host}: ${channel.name}` : channel.name;
  }

  // What is wrong with a channel in one word, its worst first.
  function statusText(channel) {
    if (channel.condition === "old" || channel.condition === "dead") {
      return channel.status === "ok" ? channel.condition : `${channel.status}, ${channel.condition}`;
    }
    return channel.status;
  }

  function statusClass(channel) {
    if (channel.condition === "dead") return "status-bad";
    if (channel.condition === "old") return "status-warn";
    return STATUS[channel.status] ?? "status-bad";
  }

  class ChannelTable {
    // `onPick(id, picked)` is called when a channel is put into the chart or taken out of it.
    constructor(body, onPick) {
      this.body = body;
      this.onPick = onPick;
      this.rows = new Map();
    }

    // Make the rows of channels again, in their order.
    fill(channels, picked) {
      this.rows.clear();
      this.body.replaceChildren(...channels.map((channel) => this.row(channel, picked.has(channel.id))));
    }

    row(channel, picked) {
      const name = channelName(channel);
      const element = make("tr", null, { role: "row" }); // on a telephone it is laid out as a grid, and stays a row
      const box = make("input", null, { type: "checkbox", "aria-label": `Chart ${globalThis.riglogText.visible(name)}` });
      box.checked = picked;
      box.addEventListener("change", () => this.onPick(channel.id, box.checked));
      const swatch = make("i", null, { class: "swatch", "aria-hidden": "true" });
      const pick = make("span", null, { class: "pick" });
      pick.append(box, swatch);
      const cells = ["td", "th", "td", "td", "td", "td"].map((tag) =>
        make(tag, null, { role: tag === "th" ? "rowheader" : "cell" }));
      cells[1].setAttribute("scope", "row");
      cells[1].className = "name";
      cells[2].className = "number value";
      cells[4].className = "number age";
      cells[0].append(pick);
      const shownName = make("bdi");
      const parts = name.split(/(?<=[.:_])/u); // a long name breaks between its parts
      shownName.append(...parts.flatMap((part) => [globalThis.riglogText.visible(part), make("wbr")]).slice(0, -1));
      const reason = make("span", "", { class: "reason" });
      cells[1].append(shownName, reason);
      element.append(...cells);
      this.rows.set(channel.id, { element, box, swatch, reason, cells, name });
      this.update(channel, false);
      return element;
    }

    update(channel, alarmed) {
      const row = this.rows.get(channel.id);
      if (!row) return;
      row.element.className = `${channel.condition}${alarmed ? " alarmed" : ""}`;
      put(row.cells[2], channel.value_ms === null ? "–" : channel.shown);
      put(row.cells[3], channel.unit ?? "");
      put(row.cells[5], statusText(channel));
      row.cells[5].className = statusClass(channel);
      put(row.reason, channel.error ?? channel.flags ?? "");
    }

    // Ages grow without a message. `now` is the time of the server.
    ages(channels, now) {
      for (const channel of channels.values()) {
        const row = this.rows.get(channel.id);
        if (row) put(row.cells[4], channel.value_ms === null ? "–" : age((now - channel.value_ms) / 1000));
      }
    }

    // Bring the rows into an order, without touching those that are in it.
    order(ids) {
      ids.forEach((id, place) => {
        const { element } = this.rows.get(id);
        if (this.body.children[place] !== element) this.body.insertBefore(element, this.body.children[place] ?? null);
      });
    }

    color(id, color) {
      const row = this.rows.get(id);
      if (row) row.swatch.style.background = color ?? "";
    }

    filter(text) {
      const wanted = text.toLowerCase();
      for (const row of this.rows.values()) row.element.hidden = !row.name.toLowerCase().includes(wanted);
    }

    shown() {
      return [...this.rows].filter(([, row]) => !row.element.hidden).map(([id]) => id);
    }

    pick(id, picked) {
      const row = this.rows.get(id);
      if (row) row.box.checked = picked;
    }
  }

  // `acknowledge(name)` is called by the button of an alarm; null: there are no buttons.
  function showAlarms(element, alarms, acknowledge) {
    const text = (alarm) => `${alarm.state === "raised" ? "ALARM" : "was raised"}${alarm.acknowledged ? ", acknowledged" : ""}`
      + ` – ${alarm.name} – ${alarm.channel}: ${alarm.text ?? ""}`;
    const kind = (alarm) => (alarm.acknowledged ? "seen" : alarm.state === "raised" ? "raised" : "cleared");
    const shown = JSON.stringify(alarms);
    if (element.dataset.shown === shown) return; // a screen reader reads what changes
    element.dataset.shown = shown;
    element.replaceChildren(...alarms.map((alarm) => {
      const item = make("p", null, { class: kind(alarm) });
      item.append(make("span", text(alarm)));
      if (acknowledge && !alarm.acknowledged) {
        const button = make("button", "Acknowledge", {
          type: "button", "aria-label": globalThis.riglogText.visible(`Acknowledge ${alarm.name}`),
        });
        button.addEventListener("click", () => acknowledge(alarm.name));
        item.append(button);
      }
      return item;
    }));
    element.hidden = !alarms.length;
  }

  function eventItem(event) {
    const place = [event.host, event.port, event.device].filter(Boolean).join(" ");
    const kind = WORSE.test(event.kind) ? "worse" : BETTER.test(event.kind) ? "better" : event.kind === "note" ? "note" : "";
    const item = make("li", null, { class: kind });
    const time = make("time", `${moment(event.at_ms)} ${offset(event.at_ms)}`);
    time.dateTime = new Date(event.at_ms).toISOString();
    item.append(time, make("span", event.kind.replaceAll("_", " "), { class: "kind" }),
      make("span", place ? `${place}: ${event.message}` : event.message));
    return item;
  }

  // `list` shows the newest event first.
  function showEvents(list, events) {
    list.replaceChildren(...[...events].reverse().map(eventItem));
  }

  function addEvents(list, events) {
    for (const event of events) list.prepend(eventItem(event));
    while (list.children.length > MOST_EVENTS) list.lastElementChild.remove();
  }

  return { ChannelTable, addEvents, channelName, showAlarms, showEvents, statusText };
})();
