// Has every agent do a task through Turnout, before every kind of account, and prints a line for each row.
//
//   node main.mjs TURNOUT [--counts FILE] [--brief] [PART…]
//
// PARTs choose rows: each is a part of a row's name. --brief chooses those that CI runs.
import assert from "node:assert/strict";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as agents from "./agents.mjs";
import { cell, kinds, logTail, rig, run, said, seen, start, stop, tap } from "./rig.mjs";

const [, , binary, ...flags] = process.argv;
const counts = flags.includes("--counts") ? flags.splice(flags.indexOf("--counts"), 2)[1] : undefined;
const short = flags.includes("--brief");
const only = flags.filter((f) => f !== "--brief");

// What the first account does from the second request on, when the agent sends its tool's result. After a break in the
// middle of the answer it is the agent who asks again.
const faults = { 503: "fail503", limited: "fail429-ra300", cut: "cut0", "in-band": "errstart", "key refused": "auth401", broken: "cut3" };
const kindsOfFault = Object.keys(faults);

const rows = [];
function add(agent, name, task, accounts, { fault, brief, spent } = {}) {
  const id = `${agent.client}: ${name}`;
  rows.push({ agent, name, task, fault, brief, id, cell: cell(`row.${rows.length + 1}`, agent.native, accounts, spent) });
}

// failing adds a row in which a second account takes over. Without a fault the next one in turn is meant, so that each
// stands with each agent.
let turn = 0;
function failing(agent, kind, second, task, { fault, brief } = {}) {
  fault ??= kindsOfFault[turn++ % kindsOfFault.length];
  // Codex sends a finished thought back with nothing behind it, which the simulated provider refuses as OpenAI documents.
  if (fault === "broken" && agent.native === "openai" && kind === "openai") fault = kindsOfFault[turn++ % kindsOfFault.length];
  add(agent, `${kind}, ${fault}, then ${second}`, task, [{ kind, words: `${faults[fault]}-after1` }, { kind: second }], { fault, brief });
}

// brief: CI runs them. Each agent natively, across dialects, and with a fail-over across dialects.
const names = Object.keys(kinds);
for (const agent of [agents.claude, agents.codex, agents.codexClassic, agents.gemini, agents.opencode["openai-compatible"]]) {
  const { native } = agent;
  const brief = agent !== agents.codexClassic;
  const foreign = names.filter((kind) => kind !== native);
  for (const task of ["shell", "edit"]) add(agent, `${native}, ${task}`, task, [{ kind: native }], { brief: brief && task === "shell" });
  for (const [i, kind] of foreign.entries()) add(agent, `${kind}, ${i % 2 ? "shell" : "edit"}`, i % 2 ? "shell" : "edit", [{ kind }], { brief: brief && i === 0 });
  for (const kind of [native, ...foreign]) failing(agent, kind, kind, "shell");
  if (native !== "openai") failing(agent, native, native, "edit", { fault: "broken" });
  for (const [i, kind] of foreign.entries()) {
    failing(agent, native, kind, "edit", { brief: brief && i === 0 });
    failing(agent, kind, native, "shell");
    failing(agent, kind, foreign[(i + 1) % foreign.length], "edit");
  }
}
// Money that is used up: whoever is told so ends there.
for (const agent of [agents.claude, agents.codex, agents.codexSocket, agents.gemini, agents.opencode["openai-compatible"]]) {
  for (const spent of ["budget", "balance"]) add(agent, `${spent} used up`, "shell", [{ kind: agent.native }], { spent, brief: spent === "budget" && agent !== agents.codexSocket });
}
for (const [i, kind] of names.entries()) {
  add(agents.codexSocket, `${kind}, ${i % 2 ? "edit" : "shell"}`, i % 2 ? "edit" : "shell", [{ kind }]);
  failing(agents.codexSocket, kind, names[(i + 1) % names.length], "edit");
}
for (const kind of ["openai", "anthropic", "gemini"]) {
  const agent = agents.opencode[kind];
  add(agent, `${kind}, shell`, "shell", [{ kind }]);
  // OpenCode offers GPT models apply_patch in place of its tools that write files.
  failing(agent, kind, kind, kind === "openai" ? "shell" : "edit");
}

// prove runs a row and gives what speaks for it.
async function prove({ agent, task, cell, fault }) {
  const { prompt, result } = agent.tasks[task];
  const work = join(rig.dir, "work", cell.name);
  const t = agent.socket ? await tap() : undefined;
  const r = await run(cell, { home: agent.client.replaceAll(/\W+/g, "-"), ...agent.start(cell, prompt(work), { title: fault && "a task", url: t?.url }) });
  if (cell.spent) return provesSpent(agent, cell, r);
  const [first, second] = cell.accounts;
  // The last of these requests has ended before the agent did.
  const [one, two] = [await seen(first, fault ? 2 : agent.requests), second ? await seen(second, 1) : []];
  const last = (two.length ? two : one).at(-1);
  const lines = [...one, ...two].map((q) => `${q.path} ${q.status} ${q.fault} ${q.outcome} ${q.size} bytes`).join("; ");
  const told = () => `exit ${r.hung ? "none: it hung" : r.signal ?? r.code}; upstream requests: ${lines}\nout: ${r.out.slice(-1500)}\nerr: ${r.err.slice(-2500)}`;
  assert.equal(r.code, 0, told());
  assert.ok(r.out.includes(await said()), `the final answer is not printed\n${told()}`);
  assert.ok(existsSync(join(work, agents.file)), `the tool made no file\n${told()}`);
  assert.equal(readFileSync(join(work, agents.file), "utf8").trim(), agents.made);
  assert.ok(last?.body.includes(result), `the provider did not get the tool's result\n${told()}`);
  // A healthy account: one request for the call, one with its result. A failing one: at most two that fail, and
  // then the other account once.
  const title = agent.title && !fault ? 1 : 0;
  const well = one.filter((q) => q.outcome === "ok").length;
  const ill = one.length - well;
  // Where nobody knew that the session moves (this agent names none), OpenAI refuses reasoning of another organisation once.
  const unread = !agent.session && two.length === 2 && two[0].status === 400 && two[0].path === "/v1/responses";
  if (fault) assert.ok(well === 1 && (ill === 1 || ill === 2) && (two.length === 1 || unread), told());
  else assert.equal(`${well} ${ill}`, `${agent.requests + title} 0`, told());
  for (const [i, list] of [one, two].entries()) for (const q of list) assert.match(q.path, kinds[cell.accounts[i].kind].path);
  if (t) assert.ok(t.opened > 0, `no WebSocket was opened\n${told()}`);
  assert.deepEqual(r.escapes, [], "it asked for other machines");
  if (r.trace) assert.deepEqual(outside(r.trace), [], "it called other machines");
  return `${one.length}${second ? ` + ${two.length}` : ""} upstream requests`;
}

// provesSpent: the agent has ended after one request (and one for its title, or for each way that it has to ask), shows why, and nothing went upstream.
async function provesSpent(agent, cell, r) {
  // Whatever went upstream would have ended by then; and what was asked is recorded a moment after its end.
  const upstream = await seen(cell.accounts[0], 1);
  const asked = rig.asked(cell);
  const told = () => `exit ${r.hung ? "none: it hung" : r.signal ?? r.code}; ${asked.length} requests\nout: ${r.out.slice(-1500)}\nerr: ${r.err.slice(-2500)}`;
  const words = { budget: /The budget .{0,3}monthly-budget.{0,3} of key .{0,3}row\.\d+.{0,3} is used up/, balance: /The balance of key .{0,3}row\.\d+.{0,3} is used up/ }[cell.spent];
  assert.ok(!r.hung, told());
  assert.match(r.out + r.err, words, told());
  assert.equal(upstream.length, 0, told());
  assert.equal(asked.length, 1 + (agent.title ? 1 : 0), told());
  assert.deepEqual(r.escapes, [], "it asked for other machines");
  return `${asked.length} requests`;
}

// outside lists the calls in a trace that do not stay on this machine.
function outside(trace) {
  return readFileSync(trace, "latin1").split("\n").filter((l) => /sin6?_port/.test(l) && !/inet_addr\("127\.|"::1"|"::ffff:127\./.test(l));
}

const chosen = rows.filter((r) => (!short || r.brief) && only.every((part) => r.id.includes(part)));
const began = Date.now();
let failed = 0;
let skipped = 0;
try {
  await start(binary);
  console.log(`${chosen.length} rows on Node ${process.version}: ${[...new Set(chosen.filter((r) => agents.installed(r.agent)).map((r) => `${r.agent.package} ${agents.version(r.agent)}`))].join(", ")}`);
  for (const row of chosen) {
    if (!agents.installed(row.agent)) {
      console.log(`none    ${row.agent.client.padEnd(36)} ${row.name}: package.json names no program for ${process.platform} on ${process.arch}`);
      skipped++;
      continue;
    }
    const from = Date.now();
    let evidence;
    let ok = true;
    try {
      evidence = await prove(row);
    } catch (err) {
      ok = false;
      evidence = `${err.message}\nTurnout: ${logTail().slice(-3000)}`;
      failed++;
    }
    console.log(`${ok ? "ok    " : "FAILED"}  ${row.agent.client.padEnd(36)} ${row.name.padEnd(44)} ${((Date.now() - from) / 1000).toFixed(1).padStart(5)} s  ${evidence}`);
  }
} finally {
  await stop();
}
const passed = chosen.length - failed - skipped;
if (counts) appendFileSync(counts, `${passed} ${failed} ${skipped}\n`);
console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} do not exist here` : ""}, in ${Math.round((Date.now() - began) / 1000)} s`);
process.exitCode = failed || !passed ? 1 : 0; // nothing tried is nothing proven
