// What opens beside a list: one test, one finding, one shape of statement.

function findingDetails(finding) {
  return {
    title: [level(finding.level), " ", h("code", null, finding.rule)],
    name: `Finding ${finding.rule}`,
    body: [
      h("p", { class: "message" }, finding.message),
      REPORT.rules[finding.rule] ? h("p", { class: "dim" }, REPORT.rules[finding.rule]) : null,
      facts([
        ["Where", place(finding.place)],
        ["Rows come from", finding.origin ? place(finding.origin) : null],
        ["Phase", finding.phase === "call" ? null : `${finding.phase}: it may belong to a fixture of many tests`],
        ["Whose", finding.own ? "the test function's own lines: it fails only where the rule is declared on the test" : null],
        ["Relationship", finding.relationship ? h("code", null, finding.relationship) : null],
        ["Tables", finding.tables.length ? finding.tables.join(", ") : null],
        ["Statements", finding.tests.length > 1 ? `${number(finding.count)} in one test, ${number(finding.total)} in all` : number(finding.count)],
        ["Allowed", finding.allowed ? allowance(finding.allowed) : null],
      ]),
      finding.fix ? section("To mend it", codeBlock(finding.fix, "the cure")) : null,
      finding.proof ? proof(finding.proof) : null,
      section("Statement", sqlBlock(finding.sql)),
      chain(finding.chain),
      section(plural(finding.tests.length, "test"), longList(finding.tests, (test) => h("li", null, testLink(test)))),
    ],
  };
}

function allowance({ reason, source, until }) {
  return `${reason} (${source}${until ? `, until ${until}` : ""})`;
}

function proof({ verdict, text, before, after, index }) {
  const side = (label, value) => (value ? h("div", null, h("h4", null, label), plan(value)) : null);
  return section(verdict[0].toUpperCase() + verdict.slice(1), h("p", { class: `proof proof-${known(verdict, ["proven", "refuted"])}` }, text),
    index ? h("p", null, "Index used: ", h("code", null, index)) : null,
    before || after ? h("div", { class: "sides" }, side("Before", before), side("After", after)) : null);
}

function testDetails(test) {
  const statements = test.statements;
  const phases = Object.entries(test.phases).map(([name, [queries, spent, rows]]) =>
    [name, `${plural(queries, "query", "queries")}, ${time(spent)}, ${plural(rows, "row")}`]);
  return {
    title: [outcome(test.outcome), " ", nodeid(test.id)],
    name: `Test ${test.id}`,
    body: [
      facts([...phases, ["connections", connections(test)],
        ["longest transaction", transaction(test)], ["duration", test.duration ? time(test.duration) : null]]),
      test.budget.length ? section("Budgets", test.budget.map(budget)) : null,
      test.findings.length ? section("Findings", h("ul", { class: "found" }, test.findings.map((each) =>
        h("li", null, level(each.level), " ", findingLink(each), " ", each.message)))) : null,
      statements.length ? section("Timeline", waterfall(test, statements)) : h("p", { class: "dim" }, "It sent no statement."),
      test.routes.length ? section("Routes", h("ul", { class: "plain" }, test.routes.map(([name, requests, queries, most]) =>
        h("li", null, h("code", null, name), ` ${plural(queries, "query", "queries")}${requests > 1 ? ` in ${number(requests)} requests, ${number(most)} in one` : ""}`)))) : null,
    ],
  };
}

function connections(test) {
  const sum = (index) => Object.values(test.phases).reduce((all, each) => all + each[index], 0);
  const [checkouts, connects] = [sum(3), sum(4)];
  if (!checkouts && !connects) return null;
  const most = test.connections > 1 ? `, ${number(test.connections)} at one time` : "";
  return `${plural(checkouts, "checkout")}, ${number(connects)} newly opened${most}`;
}

function transaction(test) {
  if (!test.transactions) return null;
  const [count, queries, spent, silent] = test.transactions;
  return `${plural(queries, "query", "queries")}, ${time(spent)}${silent ? `, ${time(silent)} of it idle` : ""}${count > 1 ? ` (of ${number(count)})` : ""}`;
}

const PHASES = ["setup", "call", "teardown"];

// One line a statement, a loop folded into one bar; each opens to what is known about it. Each phase has a scale of
// its own, because a fixture that makes a schema takes longer than the test; what a fixture does at length is folded.
function waterfall(test, statements) {
  const phases = new Map(PHASES.map((name) => [name, []]));
  for (const each of statements) {
    if (!phases.has(each.phase)) phases.set(each.phase, []);
    phases.get(each.phase).push(each);
  }
  return h("div", { class: "waterfall" }, [...phases].filter(([, entries]) => entries.length).map(([name, entries]) => {
    const label = [h("b", null, name), ` ${plural(entries.reduce((sum, each) => sum + each.count, 0), "execution")} of ${plural(entries.length, "statement")}`];
    if (name === "call" || entries.length <= 8) return h("div", { class: `phase-${name}` }, h("h4", { class: "phase" }, label), timeline(entries));
    const folded = h("details", { class: `phase-${name} folded` }, h("summary", { class: "phase" }, label));
    folded.addEventListener("toggle", () => {
      if (folded.open && folded.children.length === 1) append(folded, timeline(entries));
    });
    return folded;
  }));
}

function timeline(statements) {
  const ordered = [...statements].sort((a, b) => a.first - b.first);
  const start = ordered[0].first;
  const end = ordered.reduce((last, each) => Math.max(last, each.last + each.slowest), start + 1);
  const scale = { start, length: end - start };
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((at) =>
    h("span", { style: { left: `${at * 100}%` } }, time(at * scale.length)));
  return [h("div", { class: "axis", "aria-hidden": "true" }, h("div", null, ticks)),
    longList(ordered, (each) => h("li", null, statementLine(each, scale)), { first: 200, tag: "ol", name: "lines" })];
}

function statementLine(each, scale) {
  const share = (us) => (us / scale.length) * 100;
  const left = Math.min(99.5, share(each.first - scale.start));
  const width = Math.min(100 - left, share(each.last - each.first + (each.slowest || each.time / each.count)));
  const bar = h("span", {
    class: `bar bar-${known(each.shape.kind, KINDS)}${each.count > 1 ? " loop" : ""}`,
    style: { left: `${left}%`, width: `max(4px, ${width}%)` },
  });
  const details = h("details", null, h("summary", null,
    h("span", { class: "what" }, kind(each.shape.kind), h("span", { class: "short" }, subject(each), h("span", { class: "dim" }, each.place ? each.place.label.replace(/^.*[/\\]/, "") : ""))),
    h("span", { class: "times" }, each.count > 1 ? `×${number(each.count)}` : ""),
    h("span", { class: "track" }, bar), h("span", { class: "amount" }, time(each.time))));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(statementBody(each));
  });
  return details;
}

// What a statement is about, in two words: its relationship, or its tables, or else its text.
function subject({ shape, load }) {
  if (shape.relationship) return h("code", null, load ? `${load} ${shape.relationship}` : shape.relationship);
  return h("code", null, shape.tables.length ? shape.tables.join(", ") : shape.sql.slice(0, 200).replace(/\s+/g, " "));
}

function statementBody(each) {
  return h("div", { class: "body" }, sqlBlock(each.shape.sql), facts([
    ["Where", place(each.place)],
    ["Executions", `${number(each.count)}, ${time(each.time)} in all, slowest ${time(each.slowest)}`],
    ["Rows", `${number(each.rows)} in all, ${number(each.mostRows)} at most`],
    ["Between", `${time(each.first)} and ${time(each.last)}`],
    ["ORM", each.load ? `${each.load} load${each.shape.relationship ? ` of ${each.shape.relationship}` : ""}` : null],
    ["Window", each.window],
    ["Columns", each.shape.columns.length ? each.shape.columns.join(", ") : null],
  ]), chain(each.chain), each.plan ? section("Plan", plan(each.plan)) : null,
  h("p", null, statementLink(each.shape, "The same statement over the whole suite")));
}

function statementDetails(shape) {
  const places = [...shape.places].sort((a, b) => b[1].count - a[1].count);
  const tests = [...shape.tests].sort((a, b) => b[1] - a[1]);
  return {
    title: [kind(shape.kind), ` ${plural(shape.count, "execution")}`],
    name: "Statement",
    body: [
      sqlBlock(shape.sql),
      facts([
        ["Time", `${time(shape.time)} in all, ${time(shape.time / (shape.count || 1))} each, slowest ${time(shape.slowest)}`],
        ["Rows", number(shape.rows)],
        ["Reads", shape.reads.join(", ") || null],
        ["Writes", shape.writes.join(", ") || null],
        ["ORM", shape.loads.size ? `${[...shape.loads].join(", ")} load${shape.relationship ? ` of ${shape.relationship}` : ""}` : null],
        ["Columns", shape.columns.join(", ") || null],
      ]),
      section(plural(places.length, "place"), longList(places, ([at, seen]) =>
        h("li", null, place(at), h("span", { class: "dim" }, ` ×${number(seen.count)}, ${time(seen.time)}`)))),
      [...shape.plans].map((text) => section("Plan", plan(text))),
      section(plural(tests.length, "test"), longList(tests, ([test, count]) =>
        h("li", null, testLink(test), h("span", { class: "dim" }, ` ×${number(count)}`)))),
    ],
  };
}
