// Claude Code, headless, as its user runs it. Its watchdogs, as read in the package's source (2.1.330)
// and shown by the long rows:
//   - no byte for 300 s once the header is there; CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS lowers that,
//     to 10 s at the least. Any byte counts.
//   - no event for 300 s, which no setting lowers. Pings and comments stand for an event only 30
//     times in a row, at most one in 10 s; any delta, an empty one too, begins the count anew.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cell, dir, settled, signsOf, sim, sleep, times } from "./rig.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const binary = join(here, "node_modules", "@anthropic-ai", `claude-code-${process.platform}-${process.arch}`, process.platform === "win32" ? "claude.exe" : "claude");

const noThinking = { MAX_THINKING_TOKENS: "0" };
const watchdog = { CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS: "20000" }; // by itself 300 s
const plain = { ANTHROPIC_CUSTOM_HEADERS: "User-Agent: plain/1" }; // in the table: every other client

// turn runs one turn of a user; enough ends it early.
async function turn(c, { prompt = "say it", env = {}, args = [], enough = () => false }) {
  const home = join(dir, `home-${c.name}`);
  const work = join(home, "work");
  mkdirSync(work, { recursive: true });
  const debug = join(home, "debug.log");
  const p = spawn(binary, ["-p", prompt, "--model", "claude-sonnet-4-5", "--output-format", "stream-json", "--verbose", "--debug-file", debug, ...args], {
    cwd: work,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH, HOME: home, ANTHROPIC_BASE_URL: c.url, ANTHROPIC_AUTH_TOKEN: c.key, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1", DISABLE_AUTOUPDATER: "1", ...env },
  });
  let out = "";
  p.stdout.setEncoding("utf8").on("data", (d) => (out += d));
  p.stderr.setEncoding("utf8").on("data", (d) => (out += d));
  const began = Date.now();
  let ended = false;
  const exit = new Promise((resolve) => p.once("exit", (code) => ((ended = true), resolve(code))));
  while (!ended && !enough() && Date.now() - began < 25 * 60_000) await Promise.race([exit, sleep(500)]);
  const stopped = !ended;
  if (stopped) p.kill("SIGKILL");
  await exit;
  const lines = out.split("\n").filter((l) => l.startsWith("{")).map((l) => JSON.parse(l));
  const log = existsSync(debug) ? readFileSync(debug, "utf8") : "";
  return {
    stopped,
    took: (Date.now() - began) / 1000,
    result: lines.findLast((l) => l.type === "result"),
    tools: lines.filter((l) => l.type === "user").flatMap((l) => l.message.content).filter((b) => b.type === "tool_result"),
    gaveUp: [...log.matchAll(/\[ERROR\] (Streaming idle timeout[^:]*: [^\n]*|API error \(attempt [^\n]{0,60})/g)].map((m) => m[1]),
    out,
  };
}

// said is the provider's text of n pieces.
async function said(n) {
  const r = await fetch(`${sim.url}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": `sk-sim-reference-n${n}` },
    body: JSON.stringify({ model: "claude-sonnet-4-5", max_tokens: 1000, messages: [{ role: "user", content: "say it" }] }),
  });
  return (await r.json()).content[0].text;
}

function wholeRow(name, what, { words, n, requests = 1, keepAlive, patient, least, env, ask, more = () => {} }) {
  const c = cell(`cc-${name}`, { words, keepAlive, patient });
  return {
    client: "Claude Code",
    what,
    run: async () => {
      const t = await turn(c, { env, ...ask });
      await settled(c, requests);
      const seen = `${signsOf(c)}; upstream ${c.upstream.length} at ${times(c)}; ${t.gaveUp.join(" / ")}`;
      assert.equal(t.result?.is_error, false, `no answer: ${seen}\n${t.out.slice(-1500)}`);
      assert.equal(t.result.result, await said(n), `the answer: ${seen}`);
      assert.equal(c.upstream.length, requests, `upstream requests: ${seen}`);
      assert.equal(t.gaveUp.length, 0, `it gave up in between: ${seen}`);
      for (const [kind, min] of Object.entries(least)) {
        assert.ok(min === 0 ? c.signs[kind] === 0 : c.signs[kind] >= min, `${kind}: ${seen}, want ${min}`);
      }
      more(t);
      return `whole answer; ${signsOf(c)}; ${requests} upstream request${requests > 1 ? "s" : ""}`;
    },
  };
}

// gaveUpRow proves that the client gives a stream up and asks again.
function gaveUpRow(name, what, { words, keepAlive, patient, env, after: [from, to], least = {} }) {
  const c = cell(`cc-${name}`, { words, keepAlive, patient });
  return {
    client: "Claude Code",
    what,
    run: async () => {
      const t = await turn(c, { env });
      await settled(c, 2);
      const first = c.upstream[0];
      const text = `${signsOf(c)}; given up after ${first?.took.toFixed(1)}s (${t.gaveUp[0]}); upstream ${c.upstream.length} at ${times(c)}`;
      assert.equal(first?.outcome, "aborted", text);
      assert.ok(first.took >= from && first.took <= to, `${text}, want ${from} to ${to}s`);
      assert.ok(c.upstream.length > 1, text);
      for (const [kind, min] of Object.entries(least)) assert.ok(min === 0 ? c.signs[kind] === 0 : c.signs[kind] >= min, `${kind}: ${text}, want ${min}`);
      return text;
    },
  };
}

function failRow(words, long) {
  const c = cell(`cc-${words}`, { words });
  return {
    client: "Claude Code",
    what: `one account that always answers ${words}`,
    run: async () => {
      const t = await turn(c, { enough: () => !long && c.upstream.length > 8 });
      await settled(c, 1);
      const text = `${c.upstream.length} upstream requests at ${times(c)}; ${c.asked.length} of the client; ${t.stopped ? "stopped by this test" : "it gave up"} after ${t.took.toFixed(0)}s`;
      assert.ok(t.stopped || t.result?.is_error, `an answer? ${t.out.slice(-500)}`);
      assert.ok(c.upstream.length > 0 && c.upstream.length <= 8, text);
      return text;
    },
  };
}

const tool = { prompt: 'use tool Bash with {"command":"echo ok"}', args: ["--allowedTools", "Bash"] };

export function rows(long) {
  const out = [
    wholeRow("start", "silence before the first event: pings", { words: "headersthen35000-n3", n: 3, least: { pings: 3 }, env: { ...noThinking, ...watchdog } }),
    wholeRow("text", "silence in the text: empty deltas", { words: "n2-d25000", n: 2, least: { empty: 2, pings: 0 }, env: { ...noThinking, ...watchdog } }),
    wholeRow("thinking", "silence in thinking: empty deltas", {
      words: "n1-d12000", n: 1, least: { empty: 7, pings: 0 }, env: watchdog,
      more: (t) => assert.equal(t.result.usage.output_tokens_details.thinking_tokens, 8, "thinking tokens"),
    }),
    wholeRow("tool", "silence in tool arguments: empty deltas", {
      words: "n1-d25000", n: 1, requests: 2, least: { empty: 3, pings: 0 }, env: { ...noThinking, ...watchdog }, ask: tool,
      more: (t) => assert.deepEqual(t.tools.map((b) => [b.content, b.is_error]), [["ok", false]], "the tool's result"),
    }),
    wholeRow("pings", "the same in the text with pings, as bytes", { words: "n2-d25000", n: 2, least: { pings: 2, empty: 0 }, env: { ...noThinking, ...watchdog, ...plain } }),
    gaveUpRow("none", "no signs in the text, watchdog 20 s", { words: "n2-d25000", keepAlive: "0", env: { ...noThinking, ...watchdog }, after: [19, 23], least: { pings: 0, empty: 0 } }),
    failRow("fail503", long),
    failRow("fail429-ra2", long),
  ];
  if (!long) return out;
  const env = noThinking; // and its own watchdogs
  return [
    ...out,
    gaveUpRow("long-a1", "(a) no byte at all, not even a header", { words: "hangx1-n2", keepAlive: "0", patient: true, env, after: [355, 370] }),
    gaveUpRow("long-a2", "(a) no byte in the text", { words: "n3-stall1x1", keepAlive: "0", patient: true, env, after: [295, 305] }),
    gaveUpRow("long-b", "(b) pings before the first event", { words: "n2-stall0x1", patient: true, env, after: [590, 720], least: { pings: 50, empty: 0 } }),
    gaveUpRow("long-c", "(c) pings in the text", { words: "n3-stall1x1", patient: true, env: { ...env, ...plain }, after: [590, 720], least: { pings: 50, empty: 0 } }),
    wholeRow("long-d", "(d) empty deltas in the text", { words: "n2-d700000", n: 2, patient: true, least: { empty: 60, pings: 0 }, env }),
  ];
}
