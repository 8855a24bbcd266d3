// Small parts that several views share.

const LEVELS = { error: "fails", warning: "reported", note: "allowed" };
const KINDS = ["select", "insert", "update", "delete", "ddl", "other", "transaction"];

function link(target, ...children) {
  return h("a", { href: `#${target}` }, ...children);
}

function testLink(test) {
  return link(`test=${encodeURIComponent(test.id)}`, nodeid(test.id));
}

function findingLink(finding) {
  return link(`finding=${encodeURIComponent(finding.id)}`, h("code", null, finding.rule));
}

function statementLink(shape, ...children) {
  return link(`statement=${shape.id}`, ...children);
}

// The path of a test is dim, its own name is not.
function nodeid(id) {
  const cut = id.lastIndexOf("::", id.includes("[") ? id.indexOf("[") : id.length);
  const path = cut < 0 ? "" : id.slice(0, cut + 2);
  // It may break after a folder, a file or a class, before it breaks anywhere.
  const parts = path.split(/(?<=\/|::)/).map((part) => [part, h("wbr")]);
  const name = id.slice(path.length).split(/(?<=[_/.-])/).map((part) => [part, h("wbr")]);
  return h("span", { class: "nodeid" }, h("span", { class: "dim" }, parts), name);
}

// A path or a piece of Python breaks where a person would break it: behind a folder, an opening bracket or a comma,
// before a method; a name only where it is too long for any line.
function breakable(text) {
  return text.split(/(?<=[/([,\s])|(?=\.\w+\()/).map((part) => [
    part.length > 30 ? part.split(/(?<=_)|(?=\.[A-Za-z])/).map((each) => [h("wbr"), each]) : [h("wbr"), part],
  ]);
}

function level(name) {
  return h("span", { class: `badge level-${name}` }, LEVELS[name] || name);
}

function outcome(name) {
  return h("span", { class: `outcome outcome-${known(name, ["passed", "failed", "error", "skipped", "xfailed", "xpassed"])}` }, name);
}

function kind(name) {
  return h("span", { class: `kind kind-${known(name, KINDS)}` }, name);
}

function known(name, names) {
  return names.includes(name) ? name : "other";
}

function place(at) {
  if (!at) return h("span", { class: "dim" }, "place not known");
  return h("span", { class: "place" }, h("code", null, breakable(at.label)), at.name ? [" in ", h("code", null, breakable(at.name))] : null);
}

function chain(places) {
  if (places.length < 2) return null;
  return section("Called by", h("ol", { class: "chain" }, places.slice(1).map((each) => h("li", null, place(each)))));
}

function section(title, ...children) {
  return h("section", { class: "part" }, h("h3", null, title), ...children);
}

function codeBlock(text, label) {
  const button = h("button", {
    type: "button", class: "copy", "aria-label": `Copy ${label}`,
    onclick: () => copy(text, button),
  }, "Copy");
  return h("div", { class: "code" }, h("pre", { tabindex: "0" }, breakable(text)), button);
}

function sqlBlock(text) {
  const button = h("button", {
    type: "button", class: "copy", "aria-label": "Copy the statement", onclick: () => copy(text, button),
  }, "Copy");
  const element = sql(text);
  element.tabIndex = 0;
  return h("div", { class: "code" }, element, button);
}

function copy(text, button) {
  const done = () => {
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1200);
  };
  // A page from a file may not have the clipboard: the text is selected instead.
  const select = () => getSelection().selectAllChildren(button.previousSibling);
  if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, select);
  else select();
}

function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) =>
    h("div", null, h("dt", null, name), h("dd", null, value))));
}

// A long list shows its first lines, and the rest when asked.
function longList(items, render, { first = 30, tag = "ul", name = "plain" } = {}) {
  const list = h(tag, { class: name }, items.slice(0, first).map(render));
  if (items.length <= first) return list;
  const more = h("button", {
    type: "button", class: "more",
    onclick: () => {
      append(list, items.slice(first).map(render));
      more.remove();
    },
  }, `Show all ${number(items.length)}`);
  return h("div", null, list, more);
}

// A plan as a tree: its indentation says which step feeds which; each step folds.
function plan(text) {
  const root = { line: "", indent: -1, children: [] };
  const path = [root];
  let deepest = 0;
  for (const line of text.split("\n").filter((each) => each.trim())) {
    const node = { line: line.trim(), indent: line.search(/\S/), children: [] };
    while (path[path.length - 1].indent >= node.indent) path.pop();
    path[path.length - 1].children.push(node);
    path.push(node);
    deepest = Math.max(deepest, path.length);
  }
  // A plan that is hundreds of steps deep stays text.
  if (deepest > 60) return h("pre", { class: "plan", tabindex: "0" }, text);
  return h("div", { class: "plan tree", tabindex: "0" }, steps(root.children));
}

function steps(nodes) {
  return h("ul", null, nodes.map(({ line, children }) => h("li", null, children.length
    ? h("details", { open: true }, h("summary", null, step(line)), steps(children)) : step(line))));
}

// "filter: ..." is said of the step above, and is dim.
function step(line) {
  return h("code", { class: /^[\w ]+: /.test(line) ? "dim" : null }, line);
}

// How much of a budget is used; the bar is full at the limit.
function budget([rule, limit, actual, declared]) {
  const seconds = /time|seconds/.test(rule);
  const say = (value) => (seconds ? time(value * 1e6) : number(value));
  const over = actual > limit;
  const share = limit > 0 ? Math.min(1, actual / limit) : over ? 1 : 0;
  return h("div", { class: `budget${over ? " over" : ""}` },
    h("span", null, h("code", null, rule), h("span", { class: "dim" }, ` ${declared}`)),
    h("span", { class: "meter", "aria-hidden": "true" }, h("span", { style: { width: `${share * 100}%` } })),
    h("span", { class: "amount" }, `${say(actual)} of ${say(limit)}`));
}
