// The page as a whole: totals, tabs, the address, the keyboard, dark and light.

class App {
  constructor(report, root) {
    this.report = report;
    this.views = views(report).filter((view) => view.rows.length || !["routes", "problems"].includes(view.id));
    this.lists = new Map();
    this.view = null;
    this.root = root;
    this.build();
    window.addEventListener("hashchange", () => this.route());
    document.addEventListener("keydown", (event) => this.key(event));
    this.route();
  }

  build() {
    const { tool, mode } = this.report;
    this.search = h("input", {
      type: "search", id: "search", placeholder: "Search", "aria-label": "Search this list", autocomplete: "off", spellcheck: "false",
      "aria-keyshortcuts": "/", oninput: () => this.find(this.search.value),
      onkeydown: (event) => event.key === "ArrowDown" && (event.preventDefault(), this.list(this.view).focus()),
    });
    this.theme = h("button", { type: "button", class: "icon", id: "theme", onclick: () => this.switchTheme() });
    const help = h("button", { type: "button", class: "icon", "aria-label": "Keyboard help", title: "Keyboard (?)", onclick: () => this.help.showModal() }, "?");
    this.help = this.helpDialog();
    this.tabs = h("div", { role: "tablist", class: "tabs", "aria-label": "Lists", onkeydown: (event) => this.tabKey(event) },
      this.views.map((view) => this.tab(view)));
    this.main = h("div", { id: "panel", role: "tabpanel" });
    this.aside = h("aside", { class: "details", tabindex: "-1", hidden: true });
    const versions = [["Python", tool.python], ["pytest", tool.pytest], ["SQLAlchemy", tool.sqlalchemy]].filter(([, version]) => version);
    replace(this.root,
      h("header", { class: "top" },
        h("div", { class: "brand" }, h("h1", null, "Queries of the test suite"),
          h("p", null, `${tool.name} ${tool.version}`.trim(), ` · ${mode} mode`, versions.map(([name, version]) => ` · ${name} ${version}`))),
        h("div", { class: "tools" }, help, this.theme)),
      totals(this.report),
      h("div", { class: "bar-top" }, this.tabs, h("div", { class: "searching" }, this.search, h("kbd", { "aria-hidden": "true" }, "/"))),
      h("div", { class: "columns" }, h("main", null, this.main), this.aside), this.help);
    this.nameTheme();
  }

  tab(view) {
    return h("button", {
      type: "button", role: "tab", id: `tab-${view.id}`, "aria-controls": "panel", onclick: () => go(`view=${view.id}`),
    }, view.title, h("span", { class: "count" }, number(view.rows.length)));
  }

  list(id) {
    if (!this.lists.has(id)) this.lists.set(id, new DataTable(this.views.find((view) => view.id === id)));
    return this.lists.get(id);
  }

  show(id) {
    if (!this.views.some((view) => view.id === id)) id = this.views[0].id;
    if (this.view === id) return;
    this.view = id;
    for (const tab of this.tabs.children) {
      const chosen = tab.id === `tab-${id}`;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      if (chosen && this.tabs.scrollWidth > this.tabs.clientWidth) this.tabs.scrollLeft = tab.offsetLeft - 40;
    }
    this.main.setAttribute("aria-labelledby", `tab-${id}`);
    const list = this.list(id);
    this.search.value = list.query;
    this.search.placeholder = `Search ${this.views.find((view) => view.id === id).title.toLowerCase()}`;
    replace(this.main, list.element);
  }

  find(query) {
    this.list(this.view).search(query);
  }

  // #view=tests, #test=NODEID, #finding=IDENTITY, #statement=NUMBER, and q=WORDS with any of them
  route() {
    const asked = new Map(location.hash.slice(1).split("&").filter(Boolean).map((pair) => {
      const cut = pair.indexOf("=");
      return cut < 0 ? [pair, ""] : [pair.slice(0, cut), decode(pair.slice(cut + 1))];
    }));
    const opened = this.opened(asked);
    const view = asked.get("view") || (this.view && opened ? this.view : opened && opened.view);
    this.show(view || this.view || (this.report.findings.length ? "findings" : "tests"));
    if (asked.has("q")) {
      this.search.value = asked.get("q");
      this.find(asked.get("q"));
    }
    for (const [id, list] of this.lists) list.point(opened && opened.view === id ? opened.key : undefined);
    this.open(opened && opened.details);
  }

  opened(asked) {
    const { tests, findings, shapes } = this.report;
    const missing = (what) => ({ title: "Not in this report", name: "Not found", body: [h("p", null, `There is no such ${what} in this report.`)] });
    if (asked.has("test")) {
      const test = tests.find((each) => each.id === asked.get("test"));
      return { view: "tests", key: test && test.id, details: test ? testDetails(test) : missing("test") };
    }
    if (asked.has("finding")) {
      const finding = findings.find((each) => each.id === asked.get("finding"));
      return { view: "findings", key: finding && finding.id, details: finding ? findingDetails(finding) : missing("finding") };
    }
    if (asked.has("statement")) {
      const shape = shapes[Number(asked.get("statement"))];
      return { view: "statements", key: shape && shape.id, details: shape ? statementDetails(shape) : missing("statement") };
    }
    return null;
  }

  open(details) {
    const before = document.activeElement;
    document.documentElement.classList.toggle("opened", Boolean(details));
    this.aside.hidden = !details;
    if (!details) {
      replace(this.aside);
      if (this.before && this.before.isConnected && this.before !== document.body) this.before.focus();
      this.before = null;
      return;
    }
    if (!this.aside.contains(before)) this.before = before;
    const close = h("button", { type: "button", class: "icon close", "aria-label": "Close (Escape)", onclick: () => this.close() }, "✕");
    this.aside.setAttribute("aria-label", details.name);
    replace(this.aside, h("div", { class: "title" }, h("h2", null, details.title), close), details.body);
    this.aside.scrollTop = 0;
    this.aside.focus({ preventScroll: true });
  }

  close() {
    go(`view=${this.view}`);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.help.open) return;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "Escape") return void this.escape(event);
    if (typing) return;
    const pressed = event.key;
    if (pressed === "/") this.search.select(), this.search.focus();
    else if (pressed === "?") this.help.showModal();
    else if (pressed === "t") this.switchTheme();
    else if (/^[1-9]$/.test(pressed) && this.views[pressed - 1]) go(`view=${this.views[pressed - 1].id}`);
    else if ((pressed === "ArrowDown" || pressed === "j") && event.target === document.body) this.list(this.view).focus();
    else return;
    event.preventDefault();
  }

  escape(event) {
    if (event.target === this.search && this.search.value) {
      this.search.value = "";
      this.find("");
    } else if (event.target === this.search) this.list(this.view).focus();
    else if (!this.aside.hidden) this.close();
    else return;
    event.preventDefault();
  }

  tabKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = this.views.findIndex((view) => view.id === this.view);
    const next = this.views[(at + step + this.views.length) % this.views.length];
    go(`view=${next.id}`);
    this.tabs.querySelector(`#tab-${next.id}`).focus();
  }

  switchTheme() {
    const root = document.documentElement;
    root.dataset.theme = dark() ? "light" : "dark";
    remember("querybudget-theme", root.dataset.theme);
    this.nameTheme();
  }

  nameTheme() {
    const wanted = dark() ? "Light" : "Dark";
    replace(this.theme, dark() ? "☀" : "☾");
    this.theme.setAttribute("aria-label", `${wanted} colours`);
    this.theme.title = `${wanted} colours (t)`;
  }

  helpDialog() {
    const keys = [["/", "search"], ["↑ ↓", "move in the list (also j, k)"], ["← →", "turn the page of a long list"], ["Enter", "open"],
      ["Esc", "close, or clear the search"], ["1 – 6", "switch lists"], ["t", "dark or light"], ["?", "this help"]];
    const dialog = h("dialog", { "aria-label": "Keyboard" }, h("h2", null, "Keyboard"),
      h("dl", { class: "keys" }, keys.map(([key, what]) => h("div", null, h("dt", null, h("kbd", null, key)), h("dd", null, what)))),
      h("form", { method: "dialog" }, h("button", null, "Close")));
    return dialog;
  }
}

function totals({ totals: sums, tests, findings }) {
  const by = (name) => findings.filter((each) => each.level === name).length;
  const states = [[by("error"), "fail", "error"], [by("warning"), "reported", "warning"], [by("note"), "allowed", "note"]].filter(([count]) => count);
  const kinds = KINDS.filter((name) => sums.by_kind[name]).map((name) => [name, sums.by_kind[name]]);
  const touching = tests.filter((each) => each.all).length;
  const card = (label, figure, ...rest) => h("div", { class: "card" }, h("h2", null, label), h("p", { class: "figure" }, figure), ...rest);
  return h("section", { class: "totals", "aria-label": "Totals" },
    card("Findings", number(findings.length), h("p", { class: "legend" }, states.length
      ? states.map(([count, name, tone]) => h("span", { class: `tone tone-${tone}` }, `${number(count)} ${name}`))
      : "nothing found"), states.length ? h("p", { class: "legend" }, `in ${plural(tests.filter((each) => each.findings.length).length, "test")}`) : null),
    card("Queries", number(sums.queries),
      h("div", { class: "stack", "aria-hidden": "true" }, kinds.map(([name, count]) => h("span", { class: `bar-${name}`, style: { "flex-grow": count } }))),
      h("p", { class: "legend" }, kinds.map(([name, count]) => h("span", { class: `tone kind-${name}` }, `${number(count)} ${name}`)))),
    card("Database time", time(sums.db_time * 1e6), h("p", { class: "legend" }, sums.queries
      ? h("span", null, `${time((sums.db_time * 1e6) / sums.queries)} a query`) : null)),
    card("Tests", number(sums.tests), h("p", { class: "legend" }, h("span", null, `${number(touching)} sent queries`),
      ["failed", "error"].map((name) => [name, tests.filter((each) => each.outcome === name).length]).filter(([, count]) => count)
        .map(([name, count]) => h("span", { class: "tone tone-error" }, `${number(count)} ${name}`)))));
}

function dark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

// A page from a file may have no storage; then a choice lasts as long as the page.
function remember(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(key);
    localStorage.setItem(key, value);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
  return null;
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return text;
  }
}

const chosenTheme = remember("querybudget-theme");
if (chosenTheme) document.documentElement.dataset.theme = chosenTheme;
const REPORT = unpack(JSON.parse(document.getElementById("data").textContent));
const APP = new App(REPORT, document.getElementById("app"));
