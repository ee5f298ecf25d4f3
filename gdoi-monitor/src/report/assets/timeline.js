// A timeline in a page: zoom, hover, filter, expandable bands, and the same as a table.
//
// GdoiTimeline.mount(element, model) draws into an element and returns { update(model) }, for live pages.

"use strict";

function create(parent, name, properties = {}) {
  const element = document.createElement(name);
  Object.assign(element, properties);
  parent.append(element);
  return element;
}

class Timeline {
  constructor(root, model) {
    this.root = root;
    this.view = { from: 0, until: 1, filter: { text: "", trouble: false }, open: new Set() };
    root.classList.add("timeline");
    this.controls();
    this.legend();
    this.frame = create(root, "div", { className: "timeline-frame" });
    this.spacer = create(this.frame, "div");
    this.canvas = create(this.spacer, "canvas", { tabIndex: 0 });
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", "Timeline. The table below it has the same counts.");
    this.tip = create(root, "div", { className: "timeline-tip", hidden: true });
    this.note = create(root, "p", { className: "faint", hidden: true });
    this.table = create(create(root, "details"), "table", { className: "lanes" });
    create(this.table.parentElement, "summary", { textContent: "The lanes as a table" });
    this.listen();
    this.update(model);
  }

  // Shows a new model; zoom and expanded bands stay.
  update(model) {
    const following = !this.model || this.view.until >= this.model.length;
    this.model = model;
    countLanes(model);
    this.painter = new Painter(this.canvas, model);
    if (following) this.all();
    this.fillTable();
    this.note.textContent = mergedInWords(model);
    this.note.hidden = !this.note.textContent;
    this.layOut();
    Object.assign(this.root.dataset, { ready: "1", lanes: model.groups.reduce((sum, group) => sum + group.lanes.length, 0) });
  }

  all() {
    const room = Math.max(this.model.length * 0.01, 1);
    Object.assign(this.view, { from: -room, until: this.model.length + room });
  }

  controls() {
    const bar = create(this.root, "div", { className: "timeline-bar" });
    const button = (text, title, act) =>
      create(bar, "button", { type: "button", textContent: text, title, onclick: () => (act(), this.draw()) });
    button("+", "Zoom in", () => this.zoom(0.5, 0.5));
    button("−", "Zoom out", () => this.zoom(2, 0.5));
    button("all", "Show everything", () => this.all());
    const filter = create(bar, "input", { type: "search", placeholder: "member address" });
    filter.setAttribute("aria-label", "Show only members whose address contains this");
    filter.oninput = () => ((this.view.filter.text = filter.value), this.layOut());
    const label = create(bar, "label");
    const trouble = create(label, "input", { type: "checkbox" });
    label.append(" only members with problems");
    trouble.onchange = () => ((this.view.filter.trouble = trouble.checked), this.layOut());
    create(bar, "span", { className: "faint", textContent: "Drag to zoom in, double-click to zoom out, click a band to open it." });
  }

  legend() {
    const list = create(this.root, "ul", { className: "legend" });
    for (const [name, shape, text] of [
      ["registration", "▬", "registration"], ["failed", "✕", "failed registration"], ["rekey", "▲", "rekey"],
      ["repeat", "△", "sent again"], ["acknowledgement", "|", "acknowledgement"], ["notice", "•", "event"],
      ["warning", "◇", "warning"], ["critical", "◆", "critical"], ["burst", "■", "burst"], ["loss", "▒", "not seen"],
    ]) {
      const item = create(list, "li");
      create(item, "span", { textContent: shape, className: "mark-" + name });
      item.append(" " + text);
    }
  }

  fillTable() {
    this.table.replaceChildren();
    const head = create(this.table, "tr");
    for (const name of ["Group", "Lane", "Address", "Registrations", "Failed", "Rekeys", "Repeats", "Acknowledgements",
      "Warnings", "Critical"]) create(head, "th", { textContent: name, scope: "col" });
    for (const group of this.model.groups) {
      for (const lane of group.lanes) {
        const row = create(this.table, "tr");
        row.dataset.lane = lane.role;
        const { counts } = lane;
        for (const cell of [group.name, lane.role.replace("_", " "), lane.address, counts[REGISTRATION], counts[FAILED],
          counts[REKEY], counts[REPEAT], counts[ACKNOWLEDGEMENT], counts[WARNING], counts[CRITICAL]]) {
          create(row, "td", { textContent: cell });
        }
      }
    }
  }

  layOut() {
    this.rows = layOut(this.model, this.view);
    this.draw();
  }

  draw() {
    const width = Math.max(this.root.clientWidth - 18, 480);
    const whole = this.rows.height + AXIS + 4;
    const height = this.printing ? Math.min(whole, 8000) : Math.min(whole, Math.max(window.innerHeight * 0.8, 240));
    this.frame.style.height = height + "px";
    this.spacer.style.height = whole + "px";
    const top = this.printing ? 0 : this.frame.scrollTop;
    this.root.dataset.drawn = this.painter.draw(this.rows.rows, this.view, width, height, top);
  }

  zoom(factor, place) {
    const { from, until } = this.view;
    const at = from + (until - from) * place;
    const least = 0.01, most = this.model.length * 2 + 2000;
    const length = Math.min(Math.max((until - from) * factor, least), most);
    Object.assign(this.view, { from: at - length * place, until: at + length * (1 - place) });
  }

  pan(part) {
    const step = (this.view.until - this.view.from) * part;
    this.view.from += step;
    this.view.until += step;
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    const part = (x - MARGIN) / (box.width - MARGIN - 8);
    const top = y - AXIS + this.frame.scrollTop;
    const row = this.rows.rows.find((row) => top >= row.top && top < row.top + row.height);
    return { x, part, row: y > AXIS ? row : undefined, at: this.view.from + (this.view.until - this.view.from) * part };
  }

  listen() {
    let drag = null;
    this.frame.onscroll = () => this.draw();
    this.canvas.onpointerdown = (event) => (drag = this.place(event));
    this.canvas.onpointerup = (event) => {
      const end = this.place(event);
      if (drag && Math.abs(end.x - drag.x) > 8) this.zoomTo(drag, end);
      else if (end.row && end.row.key) this.toggle(end.row.key);
      drag = null;
    };
    this.canvas.onpointermove = (event) => this.hover(event);
    this.canvas.onpointerleave = () => (this.tip.hidden = true);
    this.canvas.ondblclick = () => (this.zoom(4, 0.5), this.draw());
    this.canvas.onwheel = (event) => {
      if (event.ctrlKey) this.zoom(event.deltaY > 0 ? 1.25 : 0.8, Math.max(this.place(event).part, 0));
      else if (event.deltaX) this.pan(event.deltaX / 1000);
      else return;
      event.preventDefault();
      this.draw();
    };
    const keys = { "+": [0.5], "-": [2], ArrowLeft: -0.1, ArrowRight: 0.1, 0: "all" };
    this.canvas.onkeydown = (event) => {
      const key = keys[event.key];
      if (key === undefined) return;
      if (key === "all") this.all();
      else if (Array.isArray(key)) this.zoom(key[0], 0.5);
      else this.pan(key);
      this.draw();
    };
    window.addEventListener("resize", () => this.draw());
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    window.addEventListener("beforeprint", () => ((this.printing = true), this.draw()));
    window.addEventListener("afterprint", () => ((this.printing = false), this.draw()));
  }

  zoomTo(one, other) {
    const [from, until] = [one.at, other.at].sort((a, b) => a - b);
    if (until - from > 0.01) Object.assign(this.view, { from, until });
    this.draw();
  }

  toggle(key) {
    const { open } = this.view;
    if (!open.delete(key)) open.add(key);
    this.layOut();
  }

  // Text for the mark under the pointer.
  hover(event) {
    const { row, at, part } = this.place(event);
    const lines = row && part >= 0 ? this.describe(row, at) : [];
    this.tip.hidden = lines.length === 0;
    if (this.tip.hidden) return;
    this.tip.replaceChildren();
    for (const line of lines) create(this.tip, "div", { textContent: line });
    const box = this.root.getBoundingClientRect();
    const left = Math.min(event.clientX - box.left + 14, box.width - this.tip.offsetWidth - 4);
    Object.assign(this.tip.style, { left: Math.max(left, 0) + "px", top: event.clientY - box.top + 14 + "px" });
  }

  describe(row, at) {
    const slack = ((this.view.until - this.view.from) / this.canvas.clientWidth) * 6;
    if (row.spans) {
      const over = row.spans.filter((span) => span.from - slack <= at && at <= span.until + slack);
      return over.slice(0, MOST_LINES).flatMap((span) => this.describeSpan(span));
    }
    const near = marksOf(row).filter((mark) => mark[AT] - slack <= at && at <= mark[AT] + mark[LASTED] + slack);
    if (row.kind !== "band") return this.list(near);
    const counts = countKinds(near);
    const said = counts.map((count, kind) => count && count + " " + this.model.kinds[kind].replaceAll("_", " "));
    return near.length ? [clock(this.model.start + at, 1)].concat(said.filter(Boolean)) : [];
  }

  list(marks) {
    const lines = marks.slice(0, MOST_LINES).map((mark) => {
      const parts = [clock(this.model.start + mark[AT], 1), words(this.model, mark)];
      if (mark[COUNT] > 1 && mark[KIND] !== BURST) parts.push(mark[COUNT] + " times");
      if (mark[LASTED] > 0) parts.push((mark[LASTED] / 1000).toFixed(3) + " s");
      return parts.concat(mark[NOTE] || [], frameOf(this.model, mark) || []).join(", ");
    });
    if (marks.length > MOST_LINES) lines.push("and " + (marks.length - MOST_LINES) + " more");
    return lines;
  }

  describeSpan(span) {
    const when = clock(this.model.start + span.from, SECOND) + " to " + clock(this.model.start + span.until, SECOND);
    if (span.spi) return ["SPI " + span.spi + ", " + span.packets + " packets" + (span.stale ? ", stale" : ""), when];
    const lines = ["KEK " + span.cookies, when];
    if (span.lead != null) {
      lines.push("renewed " + Math.abs(span.lead).toFixed(1) + " s " + (span.lead < 0 ? "after" : "before") + " its expiry");
    }
    return lines;
  }
}

const MOST_LINES = 12;

window.GdoiTimeline = { mount: (element, model) => new Timeline(element, model) };
