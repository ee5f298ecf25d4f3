// The API's values as text. Nothing here is ever parsed as HTML.

// A duration in at most six characters.
function span(seconds) {
  const whole = Math.round(Math.abs(seconds)), sign = seconds <= -0.5 ? "-" : "";
  const pad = (number) => String(number).padStart(2, "0");
  const days = Math.floor(whole / 86400), hours = Math.floor(whole / 3600) % 24, minutes = Math.floor(whole / 60) % 60;
  if (days) return sign + days + "d" + pad(hours) + "h";
  if (hours) return sign + hours + "h" + pad(minutes) + "m";
  if (minutes) return sign + minutes + "m" + pad(whole % 60) + "s";
  return sign + whole + "s";
}

// Milliseconds since the epoch; NaN if invalid.
const moment = (text) => Date.parse(text);
const ago = (text, now) => (text ? span((now - moment(text)) / 1000) + " ago" : "-");
const until = (text, now) => (text ? span((moment(text) - now) / 1000) : "-");
const known = (value) => (value === null || value === undefined ? "-" : String(value));
const total = (counts) => Object.values(counts || {}).reduce((sum, count) => sum + count, 0);

// The replacement of a control character, or of one that is invisible or changes the direction.
function visible(text) {
  return String(text)
    .replace(/[\u0000-\u001f]/g, (one) => String.fromCharCode(0x2400 + one.charCodeAt(0)))
    .replace(/[\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g, "\ufffd");
}

// An address, with its port unless it is a well-known one.
function endpoint(address) {
  return address.endsWith(":0") ? address.slice(0, -2).replace(/^\[|\]$/g, "") : address;
}

// The current problems of a group, the worst first: [severity, text].
function complaints(group) {
  const { kek, rekey, registration, esp } = group;
  const found = [];
  if (kek.split) found.push(["critical", "KEK split"]);
  if (kek.expired) found.push(["critical", "KEK expired"]);
  if (kek.over_age) found.push(["critical", "KEK over age"]);
  if (rekey.overdue) found.push(["critical", "rekey overdue"]);
  if (registration.burst_active) found.push(["warning", "registration burst"]);
  for (const server of group.key_servers) if (server.up === false) found.push(["warning", server.address + " silent"]);
  if (esp.lagging_sites) found.push(["warning", esp.lagging_sites + (esp.lagging_sites === 1 ? " site late" : " sites late")]);
  if (rekey.unacknowledged_members) found.push(["warning", rekey.unacknowledged_members + " unacknowledged"]);
  return found;
}

function state(group) {
  const found = complaints(group);
  if (found.length) return found.map(([, words]) => words).join(", ");
  if (group.name === "unattributed") return "-";
  return total(group.messages) ? "ok" : "nothing seen";
}

const severity = (group) => (complaints(group)[0] || ["good"])[0];
const rekeys = (group) => group.key_servers.reduce((sum, server) => sum + total(server.rekeys), 0);

function server(one) {
  const up = one.up === null ? "" : one.up ? ", answers" : ", silent";
  return one.address + (one.pushes ? " (active)" : "") + up;
}

function kekLeft(kek, now) {
  if (!kek.expiry) return "unknown";
  return until(kek.expiry, now) + " of " + span(kek.lifetime_seconds) + " (" + known(kek.lifetime_source) + ")";
}

// The common fields of an event, and its other fields as text.
const COMMON = new Set(["time", "type", "severity", "group", "key_server", "member"]);
function details(event) {
  const words = [];
  for (const [name, value] of Object.entries(event)) {
    if (COMMON.has(name) || value === null) continue;
    const short = typeof value === "number" && !Number.isInteger(value) ? value.toFixed(3) : value;
    words.push(name.replaceAll("_", " ") + " " + (typeof short === "object" ? JSON.stringify(short) : short));
  }
  return words.join(", ");
}
