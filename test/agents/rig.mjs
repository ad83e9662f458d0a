// The rig: one `turnout sim`, one `turnout serve` before it, and a trap for whatever would leave this
// machine. Every row has a pool, accounts and a key of its own, so that nothing is shared.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

// kinds are the accounts' platforms: where they are asked, and which model stands there for a caller of another
// dialect. Gemini 3 refuses a call that comes back without its signature.
export const kinds = {
  anthropic: { base: "", model: "claude-sonnet-4-5", path: /^\/v1\/messages(\?|$)/ },
  openai: { base: "/v1", model: "gpt-5.5", path: /^\/v1\/(responses|chat\/completions)$/ },
  "openai-compatible": { base: "/v1", model: "qwen3-coder", path: /^\/v1\/chat\/completions$/ },
  gemini: { base: "", model: "gemini-3.1-pro-preview", path: /^\/v1(beta)?\/models\/[^/]+:(streamG|g)enerateContent/ },
};

const cells = new Map();

// cell declares what one row needs: accounts in the order in which they are tried, each by its kind and the words
// that ask the simulated provider for its behaviour. native is the kind that speaks the caller's dialect:
// it gets the caller's model as it is.
// spent: its money is used up, or a budget.
export function cell(name, native, accounts, spent) {
  if (cells.has(name)) throw new Error(`two cells are named ${name}`);
  const c = { name, spent, key: `tk-agents-0123456789-${name}`, accounts: accounts.map(({ kind, words = "" }, i) => ({ kind, key: `sk-sim-${name}.${i}${words && `-${words}`}`, translated: kind !== native })) };
  cells.set(name, c);
  return c;
}

function config() {
  let pools = "";
  let accounts = "";
  let keys = "";
  for (const c of cells.values()) {
    pools += `  - {name: ${c.name}}\n`;
    const money = { balance: ", prepaid: true", budget: ', budgets: [{name: monthly-budget, period: month, hard_usd: 0.000001}]' }[c.spent] ?? "";
    keys += `  - {name: ${c.name}, secret: ${c.key}, pools: [${c.name}]${money}}\n`;
    for (const [i, { kind, key, translated }] of c.accounts.entries()) {
      const models = translated ? `, models: {"*": ${kinds[kind].model}}` : "";
      accounts += `  - {name: ${c.name}.${i}, platform: ${kind}, base_url: "${rig.sim}${kinds[kind].base}", api_key: ${key}, pools: [${c.name}], priority: ${i}${models}}\n`;
    }
  }
  return `listen: 127.0.0.1:0\ndata_dir: ./data\nlog: {level: info}\npools:\n${pools}accounts:\n${accounts}keys:\n${keys}`;
}

export const rig = { dir: undefined, sim: undefined, url: undefined, trap: undefined, escapes: [] };
let journal;
const children = [];
const servers = [];
let log = "";

// child starts a process and resolves with the match of expr in its output.
function child(command, args, expr) {
  return new Promise((resolve, reject) => {
    const p = spawn(command, args, { cwd: rig.dir, env: { PATH: process.env.PATH, HOME: rig.dir }, stdio: ["ignore", "pipe", "pipe"] });
    children.push(p);
    let seen = "";
    const read = (data) => {
      log = (log + data).slice(-20_000);
      if (seen === undefined) return;
      seen += data;
      const m = expr.exec(seen);
      if (m) (seen = undefined), resolve(m);
    };
    p.stdout.setEncoding("utf8").on("data", read);
    p.stderr.setEncoding("utf8").on("data", read);
    p.on("error", reject);
    p.on("exit", (code) => reject(new Error(`turnout ${args[0]} ended with ${code}:\n${log}`)));
  });
}

// start brings everything up. binary is the turnout to prove.
export async function start(binary) {
  rig.dir = mkdtempSync(join(tmpdir(), "turnout-agents-"));
  await setTrap();
  const m = await child(binary, ["sim", "--journal", "127.0.0.1:0"], /journal: GET (\S+)\/requests[\s\S]*listens on (\S+)/);
  [, journal, rig.sim] = m;
  const file = join(rig.dir, "turnout.yaml");
  writeFileSync(file, config(), { mode: 0o600 });
  rig.asked = (c) => requestsOf(binary, file, c);
  rig.url = "http://" + (await child(binary, ["serve", "-c", file], /msg=serving address=(\S+)/))[1];
}

// requestsOf counts what a row's key has asked of Turnout, by what is recorded of it.
function requestsOf(binary, file, c) {
  const r = spawnSync(binary, ["requests", "list", "-c", file, "--key", c.name, "--json", "-n", "100"], { cwd: rig.dir, encoding: "utf8" });
  if (r.status !== 0) throw new Error(`turnout requests list: ${r.stderr}`);
  return r.stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

// tap listens before Turnout, passes bytes on untouched and counts the WebSockets that were opened.
export async function tap() {
  const { hostname: host, port } = new URL(rig.url);
  const t = { url: undefined, opened: 0 };
  const server = net.createServer({ allowHalfOpen: true }, (down) => {
    const up = net.connect({ host, port: Number(port), allowHalfOpen: true });
    up.once("data", (b) => (t.opened += b.toString("latin1").startsWith("HTTP/1.1 101") ? 1 : 0));
    down.pipe(up);
    up.pipe(down);
    for (const [a, b] of [[down, up], [up, down]]) a.on("error", () => b.destroy()).on("close", () => b.destroy());
  });
  servers.push(server);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.url = `http://127.0.0.1:${server.address().port}`;
  return t;
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
  if (rig.dir) rmSync(rig.dir, { recursive: true, force: true });
}

// setTrap opens a proxy that lets nothing through and remembers who was asked for. The agents are told to use it
// for all but this machine.
function setTrap() {
  const caught = (req, to) => (rig.escapes.push(`${req.method} ${req.url}`), to);
  const trap = http.createServer((req, res) => caught(req, res).writeHead(403).end());
  trap.on("connect", (req, socket) => caught(req, socket).end("HTTP/1.1 403 Forbidden\r\n\r\n"));
  servers.push(trap);
  return new Promise((resolve) => trap.listen(0, "127.0.0.1", () => ((rig.trap = `http://127.0.0.1:${trap.address().port}`), resolve())));
}

// seen gives what the provider saw with an account's key, once so many requests have ended; or fewer, where there are
// no more.
export async function seen(account, count) {
  const ask = (q, bound) => fetch(`${journal}/requests?${new URLSearchParams({ key: account.key, body: "1", ...q })}`, { signal: AbortSignal.timeout(bound) }).then((r) => r.json());
  return ask({ count: String(count) }, 15_000).catch(() => ask({}, 60_000));
}

// said is the text with which every answer of the provider's ends.
export async function said() {
  const r = await fetch(`${rig.sim}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: "Bearer sk-sim-reference", "content-type": "application/json" },
    body: JSON.stringify({ model: "sim", messages: [{ role: "user", content: "say it" }] }),
  });
  return (await r.json()).choices[0].message.content.trim();
}

// run runs an agent as its user would, in an empty folder, and gives how it ended.
export async function run(c, { command, args = [], env = {}, files = {}, input, home }) {
  const paths = { home: join(rig.dir, "home", home), work: join(rig.dir, "work", c.name), tmp: join(rig.dir, "tmp") };
  for (const dir of Object.values(paths)) mkdirSync(dir, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(paths.home, name, ".."), { recursive: true });
    writeFileSync(join(paths.home, name), text);
  }
  const before = rig.escapes.length;
  const proxy = { HTTP_PROXY: rig.trap, HTTPS_PROXY: rig.trap, ALL_PROXY: rig.trap, NO_PROXY: "127.0.0.1,localhost" };
  for (const [name, value] of Object.entries(proxy)) proxy[name.toLowerCase()] = value;
  const trace = process.env.AGENTS_STRACE ? join(rig.dir, "trace") : undefined;
  if (trace) [command, args] = ["strace", ["-f", "-qq", "-e", "trace=connect,sendto,sendmmsg,sendmsg", "-o", trace, command, ...args]];
  const p = spawn(command, args, {
    cwd: paths.work,
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: process.env.PATH, LANG: "C.UTF-8", HOME: paths.home, TMPDIR: paths.tmp, ...proxy, ...env },
    detached: true, // a group of its own, so that its helpers can be ended with it
  });
  let out = "";
  let err = "";
  p.stdout.setEncoding("utf8").on("data", (d) => (out += d));
  p.stderr.setEncoding("utf8").on("data", (d) => (err += d));
  p.stdin.on("error", () => {}); // it need not read
  p.stdin.end(input ?? "");
  const { code, signal, hung } = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => (kill(p), resolve({ hung: true })), bound);
    p.on("error", reject);
    p.on("close", (code, signal) => (clearTimeout(timer), resolve({ code, signal })));
  });
  kill(p);
  return { ...paths, code, signal, hung, out, err, escapes: rig.escapes.slice(before), trace };
}

const bound = 300_000; // of one run: it hangs otherwise

function kill(p) {
  try {
    process.kill(-p.pid, "SIGKILL");
  } catch {
    // nobody is left
  }
}

export const logTail = () => log.split("\n").slice(-8).join("\n");
