// The other half of data.py: numbers become the things they point to, and sums over the suite are made once.

function unpack(packed) {
  const text = (index) => (index < 0 ? null : packed.texts[index]);
  const texts = (indexes) => indexes.map(text);
  const places = packed.places.map(([path, line, name]) => ({ path: text(path), line, name: text(name) }));
  for (const place of places) place.label = `${place.path}:${place.line}`;
  const place = (index) => (index < 0 ? null : places[index]);
  const chain = (index) => (index < 0 ? [] : packed.chains[index].map(place));
  const shapes = packed.shapes.map(([sql, kind, tables, columns, reads, writes, relationship], id) => ({
    id, sql: text(sql), kind: text(kind), tables: texts(tables), columns: texts(columns), reads: texts(reads),
    writes: texts(writes), relationship: text(relationship),
    count: 0, time: 0, rows: 0, slowest: 0, tests: new Map(), places: new Map(), plans: new Set(), loads: new Set(),
  }));
  const statement = ([shape, at, by, count, rows, mostRows, total, slowest, first, last, phase, window, load, plan]) => ({
    shape: shapes[shape], place: place(at), chain: chain(by), count, rows, mostRows, time: total, slowest, first, last,
    phase: text(phase), window: text(window), load: text(load), plan: text(plan),
  });
  const findings = packed.findings.map((each) => ({
    ...each, sql: text(each.sql), tables: texts(each.tables), relationship: text(each.relationship),
    place: place(each.place), origin: place(each.origin), chain: chain(each.chain),
  }));
  const tests = packed.tests.map((each, index) => ({
    ...each, index, packed: each.statements, findings: each.findings.map((id) => findings[id]),
    // Unpacked when it is looked at: a suite may have hundreds of thousands of statements.
    get statements() {
      return this.packed.map(statement);
    },
  }));
  for (const finding of findings) finding.tests = finding.tests.map((index) => tests[index]);
  for (const test of tests) sumTest(test);
  for (const test of tests) for (const each of test.packed) sumShape(each, test, shapes, place, text);
  const report = { ...packed, tests, findings, shapes, problems: packed.problems.map(problem) };
  report.tables = sumTables(shapes);
  report.routes = sumRoutes(tests);
  return report;

  function problem([slug, said, index, nodeid]) {
    return { slug, text: said, test: index < 0 ? null : tests[index], nodeid };
  }
}

function sumTest(test) {
  const figure = (phase, index) => (test.phases[phase] ? test.phases[phase][index] : 0);
  const phases = Object.values(test.phases);
  test.queries = figure("call", 0);
  test.around = figure("setup", 0) + figure("teardown", 0);
  test.all = phases.reduce((sum, each) => sum + each[0], 0);
  test.time = phases.reduce((sum, each) => sum + each[1], 0);
  test.rows = phases.reduce((sum, each) => sum + each[2], 0);
  test.over = test.budget.filter(([, limit, actual]) => actual > limit).length;
}

function sumShape([index, at, , count, rows, , total, slowest, , , , , load, plan], test, shapes, place, text) {
  const shape = shapes[index];
  shape.count += count;
  shape.time += total;
  shape.rows += rows;
  shape.slowest = Math.max(shape.slowest, slowest);
  shape.tests.set(test, (shape.tests.get(test) || 0) + count);
  if (at >= 0) {
    const label = place(at);
    const seen = shape.places.get(label) || { count: 0, time: 0 };
    seen.count += count;
    seen.time += total;
    shape.places.set(label, seen);
  }
  if (load >= 0) shape.loads.add(text(load));
  if (plan >= 0) shape.plans.add(text(plan));
}

function sumTables(shapes) {
  const tables = new Map();
  const table = (name) => {
    if (!tables.has(name)) tables.set(name, { name, reads: 0, writes: 0, time: 0, rows: 0, shapes: 0, tests: new Set() });
    return tables.get(name);
  };
  for (const shape of shapes) {
    for (const name of shape.reads) table(name).reads += shape.count;
    for (const name of shape.writes) table(name).writes += shape.count;
    for (const name of new Set([...shape.tables, ...shape.reads, ...shape.writes])) {
      const entry = table(name);
      entry.shapes += 1;
      entry.time += shape.time;
      entry.rows += shape.rows;
      for (const test of shape.tests.keys()) entry.tests.add(test);
    }
  }
  return [...tables.values()];
}

function sumRoutes(tests) {
  const routes = new Map();
  for (const test of tests) {
    for (const [name, requests, queries, most] of test.routes) {
      const entry = routes.get(name) || { name, most: 0, requests: 0, total: 0, tests: [], worst: test };
      if (most > entry.most) entry.worst = test;
      entry.most = Math.max(entry.most, most);
      entry.requests += requests;
      entry.total += queries;
      entry.tests.push(test);
      routes.set(name, entry);
    }
  }
  return [...routes.values()];
}
