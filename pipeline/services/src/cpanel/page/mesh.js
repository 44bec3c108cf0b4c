// The mesh: what was wanted of each version, what came of it, what is in force; and what each panel took.

// To a tenth below 10 %, where canaries live. Number and unit stay on one line.
const percent = (share) => `${(share * 100).toFixed(share > 0 && share < 0.0995 ? 1 : 0)}\u00a0%`;
const STATES = { ready: "on", starting: "waiting", draining: "waiting", unready: "off", failed: "off", stopped: "off" };

// The newest view; none before the first, or where nobody knows the mesh.
let mesh = null;

async function pollMesh() {
  mesh = await ask("/mesh");
  const services = mesh.services ?? [];
  const hasChoice = ({ versions, instances }) => versions.length > 1 || instances.length > 1;
  const [first, lone] = [services.filter(hasChoice), services.filter((service) => !hasChoice(service))];
  $("mesh-services").replaceChildren(...first.map(serviceCard), ...lone.map(loneCard));
  $("mesh-taken").replaceChildren(`in the ${mesh["window-seconds"]} s until `, time(mesh.taken));
  showRules(mesh.rules ?? {});
  const ejected = services.flatMap((service) => service.instances).filter((instance) => instance.ejected);
  const names = ejected.map((instance) => instance.name).join(", ");
  // Said aloud by screen readers, so written only when it changes.
  const text = names ? `⊘ ejected, gets no traffic: ${names}` : "no instance is ejected";
  if ($("mesh-ejected").textContent !== text) $("mesh-ejected").textContent = text;
  $("mesh-ejected").classList.toggle("alarm", names !== "");
  showResults();
}

function serviceCard(service) {
  const groups = service.versions.map((version) => {
    const group = element("tbody");
    const row = versionRow(version);
    if (service.versions.length > 1) row.firstElementChild.append(shareBar(version));
    group.append(row, ...service.instances.filter((instance) => instance.version === version.version).map(instanceRow));
    return group;
  });
  // Instances on their way out may be of a version that there is no more.
  const known = new Set(service.versions.map((version) => version.version));
  const rest = element("tbody");
  rest.append(...service.instances.filter((instance) => !known.has(instance.version)).map(instanceRow));
  groups.push(rest);
  return card(service.name, wordsOf(service), groups);
}

// Where there is nothing to choose from: the instance and its counts in a line.
function loneCard(service) {
  const none = { name: "no instance", state: "failed", ejected: false, requests: 0, errors: 0 };
  const instance = service.instances[0] ?? none;
  const made = element("article", "service");
  const line = element("p", "instance", `${instance.name}\u2002`);
  const counts = `${instance.requests} requests, ${instance.errors} errors`;
  line.append(stateOf(instance), "\u2002", element("span", instance.errors > 0 ? "error" : "quiet", counts));
  made.append(element("h3", "", service.name), wordsOf(service), line);
  return made;
}

function card(name, words, groups) {
  const made = element("article", "service");
  const table = element("table");
  table.setAttribute("aria-label", name);
  const head = element("tr");
  for (const [title, className] of [["Version, instance", ""], ["Requests", "number"], ["Errors", "number"]]) {
    const cell = element("th", className, title);
    cell.scope = "col";
    head.append(cell);
  }
  table.createTHead().append(head);
  table.append(...groups);
  made.append(element("h3", "", name), words, table);
  return made;
}

function wordsOf(service) {
  const list = element("ul", "words");
  list.append(...(service.words ?? []).map((words) => element("li", "", words)));
  return list;
}

function countsOf({ requests, errors }) {
  return [element("td", "number", String(requests)), element("td", errors > 0 ? "number error" : "number", String(errors))];
}

function versionRow(version) {
  const row = element("tr", "version");
  const who = element("th", "", `${version.version}\u2002`);
  who.scope = "rowgroup";
  const { "wanted-share": wanted, "measured-share": measured } = version;
  const parts = [
    measured == null ? "no requests" : `got ${percent(measured)}`,
    wanted == null ? "by conditions" : `wanted ${percent(wanted)}`,
  ];
  who.append(element("span", "shares", parts.join(" · ")));
  row.append(who, ...countsOf(version));
  return row;
}

// What was got as a bar, what was wanted as a tick across it.
function shareBar({ "wanted-share": wanted, "measured-share": measured }) {
  const bar = svg("svg", { class: "share", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
  bar.append(svg("rect", { class: "track", x: 0, y: 2, width: 100, height: 6 }));
  if (measured) bar.append(svg("rect", { class: "measured", x: 0, y: 2, width: measured * 100, height: 6 }));
  if (wanted != null) {
    // Half the tick's width from either end, so that it is not cut off.
    const x = Math.min(99.5, Math.max(0.5, wanted * 100));
    bar.append(svg("line", { class: "wanted", x1: x, x2: x, y1: 0, y2: 10 }));
  }
  return bar;
}

function stateOf({ state, ejected }) {
  if (ejected) return element("span", "ejected", "⊘ ejected");
  return element("span", `state ${STATES[state] ?? "off"}`, state);
}

function instanceRow(instance) {
  const row = element("tr", "instance");
  const who = element("th", "", `${instance.name}\u2002`);
  who.scope = "row";
  who.append(stateOf(instance));
  row.append(who, ...countsOf(instance));
  return row;
}

function showRules({ since, documents = [] }) {
  const count = `${documents.length} document${documents.length === 1 ? "" : "s"}`;
  $("mesh-rules").replaceChildren("Rules in force: ", count, ...(since ? [", since ", time(since)] : []));
  const rows = documents.map((document) => {
    const row = element("li");
    row.append(element("span", "grow", `${document.kind} ${document.namespace}/${document.name}`),
      element("span", "quiet", document.file ?? ""));
    return row;
  });
  $("mesh-documents").replaceChildren(...rows);
}

// Panels that answered this page, by instance; the page asks whichever the mesh chooses.
const answered = new Map();

function showResults() {
  const here = (service) => service.instances.some((instance) => answered.has(instance.name));
  const instances = mesh?.services?.find(here)?.instances;
  const panels = instances?.map(({ name, version }) => answered.get(name) ?? { version, instance: name, results: "–" })
    ?? [...answered.values()];
  const rows = panels.map(({ version, instance, results }) => {
    const row = element("tr");
    row.append(element("td", "", version), element("td", "", instance), element("td", "number", String(results)));
    return [`${version} ${instance}`, row];
  });
  $("results").replaceChildren(...rows.sort(([a], [b]) => a.localeCompare(b)).map(([, row]) => row));
}
