// A table that searches, filters, sorts and pages over plain rows; only the page in sight is in the document.

const PAGE = 100;

// spec: { id, noun, nouns, rows, columns: [{ id, label, value, cell, numeric, wide, narrow }], sort, descending,
//         text(row), filters: [{ id, label, options, test(row, value) }], key(row), open(row), empty }
class DataTable {
  constructor(spec) {
    this.spec = spec;
    this.sort = spec.sort;
    this.descending = spec.descending;
    this.query = "";
    this.page = 0;
    this.chosen = new Map();
    this.current = 0;
    this.texts = new Map();
    this.build();
  }

  build() {
    const { spec } = this;
    this.filters = h("div", { class: "filters" }, spec.filters.map((filter) => this.filter(filter)));
    this.status = h("p", { class: "status", role: "status", "aria-live": "polite" });
    this.head = h("tr");
    this.body = h("tbody");
    this.pager = h("nav", { class: "pager", "aria-label": "Pages" });
    this.table = h("table", { class: `list list-${spec.id}` },
      h("caption", { class: "hidden" }, `${spec.title}: arrow keys move, Enter opens`),
      h("thead", null, this.head), this.body);
    this.element = h("div", { class: "data" },
      h("div", { class: "toolbar" }, this.filters, this.status), this.table, this.pager);
    this.body.addEventListener("keydown", (event) => this.key(event));
    this.update();
  }

  filter(filter) {
    const select = h("select", {
      id: `filter-${this.spec.id}-${filter.id}`, "aria-label": filter.label,
      onchange: () => this.choose(filter.id, select.value),
    }, h("option", { value: "" }, filter.all), filter.options.map(([value, label]) => h("option", { value }, label)));
    return select;
  }

  choose(id, value) {
    this.chosen.set(id, value);
    const select = this.filters.querySelector(`#filter-${this.spec.id}-${id}`);
    if (select) select.value = value;
    this.page = this.current = 0;
    this.update();
  }

  search(query) {
    if (query === this.query) return;
    this.query = query;
    this.page = this.current = 0;
    this.update();
  }

  text(row) {
    let text = this.texts.get(row);
    if (text === undefined) this.texts.set(row, (text = this.spec.text(row).toLowerCase()));
    return text;
  }

  update() {
    const words = this.query.toLowerCase().split(/\s+/).filter(Boolean);
    const filters = this.spec.filters.filter((each) => this.chosen.get(each.id));
    this.rows = this.spec.rows.filter((row) =>
      filters.every((each) => each.test(row, this.chosen.get(each.id))) &&
      words.every((word) => this.text(row).includes(word)));
    const column = this.spec.columns.find((each) => each.id === this.sort);
    const sign = this.descending ? -1 : 1;
    const values = new Map(this.rows.map((row) => [row, column.value(row)]));
    this.rows.sort((a, b) => sign * compare(values.get(a), values.get(b)));
    this.page = Math.min(this.page, Math.max(0, Math.ceil(this.rows.length / PAGE) - 1));
    this.draw();
  }

  draw() {
    const { spec } = this;
    replace(this.head, spec.columns.map((column) => this.header(column)));
    const shown = this.rows.slice(this.page * PAGE, (this.page + 1) * PAGE);
    this.current = Math.max(0, Math.min(this.current, shown.length - 1));
    replace(this.body, shown.map((row, index) => this.row(row, index)));
    if (!shown.length) {
      this.body.append(h("tr", { class: "none" }, h("td", { colspan: spec.columns.length },
        spec.rows.length ? `No ${spec.noun} matches.` : spec.empty)));
    }
    const all = spec.rows.length;
    this.status.textContent = this.rows.length === all
      ? plural(all, spec.noun, spec.nouns) : `${number(this.rows.length)} of ${plural(all, spec.noun, spec.nouns)}`;
    this.drawPager();
  }

  header(column) {
    const sorted = this.sort === column.id;
    return h("th", {
      scope: "col", class: classes(column), "aria-sort": sorted ? (this.descending ? "descending" : "ascending") : null,
    }, h("button", { type: "button", "data-sort": column.id, onclick: () => this.sortBy(column) },
      column.label, h("span", { class: "arrow", "aria-hidden": "true" }, sorted ? (this.descending ? " ↓" : " ↑") : "")));
  }

  row(row, index) {
    const open = () => {
      this.mark(index);
      this.spec.open(row);
    };
    const element = h("tr", {
      tabindex: index === this.current ? "0" : "-1", "data-index": index, "data-key": this.spec.key(row),
      onclick: (event) => {
        if (!event.target.closest("a") && !String(getSelection())) open();
      },
    }, this.spec.columns.map((column) => h("td", { class: classes(column) }, column.cell ? column.cell(row) : number(column.value(row)))));
    if (this.spec.key(row) === this.opened) element.setAttribute("aria-current", "true");
    // The row is in the order of Tab, its links would only double that.
    for (const inner of element.querySelectorAll("a")) inner.tabIndex = -1;
    return element;
  }

  // Shows which row is open beside the list.
  point(key) {
    this.opened = key;
    for (const row of this.body.children) row.toggleAttribute("aria-current", row.dataset.key === String(key));
    const row = this.body.querySelector("[aria-current]");
    if (row) row.setAttribute("aria-current", "true");
    if (row && row.dataset.index) this.mark(Number(row.dataset.index));
  }

  sortBy(column) {
    this.descending = this.sort === column.id ? !this.descending : Boolean(column.numeric);
    this.sort = column.id;
    this.page = this.current = 0;
    this.update();
    this.head.querySelector(`[data-sort="${column.id}"]`).focus();
  }

  drawPager() {
    const pages = Math.ceil(this.rows.length / PAGE);
    if (pages < 2) return replace(this.pager);
    const turn = (label, page, off) => h("button", {
      type: "button", disabled: off, onclick: () => this.turn(page),
    }, label);
    const from = this.page * PAGE + 1;
    return replace(this.pager, turn("← Previous", this.page - 1, this.page === 0),
      h("span", null, `${number(from)}–${number(Math.min(from + PAGE - 1, this.rows.length))} of ${number(this.rows.length)}`),
      turn("Next →", this.page + 1, this.page === pages - 1));
  }

  turn(page) {
    const pages = Math.ceil(this.rows.length / PAGE);
    if (page < 0 || page >= pages) return;
    this.page = page;
    this.current = 0;
    this.draw();
    this.focus();
    this.element.scrollIntoView({ block: "start" });
  }

  mark(index) {
    const rows = this.body.querySelectorAll("tr[data-index]");
    if (rows[this.current]) rows[this.current].tabIndex = -1;
    this.current = Math.max(0, Math.min(index, rows.length - 1));
    if (rows[this.current]) rows[this.current].tabIndex = 0;
    return rows[this.current];
  }

  focus() {
    const row = this.mark(this.current);
    if (row) row.focus();
  }

  key(event) {
    const moves = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, Home: -PAGE, End: PAGE };
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("a")) return;
    if (event.key in moves) {
      const row = this.mark(this.current + moves[event.key]);
      if (row) row.focus();
    } else if (event.key === "Enter" || event.key === " ") {
      const row = this.rows[this.page * PAGE + this.current];
      if (row) this.spec.open(row);
    } else if (event.key === "ArrowRight" || event.key === "PageDown") this.turn(this.page + 1);
    else if (event.key === "ArrowLeft" || event.key === "PageUp") this.turn(this.page - 1);
    else return;
    event.preventDefault();
  }
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return a < b ? -1 : a > b ? 1 : 0;
}

function classes(column) {
  return [column.numeric && "num", column.narrow === false && "not-narrow", column.medium === false && "not-medium",
    column.grow && "grow"].filter(Boolean).join(" ") || null;
}
