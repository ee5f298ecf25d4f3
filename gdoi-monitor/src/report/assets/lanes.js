// A timeline's model as rows from top to bottom. report/timeline/model.rs writes the model.

"use strict";

// The elements of a mark, in their order.
const AT = 0, LASTED = 1, KIND = 2, LABEL = 3, COUNT = 4, FILE = 5, FRAME = 6, NOTE = 7;
const REGISTRATION = 0, FAILED = 1, REKEY = 2, REPEAT = 3, ACKNOWLEDGEMENT = 4, BURST = 5, LOSS = 6, NOTICE = 7,
  WARNING = 8, CRITICAL = 9;

const HEIGHT = { group: 30, kek: 18, spi: 14, burst: 16, events: 18, key_server: 24, member: 18, band: 20 };
// Up to this many members of a group have a lane each from the beginning; more are grouped into about this many
// bands.
const SINGLE = 40, BANDS = 32;

// The number of marks of each kind in a lane.
function countKinds(marks) {
  const counts = new Array(10).fill(0);
  for (const mark of marks) counts[mark[KIND]] += mark[COUNT];
  return counts;
}

// Every lane with its counts, computed once for tables, filters and bands.
function countLanes(model) {
  for (const group of model.groups) {
    for (const lane of group.lanes) lane.counts = countKinds(lane.marks);
  }
}

function isTrouble(lane) {
  const { counts } = lane;
  return counts[FAILED] + counts[WARNING] + counts[CRITICAL] > 0;
}

// Puts spans into as few lines as possible, at most `most`: each into the first that is free when it begins.
function pack(spans, most) {
  const lines = [];
  for (const span of spans) {
    let line = lines.find((line) => line.end <= span.from);
    if (!line && lines.length < most) lines.push((line = { end: 0, spans: [] }));
    line = line || lines[lines.length - 1];
    line.spans.push(span);
    line.end = Math.max(line.end, span.until);
  }
  return lines.map((line) => line.spans);
}

// Merged marks, and marks that are not drawn.
function mergedInWords(model) {
  const words = model.merged.map(([kind, seconds]) =>
    model.kinds[kind].replaceAll("_", " ") + "s within " + (seconds < 1 ? seconds.toFixed(3) : Math.ceil(seconds)) + " s");
  const drawn = words.length ? ["Drawn as one mark with its count, in the lane of a member: " + words.join(", ") + "."] : [];
  if (model.undrawn) drawn.push("Not drawn for want of room: " + model.undrawn + " marks. Findings and events have them all.");
  return drawn.join(" ");
}

// The members of a group that match the filter.
function chosen(group, filter) {
  const members = group.lanes.filter((lane) => lane.role === "member");
  const text = filter.text.toLowerCase();
  return members.filter((lane) => lane.address.includes(text) && (!filter.trouble || isTrouble(lane)));
}

function memberRows(group, view) {
  const members = chosen(group, view.filter);
  if (members.length <= SINGLE) return members.map((lane) => ({ kind: "member", label: lane.address, lane, group }));
  const size = Math.max(20, Math.ceil(members.length / BANDS));
  const rows = [];
  for (let first = 0; first < members.length; first += size) {
    const lanes = members.slice(first, first + size);
    const last = lanes[lanes.length - 1];
    const key = group.name + "\n" + lanes[0].address;
    const open = view.open.has(key);
    const label = (open ? "▾ " : "▸ ") + lanes[0].address + " … " + last.address;
    rows.push({ kind: "band", label, lanes, group, key, open });
    if (open) rows.push(...lanes.map((lane) => ({ kind: "member", label: lane.address, lane, group })));
  }
  return rows;
}

function groupRows(group, view) {
  const members = group.lanes.filter((lane) => lane.role === "member").length;
  const key = group.name + "\n";
  const closed = view.open.has(key);
  const label = (closed ? "▸ " : "▾ ") + group.name;
  const rows = [{ kind: "group", label, key, group, note: members + (members === 1 ? " member" : " members") }];
  if (closed) return rows;
  const labelled = (kind, lines, name) =>
    lines.forEach((spans, at) => rows.push({ kind, label: at === 0 ? name : "", spans, group }));
  labelled("kek", pack(group.keks, 4), "KEK");
  labelled("spi", pack(group.spis, 6), "SPI of ESP" + (group.more_spis ? ", " + group.more_spis + " more" : ""));
  if (group.bursts.length) rows.push({ kind: "burst", label: "bursts", marks: group.bursts, group });
  if (group.notices.length) rows.push({ kind: "events", label: "events", marks: group.notices, group });
  for (const lane of group.lanes) {
    if (lane.role === "key_server") rows.push({ kind: "key_server", label: "key server " + lane.address, lane, group });
  }
  return rows.concat(memberRows(group, view));
}

// All rows with their positions.
function layOut(model, view) {
  const rows = [];
  if (model.losses.length) rows.push({ kind: "events", label: "not seen", marks: model.losses });
  for (const group of model.groups) rows.push(...groupRows(group, view));
  if (model.beyond.length) {
    rows.push({ kind: "events", label: model.unlisted_members + " members without a lane", marks: model.beyond });
  }
  let top = 0;
  for (const row of rows) {
    row.top = top;
    row.height = HEIGHT[row.kind];
    top += row.height;
  }
  return { rows, height: top };
}

// The marks of a row, of all its lanes.
function marksOf(row) {
  if (row.lanes) return row.lanes.flatMap((lane) => lane.marks);
  return row.lane ? row.lane.marks : row.marks || [];
}

// The text for a kind and its label.
function words(model, mark) {
  const label = mark[LABEL].replaceAll("_", " ");
  switch (mark[KIND]) {
    case REGISTRATION: return "registration (" + label + ")";
    case FAILED: return "registration failed at " + label;
    case REKEY: return label === "groupkey push" ? "rekey" : "rekey (" + label + ")";
    case REPEAT: return "rekey sent again";
    case ACKNOWLEDGEMENT: return "acknowledgement";
    case BURST: return "burst (" + label + ")";
    case LOSS: return "not seen: " + label;
    default: return label;
  }
}

// The frame that proves a mark.
function frameOf(model, mark) {
  if (mark[FRAME] == null) return "";
  return "frame " + mark[FRAME] + (model.files.length > 1 ? " of " + model.files[mark[FILE]] : "");
}
