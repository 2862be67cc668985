// One panel of a chart on a canvas: lines, bands from least to greatest, gaps, marks, axes. It knows no page and no
// network: `draw` gets everything, `range`, `ticks`, `timeTicks` and `nearest` are pure.
//
// A series has `points` ({t, v}: null is a gap) and `buckets` ({width, t, mean, low, high, rows, count, marked}), either
// may be missing. Times are milliseconds since the epoch.
"use strict";

globalThis.riglogChart = (() => {
  const MARGIN = { left: 66, right: 12, top: 8, bottom: 24 };
  const DOT_DISTANCE = 7; // pixels between points from which each is a dot
  const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
  const TIME_STEPS = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600,
    7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 15552000, 31536000,
  ].map((seconds) => seconds * SECOND);

  // Round numbers within a range, about so many.
  function ticks(low, high, about) {
    const least = (high - low) / Math.max(1, about);
    const power = 10 ** Math.floor(Math.log10(least));
    const step = power * ([1, 2, 5].find((each) => each * power >= least * 0.999999) ?? 10);
    const first = Math.ceil(low / step - 1e-9);
    const count = Math.max(0, Math.min(50, Math.floor(high / step + 1e-9) - first + 1));
    return { step, values: Array.from({ length: count }, (_, at) => (first + at) * step) };
  }

  function tickLabel(value, step) {
    const size = Math.max(Math.abs(value), step);
    if (size >= 1e6 || step < 1e-5) return value === 0 ? "0" : value.toExponential(Math.max(0, Math.min(6,
      Math.floor(Math.log10(Math.abs(value))) - Math.floor(Math.log10(step) + 1e-9))));
    return value.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  }

  // Round local times between two times, at most so many. From days on they are at midnight, whatever the clock did.
  function timeTicks(from, to, most) {
    const step = TIME_STEPS.find((each) => (to - from) / each <= most) ?? TIME_STEPS.at(-1);
    const found = [];
    if (step < DAY) {
      const shift = (at) => new Date(at).getTimezoneOffset() * MINUTE;
      let at = Math.floor((from - shift(from)) / step) * step + shift(from);
      while (at <= to && found.length < 200) {
        if (at >= from) found.push(at);
        const before = shift(at);
        at += step;
        if (step >= HOUR && shift(at) !== before) at = Math.round((at - shift(at)) / step) * step + shift(at);
      }
    } else {
      const day = new Date(from);
      day.setHours(0, 0, 0, 0);
      if (step >= 28 * DAY) day.setDate(1);
      while (day.getTime() <= to && found.length < 200) {
        if (day.getTime() >= from) found.push(day.getTime());
        if (step >= 28 * DAY) day.setMonth(day.getMonth() + Math.max(1, Math.round(step / (30 * DAY))));
        else day.setDate(day.getDate() + Math.round(step / DAY));
      }
    }
    return { step, values: found };
  }

  const two = (value) => String(value).padStart(2, "0");

  function timeLabel(at, step) {
    const moment = new Date(at);
    const time = `${two(moment.getHours())}:${two(moment.getMinutes())}`;
    if (step >= DAY) return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
    if (time === "00:00" && step >= MINUTE) return `${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
    if (step >= MINUTE) return time;
    const seconds = `${time}:${two(moment.getSeconds())}`;
    return step >= SECOND ? seconds : `${seconds}.${String(moment.getMilliseconds()).padStart(3, "0")}`;
  }

  // The first place in a sorted list whose value is not less.
  function place(list, value) {
    let low = 0, high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle] < value) low = middle + 1; else high = middle;
    }
    return low;
  }

  // Least and greatest value of series in a view; null without any.
  function range(seriesList, view) {
    let low = Infinity, high = -Infinity;
    for (const { buckets, points } of seriesList) {
      if (buckets) {
        for (let at = place(buckets.t, view.from - buckets.width); at < buckets.t.length && buckets.t[at] < view.to; at++) {
          if (!buckets.count[at]) continue;
          low = Math.min(low, buckets.low[at]);
          high = Math.max(high, buckets.high[at]);
        }
      }
      if (points) {
        for (let at = place(points.t, view.from); at < points.t.length && points.t[at] <= view.to; at++) {
          const value = points.v[at];
          if (value === null) continue;
          low = Math.min(low, value);
          high = Math.max(high, value);
        }
      }
    }
    return low <= high ? { low, high } : null;
  }

  // A range with room around it, also if it is one value.
  function padded(found) {
    if (!found) return { low: 0, high: 1 };
    const { low, high } = found;
    const room = high > low ? (high - low) * 0.06 : Math.max(Math.abs(high) * 0.05, 1e-9) || 1;
    return { low: low - room, high: high + room };
  }

  // What a series has at a time, at most so far away: {t, v, low, high}; null in a gap.
  function nearest(series, at, distance) {
    const { buckets, points } = series;
    let best = null;
    const offer = (t, away, found) => {
      if (away <= distance && (!best || away < best.away)) best = { ...found, t, away };
    };
    if (points) {
      const to = place(points.t, at);
      for (const each of [to - 1, to, to + 1]) {
        if (each >= 0 && each < points.t.length && points.v[each] !== null) {
          offer(points.t[each], Math.abs(points.t[each] - at), { v: points.v[each] });
        }
      }
    }
    if (buckets) {
      const each = place(buckets.t, at + 1e-6) - 1;
      if (each >= 0 && buckets.count[each] && buckets.mean[each] !== null && at < buckets.t[each] + buckets.width) {
        offer(buckets.t[each] + buckets.width / 2, 0,
          { v: buckets.mean[each], low: buckets.low[each], high: buckets.high[each] });
      }
    }
    return best;
  }

  function drawBuckets(context, series, view, x, y, floor) {
    const { buckets, color } = series;
    const first = Math.max(0, place(buckets.t, view.from - buckets.width) - 1);
    let end = first;
    while (end < buckets.t.length && buckets.t[end] <= view.to) end++;
    end = Math.min(buckets.t.length, end + 1);
    context.fillStyle = color;
    context.globalAlpha = 0.28;
    for (let at = first; at < end; at++) {
      if (!buckets.count[at]) continue;
      const left = x(buckets.t[at]), right = x(buckets.t[at] + buckets.width);
      const top = y(buckets.high[at]), bottom = y(buckets.low[at]);
      context.fillRect(left, top - 0.5, Math.max(1, right - left), Math.max(1, bottom - top + 1));
    }
    context.globalAlpha = 1;
    context.beginPath();
    let before = null;
    for (let at = first; at < end; at++) {
      const lost = buckets.rows[at] - buckets.count[at];
      if (lost) floor(x(buckets.t[at]), x(buckets.t[at] + buckets.width));
      if (!buckets.count[at] || buckets.mean[at] === null) { before = null; continue; }
      const t = buckets.t[at], middle = x(t + buckets.width / 2), height = y(buckets.mean[at]);
      const follows = before !== null && t - before < buckets.width * 1.5;
      if (follows) context.lineTo(middle, height);
      else {
        context.moveTo(x(t), height); // also a bucket between two gaps is seen
        context.lineTo(middle, height);
      }
      before = t;
    }
    context.stroke();
    for (const [t, value, status] of buckets.marked ?? []) {
      if (t < view.from || t > view.to) continue;
      if (value === null) floor(x(t) - 1, x(t) + 1);
      else drawMark(context, x(t), y(value), status, series.colors);
    }
  }

  function drawPoints(context, series, view, x, y, floor) {
    const { points, color } = series;
    const first = Math.max(0, place(points.t, view.from) - 1);
    const end = Math.min(points.t.length, place(points.t, view.to) + 1);
    const each = end - first < 2 ? Infinity : (x(points.t[end - 1]) - x(points.t[first])) / (end - first - 1);
    const alone = [];
    context.beginPath();
    let joined = 0; // points of the present line
    for (let at = first; at <= end; at++) {
      const value = at < end ? points.v[at] : null;
      if (value === null) {
        if (joined === 1) alone.push(at - 1);
        joined = 0;
        continue;
      }
      if (joined++) context.lineTo(x(points.t[at]), y(value));
      else context.moveTo(x(points.t[at]), y(value));
    }
    context.stroke();
    context.fillStyle = color;
    for (const at of each > DOT_DISTANCE ? Array.from({ length: end - first }, (_, n) => first + n) : alone) {
      if (points.v[at] !== null) context.fillRect(x(points.t[at]) - 2, y(points.v[at]) - 2, 4, 4);
    }
    for (const [at, status] of points.marks ?? []) {
      if (at < first || at >= end) continue;
      const left = x(points.t[at]);
      if (points.v[at] === null) floor(left - 1, left + 1);
      else drawMark(context, left, y(points.v[at]), status, series.colors);
    }
  }

  // Values that are not ok: a ring, or a cross for a fault.
  function drawMark(context, left, top, status, colors) {
    context.save();
    context.setLineDash([]);
    context.strokeStyle = status === "fault" ? colors.bad : colors.warn;
    context.lineWidth = 1.5;
    context.beginPath();
    if (status === "fault") {
      context.moveTo(left - 4, top - 4); context.lineTo(left + 4, top + 4);
      context.moveTo(left - 4, top + 4); context.lineTo(left + 4, top - 4);
    } else context.arc(left, top, 4, 0, 2 * Math.PI);
    context.stroke();
    context.restore();
  }

  function drawAxes(context, box, view, scale, x, y, colors, zone) {
    context.font = "12px system-ui, sans-serif";
    context.lineWidth = 1;
    context.strokeStyle = colors.grid;
    context.fillStyle = colors.faint;
    context.textBaseline = "middle";
    context.textAlign = "right";
    const { step, values } = ticks(scale.low, scale.high, Math.max(3, box.height / 36));
    for (const value of values) {
      const top = Math.round(y(value)) + 0.5;
      line(context, box.left, top, box.left + box.width, top);
      context.fillText(tickLabel(value, step), box.left - 7, top, box.left - 9); // a long one is condensed
    }
    context.textBaseline = "alphabetic";
    context.textAlign = "center";
    const zoneWidth = context.measureText(zone).width;
    const times = timeTicks(view.from, view.to, Math.max(2, Math.floor(box.width / 84)));
    for (const at of times.values) {
      const left = Math.round(x(at)) + 0.5;
      line(context, left, box.top, left, box.top + box.height);
      const label = timeLabel(at, times.step);
      const half = context.measureText(label).width / 2;
      if (left - half > Math.max(box.left - 30, zoneWidth + 10) && left + half < box.left + box.width + MARGIN.right) {
        context.fillText(label, left, box.top + box.height + 16);
      }
    }
    context.strokeStyle = colors.axis;
    context.strokeRect(box.left + 0.5, box.top + 0.5, box.width - 1, box.height - 1);
    context.textAlign = "left";
    context.fillText(zone, 4, box.top + box.height + 16);
  }

  function line(context, left, top, right, bottom) {
    context.beginPath();
    context.moveTo(left, top);
    context.lineTo(right, bottom);
    context.stroke();
  }

  const boxOf = (width, height) => ({
    left: MARGIN.left, top: MARGIN.top,
    width: Math.max(10, width - MARGIN.left - MARGIN.right), height: Math.max(10, height - MARGIN.top - MARGIN.bottom),
  });

  // Draw a panel into a context, in CSS pixels. `moments` are times to be marked, `bands` are times of alarms (from, to);
  // `cursor` is a time or null.
  function draw(context, { width, height, view, series, colors, moments = [], bands = [], cursor = null, zone = "" }) {
    const box = boxOf(width, height);
    const scale = padded(range(series, view));
    const x = (at) => box.left + (at - view.from) / (view.to - view.from) * box.width;
    const y = (value) => box.top + (scale.high - value) / (scale.high - scale.low) * box.height;
    context.fillStyle = colors.ground;
    context.fillRect(0, 0, width, height);
    drawAxes(context, box, view, scale, x, y, colors, zone);
    context.save();
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.clip();
    context.fillStyle = colors.bad;
    context.globalAlpha = 0.15;
    for (const { from, to } of bands) context.fillRect(x(from), box.top, Math.max(1.5, x(to) - x(from)), box.height);
    context.globalAlpha = 1;
    for (const { at, color } of moments) {
      context.strokeStyle = color;
      context.setLineDash([3, 3]);
      line(context, Math.round(x(at)) + 0.5, box.top, Math.round(x(at)) + 0.5, box.top + box.height);
    }
    const floor = (left, right) => { // rows without a value
      context.save();
      context.fillStyle = colors.bad;
      context.fillRect(left, box.top + box.height - 4, Math.max(1.5, right - left), 3);
      context.restore();
    };
    context.lineJoin = "bevel";
    for (const each of series) {
      context.strokeStyle = each.color;
      context.lineWidth = each.strong ? 2.5 : 1.5;
      context.setLineDash(each.dash ?? []);
      const shown = { ...each, colors };
      if (each.buckets) drawBuckets(context, shown, view, x, y, floor);
      if (each.points) drawPoints(context, shown, view, x, y, floor);
    }
    context.setLineDash([]);
    if (cursor !== null) drawCursor(context, series, box, cursor, x, y, colors, 12 * (view.to - view.from) / box.width);
    context.restore();
    return { box, scale };
  }

  function drawCursor(context, series, box, cursor, x, y, colors, distance) {
    context.strokeStyle = colors.text;
    context.lineWidth = 1;
    const left = Math.round(x(cursor)) + 0.5;
    line(context, left, box.top, left, box.top + box.height);
    for (const each of series) {
      const found = nearest(each, cursor, distance);
      if (!found) continue;
      context.fillStyle = each.color;
      context.strokeStyle = colors.ground;
      context.beginPath();
      context.arc(x(found.t), y(found.v), 4, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    }
  }

  return { MARGIN, boxOf, draw, nearest, padded, place, range, tickLabel, ticks, timeLabel, timeTicks };
})();
