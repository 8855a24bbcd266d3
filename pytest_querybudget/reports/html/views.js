// The lists: what each shows, by what it is sorted and filtered.

const ORDER = { error: 2, warning: 1, note: 0 };

function choices(values) {
  return [...new Set(values)].filter(Boolean).sort().map((value) => [value, value]);
}

function go(target) {
  location.hash = target;
}

function views(report) {
  return [findingsView(report), testsView(report), statementsView(report), tablesView(report), routesView(report), problemsView(report)];
}

function findingsView({ findings }) {
  return {
    id: "findings", title: "Findings", noun: "finding", rows: findings, empty: "Nothing was found. Well done.",
    sort: "level", descending: true, key: (row) => row.id,
    text: (row) => [row.rule, row.message, row.sql, row.relationship, row.fix, ...row.tables,
      ...[row.place, row.origin, ...row.chain].map((at) => at && `${at.label} ${at.name}`)].join(" "),
    open: (row) => go(`finding=${encodeURIComponent(row.id)}`),
    filters: [
      { id: "rule", label: "Rule", all: "Every rule", options: choices(findings.map((each) => each.rule)), test: (row, value) => row.rule === value },
      { id: "level", label: "State", all: "Every state", options: Object.entries(LEVELS), test: (row, value) => row.level === value },
    ],
    columns: [
      { id: "level", label: "State", narrow: false, value: (row) => ORDER[row.level] * 1e9 + row.total, cell: (row) => level(row.level), numeric: false },
      { id: "rule", label: "Finding", grow: true, value: (row) => row.rule, cell: (row) => [
        h("div", { class: "line" }, link(`finding=${encodeURIComponent(row.id)}`, row.message)),
        h("div", { class: "under" }, h("span", { class: "only-narrow" }, level(row.level), " "), h("code", { class: "rule" }, row.rule), place(row.place),
          row.proof && row.proof.verdict === "proven" ? [" ", h("span", { class: "badge proven" }, "cure proven")] : null)] },
      { id: "count", label: "Statements", numeric: true, narrow: false, value: (row) => row.total },
      { id: "tests", label: "Tests", numeric: true, value: (row) => row.tests.length },
    ],
  };
}

function testsView({ tests }) {
  const most = Math.max(1, ...tests.map((each) => each.queries));
  return {
    id: "tests", title: "Tests", noun: "test", rows: tests, empty: "No test was recorded.",
    sort: "queries", descending: true, key: (row) => row.id,
    text: (row) => [row.id, row.outcome, ...row.findings.map((each) => each.rule), ...row.routes.map(([name]) => name)].join(" "),
    open: (row) => go(`test=${encodeURIComponent(row.id)}`),
    filters: [
      { id: "outcome", label: "Outcome", all: "Every outcome", options: choices(tests.map((each) => each.outcome)), test: (row, value) => row.outcome === value },
      { id: "state", label: "Findings", all: "With and without findings",
        options: [["failing", "a finding fails it"], ["found", "with findings"], ["over", "over a budget"], ["budget", "with a budget"], ["quiet", "no statements"]],
        test: (row, value) => ({ failing: row.failing, found: row.findings.length, over: row.over, budget: row.budget.length, quiet: !row.all }[value]) },
    ],
    columns: [
      { id: "outcome", label: "Outcome", narrow: false, value: (row) => row.outcome, cell: (row) => outcome(row.outcome) },
      { id: "test", label: "Test", grow: true, value: (row) => row.id, cell: (row) => [
        h("div", { class: "line" }, testLink(row)),
        h("div", { class: "under" }, h("span", { class: "only-narrow" }, outcome(row.outcome), " "),
          marks(row))] },
      { id: "queries", label: "Queries", numeric: true, value: (row) => row.queries, cell: (row) => [number(row.queries),
        h("span", { class: "spark", "aria-hidden": "true" }, h("span", { style: { width: `${(row.queries / most) * 100}%` } }))] },
      { id: "around", label: "Fixtures", numeric: true, medium: false, value: (row) => row.around },
      { id: "time", label: "DB time", numeric: true, value: (row) => row.time, cell: (row) => (row.all ? time(row.time) : h("span", { class: "dim" }, "–")) },
      { id: "rows", label: "Rows", numeric: true, medium: false, value: (row) => row.rows },
      { id: "budget", label: "Budget", numeric: true, narrow: false, value: (row) => tightest(row), cell: (row) => used(row) },
    ],
  };
}

// The rules of a test's findings, each once.
function marks({ findings }) {
  const counts = new Map();
  for (const each of findings) {
    const mark = `${each.level} ${each.rule}`;
    counts.set(mark, (counts.get(mark) || 0) + 1);
  }
  return [...counts].map(([mark, count]) => {
    const [name, rule] = mark.split(" ");
    return [h("span", { class: `mark level-${name}` }, rule, count > 1 ? ` ×${count}` : ""), " "];
  });
}

function tightest(test) {
  return Math.max(-1, ...test.budget.map(([, limit, actual]) => (limit > 0 ? actual / limit : actual > 0 ? 1e9 : 0)));
}

function used(test) {
  const share = tightest(test);
  if (share < 0) return h("span", { class: "dim" }, "–");
  return h("span", { class: share > 1 ? "over" : null }, share >= 1e9 ? "over" : `${number(Math.round(share * 100))} %`);
}

function statementsView({ shapes, tables }) {
  return {
    id: "statements", title: "Statements", noun: "statement", rows: shapes, empty: "No statement was sent.",
    sort: "count", descending: true, key: (row) => row.id,
    text: (row) => [row.kind, row.sql, row.relationship, ...row.tables, ...row.loads, ...[...row.places.keys()].map((at) => `${at.label} ${at.name}`)].join(" "),
    open: (row) => go(`statement=${row.id}`),
    filters: [
      { id: "kind", label: "Kind", all: "Every kind", options: choices(shapes.map((each) => each.kind)), test: (row, value) => row.kind === value },
      { id: "table", label: "Table", all: "Every table", options: choices(tables.map((each) => each.name)),
        test: (row, value) => [row.tables, row.reads, row.writes].some((names) => names.includes(value)) },
    ],
    columns: [
      { id: "kind", label: "Kind", narrow: false, value: (row) => row.kind, cell: (row) => kind(row.kind) },
      { id: "sql", label: "Statement", grow: true, value: (row) => row.sql, cell: (row) => [
        h("div", { class: "line clamp" }, statementLink(row, sql(row.sql.slice(0, 400).replace(/\s+/g, " "), { block: false }))),
        h("div", { class: "under" }, somePlaces(row))] },
      { id: "count", label: "Count", numeric: true, value: (row) => row.count },
      { id: "time", label: "Time", numeric: true, value: (row) => row.time, cell: (row) => time(row.time) },
      { id: "rows", label: "Rows", numeric: true, medium: false, value: (row) => row.rows },
      { id: "tests", label: "Tests", numeric: true, narrow: false, value: (row) => row.tests.size },
      { id: "places", label: "Places", numeric: true, medium: false, value: (row) => row.places.size },
    ],
  };
}

function somePlaces(shape) {
  const [first, ...rest] = shape.places.keys();
  return [place(first), rest.length ? ` and ${plural(rest.length, "more place")}` : null];
}

function tablesView({ tables }) {
  return {
    id: "tables", title: "Tables", noun: "table", rows: tables, empty: "No table was touched.",
    sort: "reads", descending: true, key: (row) => row.name, text: (row) => row.name,
    open: (row) => {
      APP.show("statements");
      APP.list("statements").choose("table", row.name);
    },
    filters: [{ id: "touch", label: "Use", all: "Read or written", options: [["reads", "read"], ["writes", "written"], ["never", "written and never read"]],
      test: (row, value) => (value === "never" ? row.writes && !row.reads : row[value]) }],
    columns: [
      { id: "name", label: "Table", grow: true, value: (row) => row.name, cell: (row) => h("code", null, row.name) },
      { id: "reads", label: "Read", numeric: true, value: (row) => row.reads, cell: (row) => share(row.reads, row, "select") },
      { id: "writes", label: "Written", numeric: true, value: (row) => row.writes, cell: (row) => share(row.writes, row, "insert") },
      { id: "time", label: "Time", numeric: true, narrow: false, value: (row) => row.time, cell: (row) => time(row.time) },
      { id: "shapes", label: "Statements", numeric: true, medium: false, value: (row) => row.shapes },
      { id: "tests", label: "Tests", numeric: true, narrow: false, value: (row) => row.tests.size },
    ],
  };
}

function share(count, row, name) {
  const all = row.reads + row.writes || 1;
  return [number(count), h("span", { class: "spark", "aria-hidden": "true" }, h("span", { class: `bar-${name}`, style: { width: `${(count / all) * 100}%` } }))];
}

function routesView({ routes }) {
  return {
    id: "routes", title: "Routes", noun: "route", rows: routes, empty: "No request of an application was recorded.",
    sort: "most", descending: true, key: (row) => row.name, text: (row) => row.name, filters: [],
    open: (row) => go(`test=${encodeURIComponent(row.worst.id)}`),
    columns: [
      { id: "name", label: "Route", grow: true, value: (row) => row.name, cell: (row) => [h("div", { class: "line" }, h("code", null, row.name)),
        h("div", { class: "under" }, "most in ", testLink(row.worst))] },
      { id: "most", label: "Most in one", numeric: true, value: (row) => row.most },
      { id: "requests", label: "Requests", numeric: true, value: (row) => row.requests },
      { id: "total", label: "Queries", numeric: true, narrow: false, value: (row) => row.total },
      { id: "tests", label: "Tests", numeric: true, narrow: false, value: (row) => row.tests.length },
    ],
  };
}

function problemsView({ problems }) {
  return {
    id: "problems", title: "Problems", noun: "problem", rows: problems, empty: "Everything was measured, and nothing is stale.",
    sort: "slug", descending: false, key: (row) => row.slug, text: (row) => `${row.slug} ${row.text} ${row.nodeid || ""}`,
    open: (row) => row.test && go(`test=${encodeURIComponent(row.test.id)}`),
    filters: [{ id: "slug", label: "Sort of problem", all: "Every sort", options: choices(problems.map((each) => each.slug)), test: (row, value) => row.slug === value }],
    columns: [
      { id: "slug", label: "Problem", narrow: false, value: (row) => row.slug, cell: (row) => h("code", null, row.slug) },
      { id: "text", label: "What", grow: true, value: (row) => row.text, cell: (row) => [h("div", { class: "line" }, row.text),
        row.nodeid ? h("div", { class: "under" }, row.test ? testLink(row.test) : nodeid(row.nodeid)) : null] },
    ],
  };
}
