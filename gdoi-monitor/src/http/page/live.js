// The live status page: polls the API, shows its answers, and says when there is no answer.

const EVERY = 2000, PATIENCE = 10000, WHOLE = "?limit=100000", MOST_ROWS = 2000, MOST_EVENTS = 200;
const LISTS = ["groups", "members", "spis", "events"];

const GROUPS = [
  { title: "Group", heads: true, text: (group) => group.name },
  { title: "State", text: state, look: severity },
  { title: "Members", text: (group) => group.members },
  { title: "Transport", text: (group) => known(group.transport) + (group.rekey_address ? " to " + group.rekey_address : "") },
  { title: "Key servers", text: (group) => group.key_servers.map(server).join("; ") || "-" },
  { title: "Rekeys", text: rekeys },
  { title: "Sent again", text: (group) => group.rekey.retransmissions },
  { title: "Last rekey", text: (group, now) => ago(group.rekey.last, now) },
  { title: "Next rekey in", text: (group, now) => until(group.rekey.next_expected, now) },
  { title: "KEK lifetime left", text: (group, now) => kekLeft(group.kek, now) },
  { title: "Reregisters in", text: (group, now) => until((group.kek.re_registration_window || [])[0], now) },
];
const MEMBERS = [
  { title: "Member", heads: true, text: (member) => endpoint(member.address) },
  { title: "Group", text: (member) => known(member.group) },
  { title: "Key server", text: (member) => known(member.key_server) },
  { title: "Registered", text: (member, now) => ago(member.registered, now) },
  { title: "Times", text: (member) => member.registrations },
  { title: "Failed since", text: (member) => member.failures, look: (member) => (member.failures ? "warning" : "") },
  { title: "Rekeyed", text: (member, now) => ago(member.rekeyed, now) },
  { title: "Acknowledged", text: (member, now) => ago(member.acknowledged, now) },
  { title: "Unacknowledged", text: (member) => known(member.unacknowledged),
    look: (member) => (member.unacknowledged ? "warning" : "") },
  { title: "Seen", text: (member, now) => ago(member.last_seen, now) },
];
const EVENTS = [
  { title: "Time", text: (event) => String(event.time).slice(0, 23).replace("T", " ") },
  { title: "Severity", text: (event) => event.severity, look: (event) => (event.severity === "info" ? "" : event.severity) },
  { title: "Event", text: (event) => event.type },
  { title: "Group", text: (event) => known(event.group) },
  { title: "Member or key server", text: (event) => known(event.member || event.key_server) },
  { title: "Details", text: details },
];

// A list of the API, and the agent's time.
async function ask(list) {
  const response = await fetch("api/v1/" + list + WHOLE, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (!response.ok) throw new Error(list + " answered " + response.status);
  const rows = await response.json();
  if (!Array.isArray(rows)) throw new Error(list + " is no list");
  return { rows, now: Date.parse(response.headers.get("date")) || Date.now() };
}

class Page {
  constructor(main) {
    this.main = main;
    this.status = make(main, "p", { className: "faint" });
    this.outage = make(main, "p", { className: "critical", hidden: true });
    this.outage.setAttribute("role", "alert");
    main.prepend(this.status, this.outage);
    this.groups = new Table(this.empty("groups"), "group", GROUPS, (group) => group.name, MOST_ROWS);
    const members = this.section("members", "Members");
    this.filter = make(members, "input", { type: "search", placeholder: "address, group or key server" });
    this.filter.setAttribute("aria-label", "Show only members with this in their address, group or key server");
    this.filter.oninput = () => this.showMembers();
    this.members = new Table(members, "member", MEMBERS, (member) => member.address + " " + member.group, MOST_ROWS);
    this.drawing = make(this.section("timeline", "Timeline"), "div");
    const events = this.empty("events");
    events.firstElementChild.textContent = "Events";
    this.events = new Table(events, "event", EVENTS, (event, at) => event.time + event.type + event.member + at, MOST_EVENTS);
    main.append(events);
    document.addEventListener("visibilitychange", () => this.round());
  }

  // A section of this script.
  section(id, title) {
    const section = make(this.main, "section", { id });
    make(section, "h2", { textContent: title });
    return section;
  }

  // A section of the page, emptied.
  empty(id) {
    const section = document.getElementById(id);
    while (section.lastElementChild !== section.firstElementChild) section.lastElementChild.remove();
    return section;
  }

  // Polls, and repeats after a while; not while the page is hidden.
  async round() {
    clearTimeout(this.timer);
    if (document.hidden || this.asking) return;
    this.asking = true;
    try {
      const answers = await Promise.all(LISTS.map(ask));
      this.show(Object.fromEntries(LISTS.map((list, at) => [list, answers[at].rows])), answers[0].now);
      await this.refresh();
      this.answered();
    } catch (error) {
      this.silent(error);
    } finally {
      this.asking = false;
      this.timer = setTimeout(() => this.round(), EVERY);
    }
  }

  show(lists, now) {
    const began = performance.now();
    Object.assign(this, { lists, now });
    this.groups.update(lists.groups, now);
    this.showMembers();
    this.events.update(lists.events.slice().reverse(), now);
    this.draw();
    this.main.dataset.took = Math.round(performance.now() - began);
  }

  showMembers() {
    if (!this.lists) return;
    const wanted = this.filter.value.toLowerCase();
    const words = (member) => [member.address, member.group, member.key_server].join(" ").toLowerCase();
    this.members.update(this.lists.members.filter((member) => words(member).includes(wanted)), this.now);
  }

  // The timeline changes with the events; if there are none it is still redrawn now and then.
  draw() {
    const { events, members } = this.lists;
    const mark = JSON.stringify([events.length, events[events.length - 1], members.length]);
    if (mark === this.drawn && this.now - this.drawnAt < 30000) return;
    Object.assign(this, { drawn: mark, drawnAt: this.now });
    const model = new Builder(this.lists, this.now).model();
    if (this.timeline) this.timeline.update(model);
    else this.timeline = window.GdoiTimeline.mount(this.drawing, model);
  }

  // Texts that only the server knows come from the page itself.
  async refresh() {
    const response = await fetch("./", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const id of ["incidents", "interfaces"]) {
      const fresh = page.getElementById(id);
      const shown = document.getElementById(id);
      if (fresh && fresh.textContent !== shown.textContent) shown.replaceWith(document.adoptNode(fresh));
    }
  }

  answered() {
    this.since = null;
    this.outage.hidden = true;
    document.body.classList.remove("stale");
    this.status.textContent = "as of " + new Date(this.now).toISOString().slice(0, 19).replace("T", " ") + " UTC";
    this.main.dataset.ready = "1";
  }

  silent(error) {
    this.since = this.since || new Date();
    this.outage.textContent = "no answer since " + this.since.toISOString().slice(11, 19) + " UTC: " + visible(error.message) +
      "; trying again";
    this.outage.hidden = false;
    document.body.classList.add("stale");
  }
}

new Page(document.querySelector("main")).round();
