// Building the page: every text goes in as text, never as markup.

function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, each] of Object.entries(value)) element.style.setProperty(key, each);
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child instanceof Node ? child : String(child));
  }
}

function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

const NUMBER = new Intl.NumberFormat("en-US");

function number(value) {
  return NUMBER.format(value);
}

function plural(count, noun, nouns) {
  return count === 1 ? `1 ${noun}` : `${number(count)} ${nouns || noun + "s"}`;
}

// Microseconds in the unit that a person would choose.
function time(us) {
  const size = Math.abs(us);
  if (size < 999.5) return `${Math.round(us)} µs`;
  if (size < 999500) return `${(us / 1e3).toFixed(size < 99950 ? 1 : 0)} ms`;
  if (size < 60e6) return `${(us / 1e6).toFixed(2)} s`;
  return `${Math.floor(us / 60e6)} min ${Math.round((us % 60e6) / 1e6)} s`;
}

const KEYWORDS = new Set((
  "ALL AND ANY AS ASC BEGIN BETWEEN BY CASE COMMIT CREATE CROSS DELETE DESC DISTINCT DROP ELSE END EXCEPT EXISTS FALSE " +
  "FETCH FROM FULL GROUP HAVING ILIKE IN INDEX INNER INSERT INTERSECT INTO IS JOIN LATERAL LEFT LIKE LIMIT NOT NULL " +
  "OFFSET ON OR ORDER OUTER OVER PARTITION PRAGMA RECURSIVE RELEASE RETURNING RIGHT ROLLBACK SAVEPOINT SELECT SET TABLE " +
  "THEN TO TRUE UNION UNIQUE UPDATE USING VALUES VIEW WHEN WHERE WITH"
).split(" "));

// SQL with its keywords marked; very long texts are left plain.
function sql(text, { block = true } = {}) {
  const element = h(block ? "pre" : "code", { class: "sql" });
  if (text.length > 5000) {
    element.append(text);
    return element;
  }
  for (const token of text.match(/[A-Za-z_]\w*|'(?:[^']|'')*'|[^A-Za-z_']+|'/g) || []) {
    if (KEYWORDS.has(token.toUpperCase())) element.append(h("b", null, token));
    else if (token[0] === "'") element.append(h("i", null, token));
    else element.append(token);
  }
  return element;
}
