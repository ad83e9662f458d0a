// The rig: one `turnout sim`, one `turnout serve` before it, and for every cell (a pool, an
// account and a key of its own, so that nothing is shared) a tap on the way to the client,
// which passes bytes on untouched and counts the signs of life among them.
import { spawn } from "node:child_process";
import { mkdtempSync, writeFileSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const patient = "1h"; // where Turnout's own limits must not come first

const cells = new Map();

// cell declares what one proof needs: words ask the simulated provider for its behaviour,
// keepAlive is the pool's setting, patient lifts Turnout's own limits.
export function cell(name, { words, keepAlive = "10s", platform = "anthropic-compatible", patient = false }) {
  if (cells.has(name)) throw new Error(`two cells are named ${name}`);
  const c = { name, keepAlive, platform, patient, simKey: `sk-sim-${name}-${words}`, key: `tk-clients-${name}-0123456789`, asked: [], upstream: [], signs: newSigns() };
  cells.set(name, c);
  return c;
}

function newSigns() {
  return { pings: 0, comments: 0, empty: 0, first: undefined };
}

function config() {
  const limits = ["first_byte", "first_byte_most", "soft_small", "soft", "soft_high", "first_content", "text_gap_least", "text_gap", "thinking_gap_pings", "thinking_gap", "other_gap"];
  let y = "listen: 127.0.0.1:0\ndata_dir: ./data\nlog: {level: warn}\npools:\n";
  const all = [...cells.values()];
  for (const c of all) {
    y += `  - name: ${c.name}\n    keep_alive: ${c.keepAlive}\n`;
    if (c.patient) y += `    limits: {${limits.map((l) => `${l}: ${patient}`).join(", ")}}\n`;
  }
  y += "accounts:\n";
  for (const c of all) {
    const base = sim.url + (c.platform.startsWith("openai") ? "/v1" : "");
    y += `  - {name: ${c.name}, platform: ${c.platform}, base_url: "${base}", api_key: ${c.simKey}, pools: [${c.name}]}\n`;
  }
  y += "keys:\n";
  for (const c of all) y += `  - {name: ${c.name}, secret: ${c.key}, pools: [${c.name}]}\n`;
  return y;
}

export const sim = { url: undefined };
export let dir;
const children = [];
const servers = [];
let log = "";

// child starts a process and resolves with the match of expr in its output.
function child(command, args, options, expr, online) {
  return new Promise((resolve, reject) => {
    const p = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    children.push(p);
    let rest = "";
    const read = (data) => {
      rest += data;
      for (let i; (i = rest.indexOf("\n")) >= 0; rest = rest.slice(i + 1)) {
        const line = rest.slice(0, i);
        const m = expr.exec(line);
        if (m) resolve(m);
        online(line);
      }
    };
    p.stdout.setEncoding("utf8").on("data", read);
    p.stderr.setEncoding("utf8").on("data", read);
    p.on("error", reject);
    p.on("exit", (code) => reject(new Error(`${args[0]} ended with ${code}:\n${log}`)));
  });
}

// start brings everything up. binary is the turnout to prove.
export async function start(binary) {
  dir = mkdtempSync(join(tmpdir(), "turnout-clients-"));
  const env = { PATH: process.env.PATH, HOME: dir };
  const m = await child(binary, ["sim", "-v"], { env, cwd: dir }, /listens on (\S+)/, simLine);
  sim.url = m[1];
  const file = join(dir, "turnout.yaml");
  writeFileSync(file, config(), { mode: 0o600 });
  const s = await child(binary, ["serve", "-c", file, "--log-level", "info"], { env, cwd: dir }, /msg=serving address=(\S+):(\d+)/, (line) => (log = (log + line + "\n").slice(-8000)));
  for (const c of cells.values()) c.url = await tap(c, s[1], Number(s[2]));
}

// stop ends what start began.
export async function stop() {
  for (const s of servers) s.close();
  for (const p of children) {
    if (p.exitCode !== null) continue;
    p.removeAllListeners("exit");
    const ended = new Promise((resolve) => p.once("exit", resolve));
    p.kill("SIGKILL");
    await ended;
  }
  if (dir) rmSync(dir, { recursive: true, force: true });
}

// simLine notes a request that the provider saw: the line comes at the request's end.
function simLine(line) {
  const m = /^\d+ POST (\S+) key=(\S+) .*stream=(\S+) status=(\d+) .*outcome=(\S+) took=(\S+)$/.exec(line);
  if (!m) return;
  for (const c of cells.values()) {
    if (c.simKey !== m[2]) continue;
    const end = Date.now();
    c.upstream.push({ at: end - seconds(m[6]) * 1000, took: seconds(m[6]), stream: m[3] === "true", status: Number(m[4]), outcome: m[5] });
    c.upstream.sort((a, b) => a.at - b.at);
  }
}

// seconds reads a Go duration.
function seconds(text) {
  let s = 0;
  for (const [, n, unit] of text.matchAll(/([\d.]+)(h|ms|µs|m|s)/g)) s += n * { h: 3600, m: 60, s: 1, ms: 1e-3, µs: 1e-6 }[unit];
  return s;
}

// tap listens for one client. Every event that Turnout writes it writes whole, so that a sign of
// life is never cut by the framing of chunks.
function tap(c, host, port) {
  const server = net.createServer({ allowHalfOpen: true }, (down) => {
    const up = net.connect({ host, port, allowHalfOpen: true });
    let tail = "";
    down.on("data", (b) => {
      const text = b.toString("latin1");
      for (const m of text.matchAll(/^(POST|HEAD|GET) (\S+) HTTP/gm)) c.asked.push({ at: Date.now(), path: m[2] });
    });
    up.on("data", (b) => {
      const text = tail + b.toString("latin1");
      // What stands at the end without a line's end is counted with what follows it.
      const whole = text.lastIndexOf("\n\n") + 2;
      count(c.signs, text.slice(0, whole));
      tail = whole > 1 ? text.slice(whole) : text.slice(-4096);
    });
    down.pipe(up);
    up.pipe(down);
    for (const [a, b] of [[down, up], [up, down]]) a.on("error", () => b.destroy()).on("close", () => b.destroy());
  });
  servers.push(server);
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`)));
}

const emptyDelta = /"delta":\{"type":"(text_delta","text|thinking_delta","thinking|input_json_delta","partial_json)":""\}/g;

function count(signs, text) {
  const n = (expr) => (text.match(expr) ?? []).length;
  signs.pings += n(/^event: ping$/gm);
  signs.comments += n(/^:/gm);
  signs.empty += n(emptyDelta);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// times lists when the provider was asked, in seconds after the first time.
export function times(c) {
  const first = c.upstream[0]?.at ?? 0;
  return c.upstream.map((u) => `${((u.at - first) / 1000).toFixed(1)}s${u.stream ? "" : " (not a stream)"}`).join(", ");
}

// settled waits until the provider has written its line for what has ended.
export async function settled(c, n) {
  for (let i = 0; i < 40 && c.upstream.length < n; i++) await sleep(50);
  await sleep(100);
}

export function signsOf(c) {
  const { pings, comments, empty } = c.signs;
  return [[pings, "pings"], [comments, "comments"], [empty, "empty deltas"]].filter(([n]) => n > 0).map(([n, what]) => `${n} ${what}`).join(", ") || "no signs";
}
