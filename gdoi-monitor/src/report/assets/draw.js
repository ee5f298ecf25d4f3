// Draws the rows of a timeline on a canvas. Marks differ in shape as well as in colour.

"use strict";

const MARGIN = 210, AXIS = 26;
const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const STEPS = [0.001, 0.01, 0.1, 1, 5, 10, 50, 100, 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 30 * SECOND, MINUTE,
  2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 30 * DAY,
  91 * DAY, 365 * DAY, 3652 * DAY, 36525 * DAY];

// The colours of the page, which change with its style.
function palette(element) {
  const style = getComputedStyle(element);
  const colour = (name) => style.getPropertyValue("--" + name).trim() || "#888";
  return {
    text: colour("text"), faint: colour("faint"), line: colour("line"), paper: colour("paper"),
    kinds: ["registration", "failed", "rekey", "repeat", "acknowledgement", "burst", "loss", "notice", "warning",
      "critical"].map(colour),
    keks: [colour("kek-a"), colour("kek-b")], spis: [colour("spi-a"), colour("spi-b")], stale: colour("warning"),
  };
}

function two(number) {
  return String(number).padStart(2, "0");
}

// A time in UTC; `step` sets the precision.
function clock(ms, step) {
  const date = new Date(ms);
  if (isNaN(date)) return "?";
  const day = date.getUTCFullYear() + "-" + two(date.getUTCMonth() + 1) + "-" + two(date.getUTCDate());
  if (step >= DAY) return day;
  const time = two(date.getUTCHours()) + ":" + two(date.getUTCMinutes());
  if (step >= MINUTE) return ms % DAY === 0 ? day : time;
  const seconds = time + ":" + two(date.getUTCSeconds());
  if (step >= SECOND) return seconds;
  return seconds + "." + String(Math.floor(((ms % SECOND) + SECOND) % SECOND)).padStart(3, "0");
}

class Painter {
  constructor(canvas, model) {
    this.canvas = canvas;
    this.model = model;
  }

  // Draws the part of the rows between `top` and `top + height`, and the visible time.
  draw(rows, view, width, height, top) {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = width + "px";
    this.canvas.style.height = height + "px";
    const context = (this.context = this.canvas.getContext("2d"));
    context.scale(ratio, ratio);
    this.colours = palette(this.canvas);
    this.view = view;
    this.width = width;
    context.fillStyle = this.colours.paper;
    context.fillRect(0, 0, width, height);
    this.axis(height);
    this.losses(height);
    this.drawn = 0;
    context.save();
    context.beginPath();
    context.rect(0, AXIS, width, height - AXIS);
    context.clip();
    for (const row of rows) {
      const y = AXIS + row.top - top;
      if (y + row.height < AXIS || y > height) continue;
      this.row(row, y);
    }
    context.restore();
    return this.drawn;
  }

  x(at) {
    const { from, until } = this.view;
    return MARGIN + ((at - from) / (until - from)) * (this.width - MARGIN - 8);
  }

  axis(height) {
    const { context, colours, model, view } = this;
    const room = (this.width - MARGIN) / 90;
    const step = STEPS.find((step) => (view.until - view.from) / step <= room) || STEPS[STEPS.length - 1];
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "center";
    const first = Math.ceil((model.start + view.from) / step) * step;
    for (let ms = first, ticks = 0; ms <= model.start + view.until && ticks < 100; ms += step, ticks++) {
      const x = Math.round(this.x(ms - model.start)) + 0.5;
      context.strokeStyle = colours.line;
      context.beginPath();
      context.moveTo(x, AXIS - 6);
      context.lineTo(x, height);
      context.stroke();
      context.fillStyle = colours.faint;
      context.fillText(clock(ms, step), x, AXIS / 2 - 2);
    }
    context.textAlign = "left";
    context.fillText(clock(model.start + view.from, DAY) + " UTC", 6, AXIS / 2 - 2);
  }

  // Gaps are grey through all lanes.
  losses(height) {
    const { context, colours } = this;
    context.fillStyle = colours.kinds[LOSS];
    context.globalAlpha = 0.18;
    for (const mark of this.model.losses) {
      if (mark[KIND] === LOSS) this.bar(mark[AT], mark[AT] + mark[LASTED], AXIS, height - AXIS);
    }
    context.globalAlpha = 1;
  }

  bar(from, until, y, height) {
    const left = Math.max(this.x(from), MARGIN), right = Math.min(this.x(until), this.width - 8);
    if (right < MARGIN || left > this.width) return 0;
    const width = Math.max(right - left, 2);
    this.context.fillRect(left, y, width, height);
    return width;
  }

  row(row, y) {
    const { context, colours } = this;
    if (row.kind === "group") {
      context.fillStyle = colours.line;
      context.fillRect(0, y, this.width, row.height);
    }
    this.label(row, y);
    switch (row.kind) {
      case "group": break;
      case "kek": this.spans(row, y, colours.keks, (kek) => kek.cookies.slice(0, 8)); break;
      case "spi": this.spans(row, y, colours.spis, (spi) => spi.spi); break;
      case "burst": this.bursts(row, y); break;
      case "band": this.band(row, y); break;
      default: for (const mark of marksOf(row)) this.mark(mark, y, row.height);
    }
  }

  label(row, y) {
    const { context, colours } = this;
    context.save();
    context.beginPath();
    context.rect(0, y, MARGIN - 6, row.height);
    context.clip();
    context.fillStyle = row.kind === "member" || row.spans ? colours.faint : colours.text;
    context.font = (row.kind === "group" ? "bold 13px" : "12px") + " system-ui, sans-serif";
    const indent = row.kind === "group" ? 6 : row.kind === "member" ? 26 : 14;
    context.fillText(row.label, indent, y + row.height / 2);
    context.restore();
    if (!row.note) return;
    context.fillStyle = colours.faint;
    context.font = "12px system-ui, sans-serif";
    context.fillText(row.note, MARGIN, y + row.height / 2);
  }

  spans(row, y, [even, odd], name) {
    const { context, colours } = this;
    row.spans.forEach((span, at) => {
      context.fillStyle = span.stale ? colours.stale : at % 2 ? odd : even;
      const width = this.bar(span.from, span.until, y + 2, row.height - 4);
      if (width) this.drawn++;
      if (width < 64 || row.height < 14) return;
      context.fillStyle = colours.text;
      context.font = "11px ui-monospace, monospace";
      context.fillText(name(span), Math.max(this.x(span.from), MARGIN) + 4, y + row.height / 2 + 0.5);
    });
  }

  bursts(row, y) {
    const { context, colours } = this;
    for (const mark of row.marks) {
      context.fillStyle = colours.kinds[BURST];
      const width = this.bar(mark[AT], mark[AT] + mark[LASTED], y + 3, row.height - 6);
      if (width) this.drawn++;
      if (width < 90) continue;
      context.fillStyle = colours.paper;
      context.font = "11px system-ui, sans-serif";
      context.fillText(mark[COUNT] + " members", Math.max(this.x(mark[AT]), MARGIN) + 4, y + row.height / 2);
    }
  }

  // Many lanes in one: the number of marks of each kind per column. Problems are on top.
  band(row, y) {
    const columns = new Map();
    for (const mark of marksOf(row)) {
      const x = Math.floor(this.x(mark[AT]) / 2) * 2;
      if (x < MARGIN || x > this.width - 8) continue;
      const counts = columns.get(x) || new Array(10).fill(0);
      counts[mark[KIND]] += mark[COUNT];
      columns.set(x, counts);
      this.drawn++;
    }
    const third = (row.height - 2) / 3;
    for (const [x, counts] of columns) {
      this.density(x, y + 1, third, counts[REGISTRATION], row, REGISTRATION);
      this.density(x, y + 1 + third, third, counts[REKEY], row, REKEY);
      this.density(x, y + 1 + third, third, counts[REPEAT], row, REPEAT);
      this.density(x, y + 1 + 2 * third, third, counts[ACKNOWLEDGEMENT] + counts[NOTICE], row, ACKNOWLEDGEMENT);
      for (const kind of [FAILED, WARNING, CRITICAL]) this.density(x, y + 1, row.height - 2, counts[kind], row, kind);
    }
  }

  density(x, y, height, count, row, kind) {
    if (!count) return;
    const { context, colours } = this;
    context.globalAlpha = Math.min(1, 0.35 + (0.65 * count) / row.lanes.length);
    context.fillStyle = colours.kinds[kind];
    context.fillRect(x, y, 2, height);
    context.globalAlpha = 1;
  }

  mark(mark, y, height) {
    const x = this.x(mark[AT]);
    const end = this.x(mark[AT] + mark[LASTED]);
    if (end < MARGIN - 6 || x > this.width) return;
    this.drawn++;
    const { context, colours } = this;
    const middle = y + height / 2;
    context.fillStyle = context.strokeStyle = colours.kinds[mark[KIND]];
    context.lineWidth = 1.5;
    switch (mark[KIND]) {
      case REGISTRATION: this.bar(mark[AT], mark[AT] + mark[LASTED], middle - 4, 8); break;
      case FAILED: this.bar(mark[AT], mark[AT] + mark[LASTED], middle - 1.5, 3); this.cross(end, middle); break;
      case REKEY:
        if (mark[LASTED] > 0) this.bar(mark[AT], mark[AT] + mark[LASTED], middle + 4, 2);
        this.path([[x, middle - 6], [x + 5, middle + 4], [x - 5, middle + 4]], true);
        break;
      case REPEAT: this.path([[x, middle - 5], [x + 4, middle + 3], [x - 4, middle + 3]], false); break;
      case ACKNOWLEDGEMENT: context.fillRect(x - 1, middle - 6, 2, 12); break;
      case LOSS: this.bar(mark[AT], mark[AT] + mark[LASTED], y + 3, height - 6); break;
      case NOTICE: this.disc(x, middle, 2.5); break;
      default: this.path([[x, middle - 6], [x + 6, middle], [x, middle + 6], [x - 6, middle]], mark[KIND] === CRITICAL);
    }
  }

  path(points, filled) {
    const { context } = this;
    if (points.some(([x]) => x < MARGIN - 6)) return;
    context.beginPath();
    points.forEach(([x, y], at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
    if (filled) context.fill();
    else context.stroke();
  }

  cross(x, y) {
    if (x < MARGIN - 6) return;
    const { context } = this;
    context.lineWidth = 2.5;
    context.beginPath();
    context.moveTo(x - 4, y - 4);
    context.lineTo(x + 4, y + 4);
    context.moveTo(x + 4, y - 4);
    context.lineTo(x - 4, y + 4);
    context.stroke();
  }

  disc(x, y, radius) {
    if (x < MARGIN) return;
    this.context.beginPath();
    this.context.arc(x, y, radius, 0, 2 * Math.PI);
    this.context.fill();
  }
}
