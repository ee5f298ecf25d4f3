// From the API's lists to the model that GdoiTimeline draws; report/timeline/model.rs writes it for reports.

const KINDS = ["registration", "registration_failed", "rekey", "repeat", "acknowledgement", "burst", "loss", "notice",
  "warning", "critical"];
const OF_TYPE = { registration_completed: 0, registration_failed: 1, rekey: 2, rekey_retransmitted: 3,
  registration_burst_ended: 5, capture_loss: 6 };
const OF_SEVERITY = { info: 7, warning: 8, critical: 9 };
const NO_GROUP = "unattributed";
const MOST_SPIS = 200;
// 10.1.9.1 before 10.1.10.1: neighbours are in one band.
const BY_NUMBER = new Intl.Collator("en", { numeric: true });

class Builder {
  constructor({ groups, members, spis, events }, now) {
    this.events = events.map((event) => ({ event, at: began(event) })).filter(({ at }) => isFinite(at));
    const last = this.events.reduce((last, { event }) => Math.max(last, moment(event.time)), -Infinity);
    const first = this.events.reduce((first, { at }) => Math.min(first, at), Infinity);
    // Old events are not drawn at the edge of an otherwise empty timeline.
    this.end = isFinite(last) && now - last > 86400000 ? last : now;
    this.start = Math.min(isFinite(first) ? first : now - 600000, this.end - 1000);
    this.groups = new Map();
    this.losses = [];
    for (const group of groups) this.group(group.name);
    for (const group of groups) {
      for (const { address } of group.key_servers) this.lane(group.name, "key_server", address);
      this.kek(group);
    }
    for (const member of members) this.lane(member.group || NO_GROUP, "member", endpoint(member.address));
    for (const spi of spis) this.spi(spi);
    for (const { event, at } of this.events) this.mark(event, at);
  }

  model() {
    const groups = [...this.groups.values()].map((group) => this.finished(group));
    const drawn = groups.filter(({ keks, spis, bursts, notices, lanes }) =>
      keks.length + spis.length + bursts.length + notices.length + lanes.length > 0);
    drawn.sort((one, other) => (one.name === NO_GROUP) - (other.name === NO_GROUP));
    return { start: this.start, length: this.end - this.start, kinds: KINDS, files: [], merged: [], undrawn: 0,
      losses: this.losses, groups: drawn, unlisted_members: 0, beyond: [] };
  }

  finished({ name, keks, spis, bursts, notices, lanes }) {
    const all = [...spis.values()].sort((one, other) => one.from - other.from);
    const byRole = [...lanes.values()].sort((one, other) =>
      (one.role === "member") - (other.role === "member") || BY_NUMBER.compare(one.address, other.address));
    return { name: visible(name), keks, spis: all.slice(-MOST_SPIS), more_spis: Math.max(all.length - MOST_SPIS, 0), bursts,
      notices, lanes: byRole };
  }

  at(ms) {
    return Math.min(Math.max(ms, this.start), this.end) - this.start;
  }

  group(name) {
    const known = this.groups.get(name);
    if (known) return known;
    const made = { name, keks: [], spis: new Map(), bursts: [], notices: [], lanes: new Map() };
    this.groups.set(name, made);
    return made;
  }

  lane(name, role, address) {
    const { lanes } = this.group(name);
    const key = role + " " + address;
    if (!lanes.has(key)) lanes.set(key, { role, address, marks: [] });
    return lanes.get(key);
  }

  // The KEKs whose change was seen, and the present one.
  kek({ name, kek }) {
    const changes = this.events.filter(({ event }) => event.type === "kek_changed" && event.group === name);
    let from = 0;
    for (const { event, at } of changes) {
      this.group(name).keks.push({ from, until: this.at(at), cookies: String(event.from), lead: event.lead_seconds });
      from = this.at(at);
    }
    if (!changes.length && kek.start) from = this.at(moment(kek.start));
    if (kek.cookies) this.group(name).keks.push({ from, until: this.end - this.start, cookies: kek.cookies, lead: null });
  }

  spi({ spi, group, status, packets, first_seen, last_seen }) {
    const { spis } = this.group(group || NO_GROUP);
    const from = this.at(moment(first_seen)), until = this.at(moment(last_seen));
    const known = spis.get(spi) || { from, until, spi, packets: 0, stale: false };
    known.from = Math.min(known.from, from);
    known.until = Math.max(known.until, until);
    known.packets += packets;
    known.stale = known.stale || status === "stale";
    spis.set(spi, known);
  }

  // Puts an event into the lane of its subject.
  mark(event, at) {
    const { type, group, member, key_server: server } = event;
    if (type === "registration_started") return;
    const kind = type in OF_TYPE ? OF_TYPE[type] : OF_SEVERITY[event.severity];
    if (kind === undefined) return;
    const lasted = 1000 * (Number(event.duration_seconds) || 0);
    const label = visible(kind === 2 ? event.kind : kind <= 1 ? event.stage : type);
    const mark = [this.at(at), lasted, kind, label, kind === 5 ? event.members : 1];
    const name = group || NO_GROUP;
    if (kind === 6) this.losses.push(mark);
    else if (kind === 5) this.group(name).bursts.push(mark);
    else if (member && kind !== 2) this.lane(name, "member", visible(member)).marks.push(mark);
    else if (server) this.lane(name, "key_server", visible(server)).marks.push(mark);
    else this.group(name).notices.push(mark);
  }
}

// The beginning of what an event reports: rekeys, registrations and losses are reported at their end.
function began(event) {
  const seconds = event.type === "rekey" ? event.began_seconds_ago : event.type in OF_TYPE ? event.duration_seconds : 0;
  return moment(event.time) - 1000 * (Number(seconds) || 0);
}
