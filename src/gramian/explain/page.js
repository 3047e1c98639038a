"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent).operators;
  const numbers = Object.keys(data).map(Number);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const details = document.getElementById("details");
  const overview = document.getElementById("overview");
  const search = document.getElementById("search");
  const found = document.getElementById("found");

  const group = (elements, key) => {
    const map = new Map();
    for (const element of elements) for (const name of key(element)) {
      if (!map.has(name)) map.set(name, []);
      map.get(name).push(element);
    }
    return map;
  };
  const marks = group(all("[data-op]"), (e) => [Number(e.dataset.op)]);
  const lineRows = new Map(all(".line[data-line]").map((e) => [e.dataset.line, e]));
  const byLine = group(numbers, (n) => data[n].lines);
  const heads = group(all("details[data-lines]"), (e) => [e.dataset.lines]);
  const edges = all(".edge");
  const edgesOf = group(edges, (e) => [...new Set([e.dataset.from, e.dataset.to].filter(Boolean).map(Number))]);
  for (const [line, row] of lineRows) if (byLine.has(line) || heads.has(line)) row.classList.add("known");

  // What is chosen: one operator, or all operators of a line.
  let chosen = null;

  const clear = (...names) => {
    for (const name of names) for (const element of all("." + name)) element.classList.remove(name);
  };
  const mark = (number, name) => (marks.get(number) || []).forEach((e) => e.classList.add(name));

  const reveal = (element) => {
    for (let at = element.parentElement; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    const box = element.getBoundingClientRect();
    const pane = element.closest(".pane").getBoundingClientRect();
    if (box.top < pane.top + 30 || box.bottom > pane.bottom - 30 || box.left < pane.left || box.right > pane.right)
      element.scrollIntoView({ block: "center", inline: "nearest", behavior: "smooth" });
  };
  const shown = (number) => {
    const elements = marks.get(number) || [];
    const wanted = document.body.dataset.view === "table" ? "TR" : "g";
    return elements.find((e) => e.tagName === wanted);
  };

  const choose = (number, { focus = true, scroll = true } = {}) => {
    if (!data[number]) return;
    clear("chosen", "near", "lit");
    chosen = number;
    mark(number, "chosen");
    for (const edge of edgesOf.get(number) || []) edge.classList.add("near");
    for (const [, other] of [...data[number].inputs, ...data[number].users]) if (other) mark(other, "near");
    const lines = data[number].lines.map((line) => lineRows.get(line)).filter(Boolean);
    for (const row of lines) row.classList.add("chosen");
    describe(number);
    const element = shown(number);
    if (element && scroll) reveal(element);
    if (element && focus) element.focus({ preventScroll: true });
    if (lines.length && scroll) reveal(lines[0]);
    history.replaceState(null, "", "#" + number);
  };
  const nothing = () => {
    clear("chosen", "near", "lit");
    chosen = null;
    details.hidden = true;
    overview.hidden = false;
    history.replaceState(null, "", location.pathname + location.search);
  };
  const chooseLine = (line) => {
    const operators = byLine.get(line) || [];
    clear("chosen", "near", "lit");
    lineRows.get(line).classList.add("chosen");
    for (const head of heads.get(line) || []) head.querySelector("summary").classList.add("chosen");
    for (const number of operators) mark(number, "lit");
    const first = operators.length ? shown(operators[0]) : (heads.get(line) || [])[0];
    if (first) reveal(first);
    if (operators.length === 1) choose(operators[0], { focus: false, scroll: false });
    else describeLine(line, operators);
  };

  // The panel at the side. Text of the script only ever becomes text.
  const make = (name, content, properties = {}) => {
    const element = Object.assign(document.createElement(name), properties);
    if (content !== undefined) element.append(...[content].flat());
    return element;
  };
  const link = ([text, number]) =>
    make("li", number ? make("button", text, { type: "button", onclick: () => choose(number) }) : make("code", text));
  const lists = (title, values) => (values && values.length ? [make("h3", title), make("ul", values.map(link))] : []);
  const back = () => make("button", "Back", { type: "button", className: "back", onclick: nothing });
  const sourceLines = (lines) => {
    const rows = lines.map((line) => lineRows.get(line)).filter(Boolean);
    if (!rows.length) return [];
    const buttons = rows.map((row) =>
      make("button", [make("i", row.dataset.line.split(":")[1]), row.querySelector("code").textContent.trim()], {
        type: "button", onclick: () => reveal(row),
      }));
    return [make("h3", rows.length > 1 ? "Lines" : "Line"), make("div", buttons, { className: "lines" })];
  };
  const panel = (...content) => {
    details.replaceChildren(back(), ...content);
    details.hidden = false;
    overview.hidden = true;
    details.parentElement.scrollTop = 0;
  };
  const describe = (number) => {
    const operator = data[number];
    const facts = operator.facts.flatMap(([name, value, remark]) =>
      [make("dt", name), make("dd", remark ? [value, make("small", remark)] : [value])]);
    const calls = operator.calls && document.getElementById("f-" + operator.calls);
    panel(
      make("h2", operator.text),
      make("dl", facts),
      ...(operator.within ? lists("Part of", [[data[operator.within].text, operator.within]]) : []),
      ...(calls ? [make("h3", "Calls"), make("ul", make("li", make("button", operator.calls, { type: "button", onclick: () => { calls.open = true; reveal(calls); } })))] : []),
      ...(operator.rules ? [make("h3", "Made by the rules"), make("ul", operator.rules.map((rule) => make("li", make("code", rule))))] : []),
      ...lists("Operators inside", operator.inside),
      ...lists("Operands", operator.inputs),
      ...lists("Used by", operator.users),
      ...sourceLines(operator.lines),
      ...(operator.code || []).flatMap((code, at, codes) =>
        [make("h3", codes.length > 1 ? `Compiled loop ${at + 1}` : "Compiled loop"), make("pre", code)]),
    );
  };
  const describeLine = (line, operators) => {
    const row = lineRows.get(line);
    panel(
      make("h2", row.querySelector("code").textContent.trim()),
      make("dl", [make("dt", "line"), make("dd", line.split(":")[1])]),
      ...lists("Operators that come from it", operators.map((number) => [data[number].text, number])),
    );
  };

  // Clicks and pointing.
  document.addEventListener("click", (event) => {
    const target = event.target;
    const op = target.closest("[data-op]");
    if (op) return choose(Number(op.dataset.op), { scroll: false });
    const pill = target.closest(".pill[data-from]");
    if (pill) return choose(Number(pill.dataset.from));
    const jump = target.closest("[data-goto]");
    if (jump) return choose(Number(jump.dataset.goto));
    const wanted = target.closest("[data-search]");
    if (wanted) { search.value = wanted.dataset.search; filter(); return next(1); }
    const line = target.closest(".line.known");
    if (line && !String(getSelection())) return chooseLine(line.dataset.line);
    const kind = target.closest(".kind");
    if (kind) { kind.setAttribute("aria-pressed", kind.getAttribute("aria-pressed") !== "true"); return filter(); }
    const view = target.closest("button[data-view]");
    if (view) return show(view.dataset.view);
    if (target.id === "collapse") all("details.section").forEach((e) => { e.open = e.matches(".main"); });
    if (target.id === "expand") all("details.section").forEach((e) => { e.open = true; });
    if (target.closest(".sheet")) nothing();
  });
  document.addEventListener("pointerover", (event) => {
    const op = event.target.closest("[data-op]");
    const line = event.target.closest(".line.known");
    all(".line.near").forEach((e) => e.classList.remove("near"));
    if (chosen === null) clear("lit");
    if (op) for (const name of data[op.dataset.op].lines) lineRows.get(name)?.classList.add("near");
    if (line && chosen === null && details.hidden) for (const number of byLine.get(line.dataset.line) || []) mark(number, "lit");
  });
  const show = (view) => {
    document.body.dataset.view = view;
    all("button[data-view]").forEach((e) => e.setAttribute("aria-pressed", e.dataset.view === view));
    const element = chosen !== null && shown(chosen);
    if (element) reveal(element);
  };

  // Search and filter.
  let matches = [];
  const texts = new Map(numbers.map((n) => {
    const o = data[n];
    return [n, [o.text, o.kind, ...(o.rules || []), ...o.facts.map((f) => f.slice(0, 2).join(" "))].join("\n").toLowerCase()];
  }));
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const kinds = new Set(all('.kind[aria-pressed="true"]').map((e) => e.dataset.kind));
    const active = words.length > 0 || kinds.size > 0;
    clear("match");
    document.body.classList.toggle("filtered", active);
    matches = !active ? [] : numbers.filter((n) =>
      (!kinds.size || kinds.has(data[n].kind)) && words.every((word) => texts.get(n).includes(word)));
    for (const number of matches) mark(number, "match");
    found.textContent = active ? `${matches.length} of ${numbers.length}` : "";
  };
  search.addEventListener("input", filter);
  const next = (by) => {
    if (!matches.length) return;
    const at = matches.indexOf(chosen);
    const to = at < 0 ? (by > 0 ? 0 : matches.length - 1) : (at + by + matches.length) % matches.length;
    choose(matches[to], { focus: document.activeElement !== search });
  };

  // Keys.
  const step = (by) => {
    const pool = matches.length ? matches : numbers;
    const at = pool.indexOf(chosen);
    choose(pool[at < 0 ? 0 : Math.min(Math.max(at + by, 0), pool.length - 1)]);
  };
  const along = (values) => {
    const other = (values.find((value) => value[1]) || [])[1];
    if (other) choose(other);
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === search) {
      if (event.key === "Enter") next(event.shiftKey ? -1 : 1);
      if (event.key === "Escape") { search.value = ""; filter(); search.blur(); }
      return;
    }
    if (event.key === "/") { event.preventDefault(); search.focus(); search.select(); return; }
    if (event.key === "Escape") return nothing();
    if (event.key === "Enter" && document.activeElement.dataset.op) return choose(Number(document.activeElement.dataset.op));
    const onPlan = chosen !== null && !event.target.closest("input, summary, button, .side, .source");
    if (onPlan && event.key === "ArrowRight") { event.preventDefault(); step(1); }
    if (onPlan && event.key === "ArrowLeft") { event.preventDefault(); step(-1); }
    if (onPlan && event.key === "ArrowUp") { event.preventDefault(); along(data[chosen].inputs); }
    if (onPlan && event.key === "ArrowDown") { event.preventDefault(); along(data[chosen].users); }
    if (event.key === "n") next(1);
    if (event.key === "N") next(-1);
  });
  // One operator of each view can be reached with Tab; the others from there with the arrows.
  for (const first of [document.querySelector("g.op"), document.querySelector("tr.op")]) first?.setAttribute("tabindex", "0");
  document.addEventListener("focusin", (event) => {
    if (chosen === null && event.target.dataset?.op && event.target.matches(":focus-visible")) choose(Number(event.target.dataset.op), { scroll: false });
  });
  if (location.hash) choose(Number(location.hash.slice(1)));
})();
