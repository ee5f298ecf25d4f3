// A table that is updated in place: a row keeps its element, its selection and its position under the pointer.

function make(parent, name, properties = {}) {
  const element = document.createElement(name);
  Object.assign(element, properties);
  parent.append(element);
  return element;
}

class Table {
  // `columns` have a title, a text and perhaps a class; `key` identifies rows; at most `most` are shown.
  constructor(parent, kind, columns, key, most) {
    Object.assign(this, { kind, columns, key, most, rows: new Map() });
    const table = make(make(parent, "div", { className: "scroll" }), "table");
    const head = make(make(table, "thead"), "tr");
    for (const { title } of columns) make(head, "th", { textContent: title, scope: "col" });
    this.body = make(table, "tbody");
    this.note = make(parent, "p", { className: "faint" });
  }

  update(items, now) {
    const shown = items.slice(0, this.most), before = this.rows;
    this.rows = new Map();
    let place = this.body.firstElementChild;
    shown.forEach((item, at) => {
      let key = this.key(item, at);
      if (this.rows.has(key)) key += " " + at;
      const row = before.get(key) || this.make();
      before.delete(key);
      this.rows.set(key, row);
      this.fill(row, item, now);
      if (row === place) place = place.nextElementSibling;
      else this.body.insertBefore(row, place);
    });
    for (const gone of before.values()) gone.remove();
    const more = items.length - shown.length;
    this.note.textContent = more > 0 ? "and " + more + " more" : items.length ? "" : "none yet";
  }

  make() {
    const row = document.createElement("tr");
    row.dataset.row = this.kind;
    for (const { heads } of this.columns) make(row, heads ? "th" : "td", heads ? { scope: "row" } : {});
    return row;
  }

  fill(row, item, now) {
    this.columns.forEach(({ text, look }, at) => {
      const cell = row.children[at], words = visible(text(item, now)), name = look ? look(item) : "";
      if (cell.textContent !== words) cell.textContent = words;
      if (cell.className !== name) cell.className = name;
    });
  }
}
